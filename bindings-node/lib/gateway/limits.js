'use strict';

// The numbers an operator turns. Times are milliseconds. What is left out is the engine's default.

const check = require('../check');
const { described, typeError } = require('../errors');

const U32 = 2 ** 32 - 1;
const CODE = 'ERR_BAD_OPTION';

/** Whole numbers, and their bounds. */
const COUNTS = {
  connections: { least: 1 },
  perSecond: { least: 1, most: U32 },
  perAddress: { least: 1 },
  perAddressPerSecond: { least: 1, most: U32 },
  handshakes: { least: 1 },
  trustedProxies: { least: 0, most: 1_000 },
  memory: { least: 1 },
  lanes: { least: 0, most: 1_024 },
  maxMessage: { least: 1, most: U32 },
  maxSubscriptions: { least: 0 },
  maxTopics: { least: 0, most: U32 },
  fragment: { least: 1_024, most: 2 ** 24 },
  unsent: { least: 0, most: U32 },
};

const TIMES = ['handshakeTimeout', 'writeTimeout', 'closeTimeout'];
const KNOWN = [...Object.keys(COUNTS), ...TIMES, 'retryAfter', 'slice', 'ping'];

/**
 * @param {unknown} given
 * @param {string} where
 * @returns {import('../../native').NativeLimits}
 */
function limits(given, where) {
  const options = check.options(given, where, KNOWN);
  /** @type {Record<string, number | undefined>} */
  const read = {};
  for (const [name, bounds] of Object.entries(COUNTS)) read[name] = check.whole(options[name], where, name, bounds);
  for (const name of TIMES) read[name] = time(options[name], where, name);
  if (options.retryAfter !== undefined) {
    if (!Array.isArray(options.retryAfter) || options.retryAfter.length !== 2) {
      const found = described(options.retryAfter);
      throw typeError(CODE, `${where}: retryAfter is the earliest and the latest time, as in [1_000, 10_000], not ${found}`);
    }
    const [least, most] = options.retryAfter.map((it) => time(it, where, 'retryAfter', 0));
    if (least === undefined || most === undefined || least > most) {
      throw typeError(CODE, `${where}: retryAfter: the earliest time to come back lies after the latest`);
    }
    read.retryAfterLeast = least;
    read.retryAfterMost = most;
  }
  if (options.ping !== undefined) {
    const ping = check.options(options.ping, `${where}: ping`, ['every', 'timeout']);
    read.pingEvery = required(time(ping.every, `${where}: ping`, 'every'), `${where}: ping`, 'every');
    read.pingTimeout = required(time(ping.timeout, `${where}: ping`, 'timeout'), `${where}: ping`, 'timeout');
  }
  const slice = check.options(options.slice, `${where}: slice`, ['deliveries', 'time']);
  read.sliceDeliveries = check.whole(slice.deliveries, `${where}: slice`, 'deliveries', { least: 1 });
  read.sliceTime = time(slice.time, `${where}: slice`, 'time');
  return read;
}

/**
 * Milliseconds, or undefined.
 *
 * @param {unknown} value
 * @param {string} where
 * @param {string} name
 * @param {number} [least] without it, more than 0
 * @returns {number | undefined}
 */
function time(value, where, name, least) {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || Number.isNaN(value) || (least === undefined ? value <= 0 : value < least)) {
    const bound = least === undefined ? 'more than 0' : `${least} or more`;
    throw typeError(CODE, `${where}: ${name} is a time in milliseconds, ${bound}, not ${described(value)}`);
  }
  return value;
}

/**
 * @param {number | undefined} value
 * @param {string} where
 * @param {string} name
 */
function required(value, where, name) {
  if (value === undefined) throw typeError(CODE, `${where}: give ${name} too, in milliseconds`);
  return value;
}

module.exports = { limits, time };
