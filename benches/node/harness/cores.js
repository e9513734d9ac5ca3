'use strict';

// Cores of their own for a server and its clients, as the benches of the gateway give them, so that neither takes
// the other's time.

const { execFileSync } = require('node:child_process');
const os = require('node:os');

/**
 * Keeps a process and its threads on this core, where there are two and `taskset` can do it.
 *
 * @param {number} pid
 * @param {number} core
 */
function pin(pid, core) {
  if (!canPin()) return;
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' });
}

function canPin() {
  if (os.cpus().length < 2) return false;
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

module.exports = { pin, canPin };
