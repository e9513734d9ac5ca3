'use strict';

const { fromNative } = require('../errors');

/**
 * A call of the native half, with its errors as they are here.
 *
 * @template T
 * @param {() => T} call
 * @returns {T}
 */
function called(call) {
  try {
    return call();
  } catch (error) {
    throw fromNative(error);
  }
}

module.exports = { called };
