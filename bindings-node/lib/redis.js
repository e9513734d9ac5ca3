'use strict';

// The option `redis` of a hub, and of what moves its topics: a server that joins it with the hubs of other processes and
// machines.

const check = require('./check');
const { described, typeError } = require('./errors');

const MODES = /** @type {const} */ (['live', 'replay', 'durable']);
const OPTIONS = [
  'url',
  'urls',
  'sentinel',
  'sentinelCredentials',
  'cluster',
  'sharded',
  'modes',
  'envelope',
  'logLength',
  'replicaWait',
  'queueBytes',
  'queueDeadline',
  'linger',
  'fleet',
  'clientName',
  'rootCertificates',
];

/** The longest time, some thirty years. */
const LONGEST = 1e12;

/**
 * What a hub was given, as the native half takes it. What is checked here is whether it can cross; which values can be,
 * and which of them together, the engine says.
 *
 * @param {unknown} given
 * @param {string} where
 * @param {string} [name] of the option
 * @returns {import('../native').NativeRedis | undefined}
 */
function redisOptions(given, where, name = 'redis') {
  if (given === undefined) return undefined;
  if (typeof given !== 'string' && (given === null || typeof given !== 'object' || Array.isArray(given))) {
    throw wrong(where, `${name} is a URL or an object of options, not ${described(given)}`);
  }
  const at = `${where}: ${name}`;
  const checked = check.read(typeof given === 'string' ? { url: given } : given, at, OPTIONS);
  return {
    urls: urlsOf(checked, at),
    sentinel: text(checked.sentinel, at, 'sentinel'),
    ...credentials(checked.sentinelCredentials, at),
    cluster: check.ofType(checked.cluster, at, 'cluster', 'boolean') ?? false,
    sharded: check.ofType(checked.sharded, at, 'sharded', 'boolean') ?? false,
    modes: modes(checked.modes, at),
    envelope: strings(checked.envelope, at, 'envelope', 'patterns'),
    logLength: check.whole(checked.logLength, at, 'logLength'),
    replicaWait: time(checked.replicaWait, at, 'replicaWait', 0),
    queueBytes: check.whole(checked.queueBytes, at, 'queueBytes'),
    queueDeadline: time(checked.queueDeadline, at, 'queueDeadline', 0),
    linger: time(checked.linger, at, 'linger', 0),
    fleet: check.whole(checked.fleet, at, 'fleet', { most: 2 ** 32 - 1 }),
    clientName: text(checked.clientName, at, 'clientName'),
    rootCertificates: pem(checked.rootCertificates, at, 'rootCertificates'),
  };
}

/**
 * @param {Record<string, any>} given
 * @param {string} where
 */
function urlsOf({ url, urls }, where) {
  if (url !== undefined && urls !== undefined) throw wrong(where, 'give `url` or `urls`, and not both');
  if (url !== undefined) return [/** @type {string} */ (text(url, where, 'url'))];
  if (urls === undefined) throw wrong(where, 'give a `url`, or the `urls` of Sentinels or of a cluster');
  // It may hold a password, so it is not repeated.
  if (typeof urls === 'string') throw wrong(where, 'urls is a list of URLs, not a string');
  return strings(urls, where, 'urls', 'URLs');
}

/**
 * @param {unknown} given
 * @param {string} where
 */
function credentials(given, where) {
  if (given === undefined) return {};
  const at = `${where}: sentinelCredentials`;
  if (typeof given === 'string') throw wrong(at, 'give an object of a user and a password, not a string');
  const { user, password } = check.read(given, at, ['user', 'password']);
  const [sentinelUser, sentinelPassword] = [text(user, at, 'user'), text(password, at, 'password')];
  if (sentinelUser === undefined || sentinelPassword === undefined) throw wrong(at, 'give a user and a password');
  return { sentinelUser, sentinelPassword };
}

/**
 * @param {unknown} given
 * @param {string} where
 */
function modes(given, where) {
  if (given === undefined) return [];
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw wrong(where, `modes is an object of patterns and modes, not ${described(given)}`);
  }
  return Object.entries(given).map(([topics, mode]) => {
    if (mode === undefined) throw wrong(where, `modes[${described(topics)}] is undefined: leave the pattern out`);
    return { topics, mode: /** @type {string} */ (check.oneOf(mode, where, `modes[${described(topics)}]`, MODES)) };
  });
}

/**
 * @param {unknown} given
 * @param {string} where
 * @param {string} name
 * @param {string} what
 * @returns {string[]}
 */
function strings(given, where, name, what) {
  if (given === undefined) return [];
  if (!Array.isArray(given) || !given.every((one) => typeof one === 'string')) {
    throw wrong(where, `${name} is a list of ${what}, not ${described(given)}`);
  }
  return [...given];
}

/**
 * @param {unknown} given
 * @param {string} where
 * @param {string} name
 * @returns {string | undefined}
 */
function text(given, where, name) {
  return check.ofType(given, where, name, 'string');
}

/**
 * Certificates as `tls` takes them for `ca`.
 *
 * @param {unknown} given
 * @param {string} where
 * @param {string} name
 * @returns {string | undefined}
 */
function pem(given, where, name) {
  if (given === undefined) return undefined;
  const texts = (Array.isArray(given) ? given : [given]).map((one) => {
    if (typeof one === 'string') return one;
    if (one instanceof Uint8Array) return Buffer.from(one.buffer, one.byteOffset, one.byteLength).toString('latin1');
    throw wrong(where, `${name} is PEM, as a string, a Buffer or a list of these, not ${described(one)}`);
  });
  return texts.join('\n');
}

/**
 * @param {unknown} given
 * @param {string} where
 * @param {string} name
 * @param {number} [least] that it can be; unless given, it is more than 0
 * @returns {number | undefined}
 */
function time(given, where, name, least) {
  if (given === undefined) return undefined;
  const isLong = typeof given === 'number' && (least === undefined ? given > 0 : given >= least);
  if (!isLong || given > LONGEST) {
    const bound = least === undefined ? 'more than 0' : `at least ${least}`;
    throw wrong(where, `${name} is a time in milliseconds, ${bound}, not ${described(given)}`);
  }
  return given;
}

/**
 * @param {string} where
 * @param {string} what
 */
function wrong(where, what) {
  return typeError('ERR_BAD_OPTION', `${where}: ${what}`);
}

exports.redisOptions = redisOptions;
exports.time = time;
