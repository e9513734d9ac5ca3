'use strict';

// Options are checked where they come in, by name and by type: a misspelt one is an error, not a default.

const { described, typeError } = require('./errors');

const CODE = 'ERR_BAD_OPTION';

/**
 * An object of options none of which has a name that is not known.
 *
 * @param {unknown} options
 * @param {string} where the call, as in `new Hub(options)`
 * @param {readonly string[]} known
 * @returns {Record<string, any>}
 */
function options(options, where, known) {
  if (options === undefined) return {};
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw typeError(CODE, `${where}: options are an object, not ${described(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw typeError(CODE, `${where}: there is no option ${described(name)}: there are ${known.join(', ')}`);
    }
  }
  return options;
}

/**
 * What options say, each read once and by name, so that what a class inherits or computes counts as well.
 *
 * @param {unknown} given
 * @param {string} where
 * @param {readonly string[]} known
 * @returns {Record<string, any>}
 */
function read(given, where, known) {
  const from = options(given, where, known);
  /** @type {Record<string, any>} */
  const found = {};
  for (const name of known) {
    const value = from[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

/**
 * A whole number within bounds, or undefined.
 *
 * @param {unknown} value
 * @param {string} where
 * @param {string} name
 * @param {{ least?: number, most?: number }} [bounds]
 * @returns {number | undefined}
 */
function whole(value, where, name, { least = 0, most = Number.MAX_SAFE_INTEGER } = {}) {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) {
    throw typeError(CODE, `${where}: ${name} is a whole number from ${least} to ${most}, not ${described(value)}`);
  }
  return value;
}

/**
 * One of some names, or undefined.
 *
 * @template {string} N
 * @param {unknown} value
 * @param {string} where
 * @param {string} name
 * @param {readonly N[]} names
 * @returns {N | undefined}
 */
function oneOf(value, where, name, names) {
  if (value === undefined) return undefined;
  if (!names.includes(/** @type {N} */ (value))) {
    throw typeError(CODE, `${where}: ${name} is one of ${names.map((n) => `'${n}'`).join(', ')}, not ${described(value)}`);
  }
  return /** @type {N} */ (value);
}

/**
 * A value of a simple type, or undefined.
 *
 * @param {unknown} value
 * @param {string} where
 * @param {string} name
 * @param {'boolean' | 'function' | 'string'} type
 * @returns {any}
 */
function ofType(value, where, name, type) {
  if (value !== undefined && typeof value !== type) {
    throw typeError(CODE, `${where}: ${name} is a ${type}, not ${described(value)}`);
  }
  return value;
}

/**
 * An AbortSignal, or undefined.
 *
 * @param {unknown} value
 * @param {string} where
 * @returns {AbortSignal | undefined}
 */
function signal(value, where) {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw typeError(CODE, `${where}: signal is an AbortSignal, not ${described(value)}`);
  }
  return value;
}

module.exports = { options, read, whole, oneOf, ofType, signal };
