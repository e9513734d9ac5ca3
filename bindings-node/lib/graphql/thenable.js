'use strict';

/**
 * Whether a closure's answer is still to come.
 *
 * @param {any} value
 * @returns {value is PromiseLike<any>}
 */
function isThenable(value) {
  return typeof value === 'object' && value !== null && typeof value.then === 'function';
}

exports.isThenable = isThenable;
