'use strict';

// What is thrown: always an Error with a `code`, and a message that says what was wrong and what to do.

/** An error of the engine's: `code` says which. */
class DistributaryError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

Object.defineProperty(DistributaryError.prototype, 'name', { value: 'DistributaryError', writable: true, configurable: true });

/**
 * The argument of a call is of the wrong kind.
 *
 * @param {string} code
 * @param {string} message
 * @returns {TypeError & { code: string }}
 */
function typeError(code, message) {
  return Object.assign(new TypeError(message), { code });
}

/**
 * What a value is, for the message of an error: short, whatever it is.
 *
 * @param {unknown} value
 */
function described(value) {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return 'a function';
    case 'symbol':
      return 'a symbol';
    default: {
      const name = value.constructor?.name;
      return name && name !== 'Object' ? `a ${name}` : 'an object';
    }
  }
}

/**
 * An error of the native half, which is a plain one, as what it is here: bad input is a TypeError.
 *
 * @param {unknown} error
 */
function fromNative(error) {
  const { code, message } = /** @type {Error & { code?: unknown }} */ (error);
  if (typeof code !== 'string' || !code.startsWith('ERR_')) return error;
  return code.startsWith('ERR_BAD_') ? typeError(code, message) : new DistributaryError(code, message);
}

exports.DistributaryError = DistributaryError;
exports.typeError = typeError;
exports.described = described;
exports.fromNative = fromNative;
