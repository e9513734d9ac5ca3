'use strict';

// A payload as JSON text, as far as filters can tell: the fields that they name, and the arrays and objects around them.
//
// The exact way, for whatever the reader has no quick way for, and for a filter by itself. Fields that nobody names are
// not touched, so a cycle, a getter that throws or a megabyte in them is nobody's business.

const { shown } = require('./shown');

/** Containers within containers beyond which the engine looks for nothing (128, the outermost included), and one more. */
const DEEPEST = 130;

const { keys } = Object;
const { propertyIsEnumerable } = Object.prototype;
const { isArray } = Array;

/**
 * The text, or undefined if the payload is no object.
 *
 * @param {import('./fields').Node} root
 * @param {unknown} payload
 * @returns {string | undefined}
 */
function textOf(root, payload) {
  if (payload === null || typeof payload !== 'object') return undefined;
  const object = shown(payload, '');
  if (object === null || typeof object !== 'object' || isArrayed(object)) return undefined;
  return objectText(root, object, 1);
}

/**
 * @param {import('./fields').Node} node
 * @param {any} value
 * @param {string} key
 * @param {number} depth how many containers it stands in
 * @returns {string | undefined} undefined for what has no JSON
 */
function valueText(node, value, key, depth) {
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') value = shown(value, key);
  switch (typeof value) {
    case 'string':
      // What becomes UTF-8 has no lone surrogates.
      return JSON.stringify(/** @type {any} */ (value).toWellFormed());
    case 'number':
      return Number.isFinite(value) ? `${value}` : 'null';
    case 'bigint':
    case 'boolean':
      return `${value}`;
    case 'object':
      if (value === null) return 'null';
      return isArrayed(value) ? arrayText(node, value, depth + 1) : objectText(node, value, depth + 1);
    default:
      return undefined;
  }
}

/**
 * @param {import('./fields').Node} node
 * @param {any} object
 * @param {number} depth
 */
function objectText(node, object, depth) {
  if (!node.isInner || depth > DEEPEST) return '{}';
  let text = '';
  for (const key of keysOf(node, object)) {
    const child = node.step(key, -1);
    if (child === null) continue;
    const value = valueText(child, read(object, key), key, depth);
    if (value !== undefined) text += `${text && ','}${JSON.stringify(key)}:${value}`;
  }
  return `{${text}}`;
}

/**
 * @param {import('./fields').Node} node
 * @param {any} array
 * @param {number} depth
 */
function arrayText(node, array, depth) {
  if (depth > DEEPEST) return '[]';
  const items = [];
  const length = Number(read(array, 'length'));
  for (let at = 0; at < length; at += 1) items.push(valueText(node, read(array, at), `${at}`, depth) ?? 'null');
  return `[${items.join(',')}]`;
}

/**
 * @param {any} object
 * @param {string | number} key
 */
function read(object, key) {
  try {
    return object[key];
  } catch {
    return undefined;
  }
}

/**
 * The own enumerable keys, as far as they lead somewhere.
 *
 * @param {import('./fields').Node} node
 * @param {object} object
 * @returns {readonly string[]}
 */
function keysOf(node, object) {
  try {
    const asked = node.asked();
    if (asked !== null) return asked.filter((key) => propertyIsEnumerable.call(object, key));
    const own = keys(object);
    node.isTooWide(own.length);
    return own;
  } catch {
    return [];
  }
}

/**
 * Whether it is an array; a revoked proxy is nothing.
 *
 * @param {unknown} value
 */
function isArrayed(value) {
  try {
    return isArray(value);
  } catch {
    return false;
  }
}

exports.textOf = textOf;
