'use strict';

// What JSON shows of one JavaScript value.
//
// JSON.stringify asks an object for its toJSON and unwraps Number, String, Boolean and BigInt objects. Whatever of that
// throws shows nothing: a payload that cannot be read is a payload without that field, never an error, for who
// publishes it has done nothing wrong. A BigInt is an integer, whatever somebody has made of BigInt.prototype.toJSON.

const { types } = require('node:util');

const { isArray } = Array;
const { getPrototypeOf, prototype: plain } = Object;

/**
 * The value in whose place another stands in JSON; undefined if it has none.
 *
 * @param {any} value an object or a function
 * @param {string} key
 * @returns {any} a scalar, an array or an object that is no wrapper; undefined, a function or a symbol if it has no JSON
 */
function shown(value, key) {
  try {
    const { toJSON } = value;
    if (typeof toJSON === 'function') {
      value = toJSON.call(value, key);
      if (value === null || typeof value !== 'object') return value;
    }
    if (typeof value === 'function' || isArray(value)) return value;
    const prototype = getPrototypeOf(value);
    if (prototype === plain || prototype === null || !types.isBoxedPrimitive(value)) return value;
    if (types.isNumberObject(value)) return Number(value);
    if (types.isStringObject(value)) return String(value);
    if (types.isSymbolObject(value)) return value;
    return value.valueOf();
  } catch {
    return undefined;
  }
}

exports.shown = shown;
