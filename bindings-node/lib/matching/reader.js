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

/** How many keys of an object are nothing to worry about. */
const WATCHED = 64;

const { hasOwnProperty, propertyIsEnumerable } = Object.prototype;
const { isArray } = Array;

/** The strings of the question, in order; empty ones behind them, so that none is kept longer than it is asked about. */
const strings = new Array(ROOM).fill('');

/** How many there are. */
let count = 0;

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
  count = 0;
  const object = shown(payload, '');
  let became = UNREADABLE;
  if (object !== null && typeof object === 'object' && !isArray(object)) {
    became = readObject(root, object) ? READ : LEFT;
  }
  heads[1] = place - VALUES;
  heads[2] = count;
  if (became !== READ) forget();
  reading = false;
  return became;
}

/** Lets go of the strings. */
function forget() {
  for (let at = 0; at < count; at += 1) strings[at] = '';
  count = 0;
}

/**
 * @param {import('./fields').Node} node
 * @param {any} object
 * @returns {boolean} whether everything could be laid
 */
function readObject(node, object) {
  const asked = node.asked();
  if (asked !== null) return readKeys(node, object, asked);
  const { keys, steps } = node;
  const start = place;
  const before = count;
  let position = 0;
  try {
    for (const key in object) {
      const step = keys[position] === key ? steps[position] : node.step(key, position);
      position += 1;
      if (position > WATCHED && node.isTooWide(position)) {
        place = start;
        count = before;
        return readObject(node, object);
      }
      // A key that comes from the prototype leads nowhere.
      if (step === null || !hasOwnProperty.call(object, key)) continue;
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
    count = before;
  }
  return true;
}

/**
 * The same by single keys.
 *
 * @param {import('./fields').Node} node
 * @param {any} object
 * @param {readonly string[]} keys
 * @returns {boolean}
 */
function readKeys(node, object, keys) {
  for (const key of keys) {
    let value;
    try {
      if (!propertyIsEnumerable.call(object, key)) continue;
      value = object[key];
    } catch {
      continue;
    }
    const step = node.step(key, -1);
    if (step !== null && !readValue(step, value, key)) return false;
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
  const { field } = node;
  if (typeof value === 'string') return field < 0 || layString(field, value);
  if (typeof value === 'number') return field < 0 || layNumber(field, value);
  if (value === undefined) return true;
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return field < 0 || lay(field, value);
  const object = shown(value, key);
  if (object === null || typeof object !== 'object') return field < 0 || lay(field, object);
  if (isArray(object)) return readArray(field, object);
  return !node.isInner || readObject(node, object);
}

/**
 * An array of scalars is all these values.
 *
 * @param {number} field
 * @param {any[]} array
 * @returns {boolean}
 */
function readArray(field, array) {
  try {
    const { length } = array;
    for (let at = 0; at < length; at += 1) {
      const item = array[at];
      if ((typeof item === 'object' && item !== null) || typeof item === 'function') return false;
      if (field < 0) continue;
      // What has no JSON is null there.
      const isNull = item === undefined || typeof item === 'symbol';
      if (!lay(field, isNull ? null : item)) return false;
    }
  } catch {
    return false;
  }
  return true;
}

/**
 * Lays a scalar; what has no JSON is passed over.
 *
 * @param {number} field
 * @param {unknown} value
 * @returns {boolean} whether there was room, and a form for it
 */
function lay(field, value) {
  switch (typeof value) {
    case 'string':
      return layString(field, value);
    case 'number':
      return layNumber(field, value);
    case 'bigint':
      return layInteger(field, value);
    case 'boolean':
      return put(field, value ? TRUE : FALSE);
    case 'object':
      return put(field, NULL);
    default:
      return true;
  }
}

/**
 * @param {number} field
 * @param {string} value
 */
function layString(field, value) {
  if (place >= LIMIT) return false;
  strings[count] = value;
  count += 1;
  return put(field, STRING);
}

/**
 * @param {number} field
 * @param {number} value
 * @returns {boolean}
 */
function layNumber(field, value) {
  if ((value > EXACT && value < FLOATS) || (value < -EXACT && value > -FLOATS)) {
    // JSON writes the fewest digits that tell the double, and zeros: another integer than the double itself is.
    return layInteger(field, BigInt(`${value}`));
  }
  // NaN and the infinities.
  if (value - value !== 0) return put(field, NULL);
  if (place < LIMIT) numbers[place] = value;
  return put(field, NUMBER);
}

/**
 * @param {number} field
 * @param {bigint} value
 */
function layInteger(field, value) {
  if (place >= LIMIT) return false;
  if (BigInt.asIntN(64, value) === value) {
    signed[place] = value;
    return put(field, SIGNED);
  }
  if (BigInt.asUintN(64, value) === value) {
    unsigned[place] = value;
    return put(field, UNSIGNED);
  }
  return false;
}

/**
 * @param {number} field
 * @param {number} kind
 */
function put(field, kind) {
  if (place >= LIMIT) return false;
  heads[place] = field * 8 + kind;
  place += 1;
  return true;
}

exports.READ = READ;
exports.UNREADABLE = UNREADABLE;
exports.LEFT = LEFT;
exports.read = read;
exports.forget = forget;
exports.strings = strings;
