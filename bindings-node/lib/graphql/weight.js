'use strict';

// What a payload weighs in a queue: an estimate, good for a budget and for nothing else.
//
// It looks at no more than VISITS values of a payload and takes the rest of an array or object to be like what it
// saw, so that it costs a few microseconds at most, however large the payload. Strings count two bytes a
// character, numbers and the like 8, every object 32 and its keys; buffers count their length.

const VISITS = 256;
const SAMPLE = 32;
const DEPTH = 8;
const OBJECT = 32;

/** How many values the estimate that is under way may still visit. */
let left = 0;

/**
 * About how many bytes a value keeps alive. Never throws.
 *
 * @param {unknown} value
 * @returns {number}
 */
function weigh(value) {
  left = VISITS;
  try {
    return part(value, DEPTH);
  } catch {
    // A getter or a proxy that throws: the payload is counted as one object.
    return OBJECT;
  }
}

/**
 * @param {unknown} value
 * @param {number} depth
 * @returns {number}
 */
function part(value, depth) {
  left--;
  if (typeof value === 'string') return 16 + 2 * value.length;
  if (typeof value !== 'object' || value === null) return 8;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return OBJECT + value.byteLength;
  if (depth === 0) return OBJECT;
  if (Array.isArray(value)) return OBJECT + items(value, value.length, (list, i) => part(list[i], depth - 1));
  if (value instanceof Map || value instanceof Set) {
    return OBJECT + items(value, value.size, members([...first(value, SAMPLE)], depth));
  }
  const keys = Object.keys(value);
  return OBJECT + items(/** @type {any} */ (value), keys.length, (object, i) => 2 * keys[i].length + part(object[keys[i]], depth - 1));
}

/**
 * The weight of `length` items, from a sample of them.
 *
 * @template T
 * @param {T} from
 * @param {number} length
 * @param {(from: T, index: number) => number} weight
 */
function items(from, length, weight) {
  let total = 0;
  let seen = 0;
  while (seen < length && seen < SAMPLE && left > 0) total += weight(from, seen++);
  return seen === 0 ? 8 * length : (total / seen) * length;
}

/** @param {unknown[]} sample @param {number} depth */
function members(sample, depth) {
  return (/** @type {unknown} */ _, /** @type {number} */ i) => part(sample[i], depth - 1);
}

/** @param {Iterable<unknown>} from @param {number} most */
function* first(from, most) {
  let count = 0;
  for (const item of from) {
    if (count++ === most) return;
    yield item;
  }
}

exports.weigh = weigh;
