'use strict';

// Child processes: each contender is measured in one of its own in each round, so that none finds the heap, the
// compiled code or the garbage of another.
//
// A child is this program again with `--case ROW CONTENDER`. It prints its figures as one line of JSON. It is
// killed when it takes too long, and ends by itself when its parent is gone, which it notices by the end of its
// input.

const { spawn } = require('node:child_process');
const path = require('node:path');

const TIMEOUT = 60_000;
const PROGRAM = path.join(__dirname, '../bench.js');

/**
 * The figures of a contender, measured in a process of its own.
 *
 * @param {string} row
 * @param {{ name: string, flags?: string[], core?: number }} contender
 * @returns {Promise<number[]>}
 */
function measure(row, { name, flags = [] }) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--expose-gc', ...flags, PROGRAM, '--case', row, name], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT);
    let printed = '';
    let complaints = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (printed += text));
    // Crashes of V8 print pages; what matters is said at both ends.
    child.stderr.setEncoding('utf8').on('data', (text) => (complaints = (complaints + text).slice(0, 10_000)));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(JSON.parse(printed));
      reject(new Error(`${row}, ${name}: ended with ${signal ?? code}\n${complaints}`));
    });
  });
}

/**
 * In a child: measures and prints.
 *
 * @param {() => Promise<number[]>} run
 */
async function act(run) {
  process.stdin.resume().on('end', () => process.exit(1));
  const figures = await run();
  process.stdout.write(JSON.stringify(figures), () => process.exit(0));
}

module.exports = { measure, act };
