'use strict';

// A JavaScript value as JSON text.
//
// It is what JSON.stringify gives, with two differences. A BigInt is an integer with all its digits, whatever toJSON
// somebody has given to BigInt.prototype. And nothing fails without a place: the error names the path to the value
// that JSON has no text for. A *strict* text says so also of what JSON.stringify drops or turns into null (undefined,
// functions, symbols, NaN): right where leaving a condition out would let everything through.
//
// The writer below is the slow way. Values without a BigInt, unless strict, take JSON.stringify itself.

const { types } = require('node:util');

const { described, typeError } = require('./errors');

/** How deep values may lie; far beyond what anything here reads. */
const DEEPEST = 1000;

/** A name that stands in a path without quotes. */
const PLAIN = /^[A-Za-z_$][\w$]*$/;

/**
 * @typedef {object} Naming
 * @property {string} code the `code` of the error
 * @property {string} name what the value is called in its message
 * @property {boolean} [strict] whether what JSON.stringify leaves out is an error
 */

/**
 * The text of a value.
 *
 * @param {unknown} value
 * @param {Naming} naming
 * @returns {string}
 */
function jsonText(value, naming) {
  if (!naming.strict && !('toJSON' in BigInt.prototype)) {
    try {
      const text = JSON.stringify(value);
      if (text !== undefined) return text;
    } catch {
      // A BigInt, a cycle, or something that throws: the writer tells them apart.
    }
  }
  const writer = new Writer(naming);
  const text = writer.text(value, '');
  if (text === undefined) throw writer.error(`${described(value)} has no JSON`);
  return text;
}

/** Writes one value. Keeps the way to where it stands, for the error and to notice a cycle. */
class Writer {
  /** @type {Naming} */
  #naming;
  /** @type {string[]} */
  #path = [];
  /** @type {object[]} */
  #inside = [];

  /** @param {Naming} naming */
  constructor(naming) {
    this.#naming = naming;
  }

  /**
   * The text of a value that stands under a key, or undefined if JSON has none for it.
   *
   * @param {any} value
   * @param {string} key
   * @returns {string | undefined}
   */
  text(value, key) {
    switch (typeof value) {
      case 'string':
        return JSON.stringify(value);
      case 'number':
        if (Number.isFinite(value)) return `${value}`;
        return this.#unless(`${value} is no number in JSON`, 'null');
      case 'bigint':
        return `${value}`;
      case 'boolean':
        return value ? 'true' : 'false';
      case 'object':
        if (value === null) return 'null';
        break;
      case 'function':
        break;
      default:
        return this.#unless(`${described(value)} has no JSON`, undefined);
    }
    return this.#object(value, key);
  }

  /**
   * @param {any} value
   * @param {string} key
   * @returns {string | undefined}
   */
  #object(value, key) {
    const { toJSON } = value;
    if (typeof toJSON === 'function') {
      const shown = toJSON.call(value, key);
      if (shown === null || (typeof shown !== 'object' && typeof shown !== 'function')) return this.text(shown, key);
      value = shown;
    }
    if (typeof value === 'function') return this.#unless('a function has no JSON', undefined);
    if (types.isBoxedPrimitive(value)) return this.#boxed(value, key);
    if (this.#inside.includes(value)) throw this.error('here it holds itself, which JSON cannot write');
    if (this.#inside.length >= DEEPEST) throw this.error(`here it is more than ${DEEPEST} levels deep`);
    this.#inside.push(value);
    const text = Array.isArray(value) ? this.#array(value) : this.#fields(value);
    this.#inside.pop();
    return text;
  }

  /**
   * @param {any} value
   * @param {string} key
   */
  #boxed(value, key) {
    if (types.isNumberObject(value)) return this.text(Number(value), key);
    if (types.isStringObject(value)) return this.text(String(value), key);
    if (types.isSymbolObject(value)) return this.#unless('a symbol has no JSON', '{}');
    return this.text(value.valueOf(), key);
  }

  /** @param {readonly unknown[]} items */
  #array(items) {
    let text = '[';
    for (let at = 0; at < items.length; at += 1) {
      this.#path.push(`[${at}]`);
      text += `${at ? ',' : ''}${this.text(items[at], String(at)) ?? 'null'}`;
      this.#path.pop();
    }
    return `${text}]`;
  }

  /** @param {Record<string, unknown>} fields */
  #fields(fields) {
    const keys = Object.keys(fields);
    if (this.#naming.strict) this.#beAllOf(fields, keys);
    let text = '';
    for (const key of keys) {
      this.#path.push(PLAIN.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`);
      const field = this.text(fields[key], key);
      if (field !== undefined) text += `${text && ','}${JSON.stringify(key)}:${field}`;
      this.#path.pop();
    }
    return `{${text}}`;
  }

  /**
   * A strict text has all that an object holds: it is a plain one, and all its fields are of those that JSON has.
   *
   * @param {object} fields
   * @param {string[]} keys
   */
  #beAllOf(fields, keys) {
    if (!isPlain(fields)) throw this.error(`${described(fields)} is no plain object: what it holds may be left out of its JSON`);
    if (Reflect.ownKeys(fields).length > keys.length) {
      throw this.error('it has fields that JSON leaves out: a symbol names them, or they are not enumerable');
    }
  }

  /**
   * What a lax text has for a value that a strict one does not accept.
   *
   * @template T
   * @param {string} what
   * @param {T} lax
   * @returns {T}
   */
  #unless(what, lax) {
    if (this.#naming.strict) throw this.error(what);
    return lax;
  }

  /** @param {string} what */
  error(what) {
    return typeError(this.#naming.code, `${this.#naming.name}${this.#path.join('')}: ${what}`);
  }
}

/**
 * Whether an object is made of its own fields alone, in whichever realm: `{ … }`, or without a prototype.
 *
 * @param {object} value
 */
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'propertyIsEnumerable');
}

exports.jsonText = jsonText;
