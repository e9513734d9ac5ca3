'use strict';

// Starts an example as its `npm start` does, and ends it.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { createInterface } = require('node:readline');

const EXAMPLES = path.resolve(__dirname, '../../../examples/node');
const DEADLINE = 20_000;

/**
 * @param {import('node:test').TestContext} t
 * @param {string} name the folder of the example
 * @param {string[]} args behind what `npm start` runs
 */
async function start(t, name, ...args) {
  const cwd = path.join(EXAMPLES, name);
  const [command, ...script] = require(path.join(cwd, 'package.json')).scripts.start.split(' ');
  if (command !== 'node') throw new Error(`\`npm start\` of ${name} runs ${command}: this can start what node runs`);
  const child = spawn(process.execPath, ['--import', path.join(__dirname, 'resolve.mjs'), ...script, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const failed = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code} before it listened`);
  });
  /** @type {string[]} */
  const lines = [];
  const address = await Promise.race([listening(child.stdout, lines), failed]);
  failed.catch(() => {});
  return {
    /** Where it listens, as host and port. */
    address,
    /** What it has printed. */
    lines,
    /** Asks it to end, and waits until it has. */
    async stop() {
      const exited = once(child, 'exit', { signal: AbortSignal.timeout(DEADLINE) });
      child.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
  };
}

/**
 * @param {import('node:stream').Readable} output
 * @param {string[]} lines
 * @returns {Promise<string>}
 */
function listening(output, lines) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`nothing listened within ${DEADLINE} ms`)), DEADLINE).unref();
    createInterface({ input: output }).on('line', (line) => {
      lines.push(line);
      const [, address] = /^listening on http:\/\/(\S+)/.exec(line) ?? [];
      if (!address) return;
      clearTimeout(timer);
      resolve(address);
    });
  });
}

module.exports = { start };
