'use strict';

// What the tests of the hub have in common: waiting with a deadline, garbage, and programs of their own.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const v8 = require('node:v8');
const vm = require('node:vm');

const { laneOf } = require('../../lib/lane');

const PACKAGE = require.resolve('../..');
const DEADLINE = 20_000;

/**
 * What a promise resolves to, unless it takes too long.
 *
 * @template T
 * @param {PromiseLike<T>} promise
 * @param {string} [what]
 * @returns {Promise<T>}
 */
async function inTime(promise, what = 'it') {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} has not come in ${DEADLINE} ms`)), DEADLINE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits until something holds.
 *
 * @param {() => unknown} holds
 * @param {string} what
 */
async function until(holds, what) {
  const end = Date.now() + DEADLINE;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`${what}: not in ${DEADLINE} ms`);
    await turn();
  }
}

/**
 * Errors that reach the process while a test runs.
 *
 * @param {import('node:test').TestContext} t
 */
function caught(t) {
  const errors = [];
  const catches = (error) => errors.push(error);
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', catches);
  t.after(() => {
    process.off('uncaughtException', catches);
    for (const other of others) process.on('uncaughtException', other);
  });
  return errors;
}

/** One turn of the event loop, timers included. */
function turn() {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}

/**
 * Waits until the lane of this loop has nothing to do: what was published on it is delivered, or waits to be asked for.
 *
 * @param {import('../..').Hub} hub
 */
async function drained(hub) {
  const lane = laneOf(/** @type {any} */ (hub));
  await until(() => lane.idle, 'the lane is idle');
  await turn();
}

/**
 * So many events of a subscription, as texts.
 *
 * @param {AsyncIterator<import('../..').Event>} subscription
 * @param {number} count
 */
async function texts(subscription, count) {
  const found = [];
  while (found.length < count) {
    const { value, done } = await inTime(subscription.next(), `event ${found.length} of ${count}`);
    if (done) throw new Error(`it is done after ${found.length} of ${count} events`);
    found.push(value.text());
  }
  return found;
}

v8.setFlagsFromString('--expose-gc');
/** @type {() => void} */
const gc = vm.runInNewContext('gc');

/** Collects garbage, and lets finalizers run. */
async function collect() {
  for (let i = 0; i < 3; i += 1) {
    gc();
    await turn();
  }
}

/**
 * Runs a program of its own to its end.
 *
 * @param {string} source it has `Hub` and all else that the package exports
 * @returns {Promise<{ code: number | null, signal: string | null, out: string, err: string }>}
 */
async function program(source) {
  const head = `const { DistributaryError, Event, Filter, Hub, LaggedError } = require(${JSON.stringify(PACKAGE)});\n`;
  const child = spawn(process.execPath, ['-e', head + source], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => { out += chunk; });
  child.stderr.on('data', (chunk) => { err += chunk; });
  const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  return { code, signal, out, err };
}

module.exports = { PACKAGE, caught, collect, drained, gc, inTime, program, texts, turn, until };
