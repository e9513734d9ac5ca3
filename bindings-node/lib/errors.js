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

/** An event that reached this hub's subscribers, and did not reach other machines, or may not have: `kind` says why. */
class ForwardError extends DistributaryError {
  /**
   * @param {string} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super('ERR_FORWARD', message);
    this.kind = kind;
  }
}

/** Names that the server of the backplane does not let this hub hear. All others are heard. */
class NotHeardError extends DistributaryError {
  /**
   * @param {readonly string[]} names
   * @param {string} message
   */
  constructor(names, message) {
    super('ERR_NOT_HEARD', message);
    this.names = names;
  }
}

Object.defineProperty(NotHeardError.prototype, 'name', { value: 'NotHeardError', writable: true, configurable: true });
Object.defineProperty(ForwardError.prototype, 'name', { value: 'ForwardError', writable: true, configurable: true });
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
      const name = className(value);
      return name && name !== 'Object' ? `a ${name}` : 'an object';
    }
  }
}

/** @param {object} value */
function className(value) {
  try {
    const { name } = value.constructor;
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}

/**
 * Whatever was thrown, as an Error. Never throws, whatever it is.
 *
 * @param {unknown} thrown
 * @returns {Error}
 */
function asError(thrown) {
  try {
    return thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
  } catch {
    return new Error('what was thrown cannot be shown', { cause: thrown });
  }
}

/**
 * What an error says. Never throws either.
 *
 * @param {unknown} thrown
 */
function messageOf(thrown) {
  return textOf(thrown, 'message');
}

/**
 * What is known of an error for somebody to read: where it comes from, if it says that.
 *
 * @param {unknown} thrown
 */
function detailOf(thrown) {
  return textOf(thrown, 'stack');
}

/**
 * @param {unknown} thrown
 * @param {'message' | 'stack'} what
 */
function textOf(thrown, what) {
  try {
    const error = asError(thrown);
    return String(error[what] ?? error.message);
  } catch {
    return 'what was thrown cannot be shown';
  }
}

// The real one, also where a test of somebody's puts its own clock in its place.
const { nextTick } = process;

/**
 * An error that is nobody's here reaches the process, as one of an event listener would, and stops nothing.
 *
 * @param {unknown} error
 */
function rethrow(error) {
  nextTick(() => {
    throw error;
  });
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
exports.ForwardError = ForwardError;
exports.NotHeardError = NotHeardError;
exports.typeError = typeError;
exports.asError = asError;
exports.described = described;
exports.detailOf = detailOf;
exports.messageOf = messageOf;
exports.fromNative = fromNative;
exports.rethrow = rethrow;
