'use strict';

// Reads what filters name off an object, and lays it on the desk: the quick way.
//
// It sees an object as JSON does: own enumerable properties, toJSON, wrappers, NaN as null, keys with dots. A payload
// whose verdict needs more than values by field (objects inside of arrays, of which one must satisfy all tests) is left
// to the exact way, as is one that shows more than the desk has room for.
//
// Code of the payload's may run in between: getters, toJSON, traps of proxies. It may even publish. The desk is laid
// while `reading` is set, and whoever finds it set takes the exact way, which leaves the desk alone.

const { FALSE, heads, NULL, NUMBER, numbers, ROOM, SIGNED, signed, STRING, TRUE, UNSIGNED, unsigned, VALUES } = require('./desk');
const { shown } = require('./shown');

/** What became of a payload. */
const READ = 0;
const UNREADABLE = 1;
const LEFT = 2;

/** Integers are exact in a double up to here, and JSON writes them with all their digits. */
const EXACT = 2 ** 53;

/** From here on JSON writes a number with an exponent, so that it is read as a double. */
const FLOATS = 1e21;

const LIMIT = VALUES + ROOM;

const { hasOwn } = Object;
const { isArray } = Array;

/** The strings of the question, in order. @type {string[]} */
const strings = [];

/** Where the next value goes. */
let place = VALUES;

/** Whether the desk is in use. */
let reading = false;

/**
 * Lays the fields of a payload on the desk.
 *
 * @param {import('./fields').Node} root
 * @param {unknown} payload
 */
function read(root, payload) {
  if (payload === null || typeof payload !== 'object') return UNREADABLE;
  if (reading) return LEFT;
  reading = true;
  place = VALUES;
  strings.length = 0;
  const object = shown(payload, '');
  let became = UNREADABLE;
  if (object !== null && typeof object === 'object' && !isArray(object)) {
    became = readObject(root, object) ? READ : LEFT;
  }
  heads[1] = place - VALUES;
  reading = false;
  return became;
}

/**
 * @param {import('./fields').Node} node
 * @param {any} object
 * @returns {boolean} whether everything could be laid
 */
function readObject(node, object) {
  const { keys, steps } = node;
  const start = place;
  const before = strings.length;
  let position = 0;
  try {
    for (const key in object) {
      const step = keys[position] === key ? steps[position] : node.step(key, position);
      position += 1;
      // A key that comes from the prototype leads nowhere.
      if (step === null || !hasOwn(object, key)) continue;
      let value;
      try {
        value = object[key];
      } catch {
        continue;
      }
      if (!readValue(step, value, key)) return false;
    }
  } catch {
    // A proxy that does not tell its keys.
    place = start;
    strings.length = before;
  }
  return true;
}

/**
 * @param {import('./fields').Node} node
 * @param {any} value
 * @param {string} key
 * @returns {boolean}
 */
function readValue(node, value, key) {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'boolean':
    case 'bigint':
      return node.field < 0 || lay(node.field, value);
    case 'object':
      if (value === null) return node.field < 0 || lay(node.field, value);
      break;
    case 'function':
      break;
    default:
      return true;
  }
  const object = shown(value, key);
  if (object === null || typeof object !== 'object') {
    const missing = object === undefined || typeof object === 'function' || typeof object === 'symbol';
    return missing || node.field < 0 || lay(node.field, object);
  }
  if (isArray(object)) return readArray(node, object);
  return !node.isInner || readObject(node, object);
}

/**
 * An array of scalars is all these values.
 *
 * @param {import('./fields').Node} node
 * @param {any[]} array
 * @returns {boolean}
 */
function readArray(node, array) {
  try {
    const { length } = array;
    for (let at = 0; at < length; at += 1) {
      let item = array[at];
      if ((typeof item === 'object' && item !== null) || typeof item === 'function') return false;
      if (item === undefined || typeof item === 'symbol') item = null;
      if (node.field >= 0 && !lay(node.field, item)) return false;
    }
  } catch {
    return false;
  }
  return true;
}

/**
 * @param {number} field
 * @param {string | number | boolean | bigint | null} value
 * @returns {boolean}
 */
function lay(field, value) {
  const at = place;
  if (at >= LIMIT) return false;
  let kind;
  if (typeof value === 'string') {
    kind = STRING;
    strings.push(value);
  } else if (typeof value === 'number') {
    if (value <= EXACT && value >= -EXACT) {
      kind = NUMBER;
      numbers[at] = value;
    } else if (!Number.isFinite(value)) {
      kind = NULL;
    } else if (value >= FLOATS || value <= -FLOATS) {
      kind = NUMBER;
      numbers[at] = value;
    } else {
      // JSON writes the fewest digits that tell the double, and zeros: another integer than the double itself is.
      return lay(field, BigInt(`${value}`));
    }
  } else if (typeof value === 'bigint') {
    if (BigInt.asIntN(64, value) === value) {
      kind = SIGNED;
      signed[at] = value;
    } else if (BigInt.asUintN(64, value) === value) {
      kind = UNSIGNED;
      unsigned[at] = value;
    } else {
      return false;
    }
  } else {
    kind = value === null ? NULL : value ? TRUE : FALSE;
  }
  heads[at] = field * 8 + kind;
  place = at + 1;
  return true;
}

module.exports = { READ, UNREADABLE, LEFT, read, strings };
