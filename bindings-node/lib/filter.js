'use strict';

// A filter: which events somebody wants, as data.
//
// The language and its verdicts are the engine's. Here a JavaScript value becomes its text, exactly, and the text a
// native filter, which other native calls take by reference. A filter with variables stays a template until they are
// bound; nothing but `bind` can be done with it before that, so that a forgotten variable is an error and not a filter
// that lets everything or nothing through.

const { types } = require('node:util');

const { described, DistributaryError, typeError } = require('./errors');
const { jsonText } = require('./json-text');
const { Node } = require('./matching/fields');
const { textOf } = require('./matching/text');
const { NativeTemplate } = require('./native');

const FILTER = { code: 'ERR_BAD_FILTER', name: 'filter', strict: true };
const VARIABLES = { code: 'ERR_BAD_VARIABLE', name: 'variables', strict: true };

/** Integers are exact up to here, and down to the negative of half of it; beyond they equal nothing but themselves. */
const BEYOND = 2n ** 64n;

/** A condition on the fields of an event. Immutable. */
class Filter {
  /** @type {import('../native').NativeFilter | null} */
  #native = null;
  /** @type {import('../native').NativeTemplate | null} */
  #template = null;
  /** @type {readonly string[] | null} */
  #variables = null;
  /** The fields that it names. @type {Node | null} */
  #root = null;

  /**
   * @param {unknown} where a pattern as an object or as JSON text, or another filter
   * @param {unknown} [variables] values for its variables
   */
  constructor(where, variables) {
    if (where instanceof Filter) {
      this.#native = where.#native;
      this.#template = where.#template;
    } else {
      const compiled = compiledFrom(where);
      if (compiled instanceof NativeTemplate) this.#template = compiled;
      else this.#native = compiled;
    }
    if (variables !== undefined) this.#bind(variables);
  }

  /**
   * The filter of an option `where`: undefined stays undefined, and a filter stays itself.
   *
   * @param {unknown} where
   * @param {unknown} [variables]
   * @returns {Filter | undefined}
   */
  static from(where, variables) {
    if (where === undefined) {
      if (variables === undefined) return undefined;
      throw typeError('ERR_BAD_VARIABLE', 'variables: there are values, but no filter that asks for them: give `where` too');
    }
    const filter = where instanceof Filter && variables === undefined ? where : new Filter(where, variables);
    if (filter.#native === null) throw filter.#unbound();
    return filter;
  }

  /**
   * This filter with values for its variables. One without variables is itself.
   *
   * @param {unknown} variables
   * @returns {Filter}
   */
  bind(variables) {
    return new Filter(this, variables ?? {});
  }

  /** The names of the variables that have no value yet, in alphabetical order. */
  get variables() {
    if (this.#native !== null) return NONE;
    this.#variables ??= Object.freeze(/** @type {NativeTemplate} */ (this.#template).variables);
    return this.#variables;
  }

  /** Whether it asks for nothing, so that everything is admitted. */
  get isAll() {
    return this.native.isAll;
  }

  /** Whether events find it by look-ups alone; if not, every event of its topics is held against it. */
  get isIndexed() {
    return this.native.isIndexed;
  }

  /** How events find it, in words. */
  explain() {
    return this.native.explain();
  }

  /**
   * Whether two filters mean the same, as far as their form tells.
   *
   * @param {Filter} other
   */
  equals(other) {
    if (!(other instanceof Filter)) throw typeError(FILTER.code, `filter.equals(other): a Filter, not ${described(other)}`);
    return this.native.equals(other.native);
  }

  /**
   * Whether an event with this payload is admitted. A payload that cannot be read is met only by a filter that asks for
   * nothing.
   *
   * @param {unknown} payload JSON as bytes or as text, or a value
   * @returns {boolean}
   */
  matches(payload) {
    if (typeof payload === 'string') return this.native.matchesText(payload);
    if (types.isUint8Array(payload)) return this.native.matches(payload);
    this.#root ??= Node.tree(this.native.fields());
    const text = textOf(this.#root, payload);
    return text === undefined ? this.isAll : this.native.matchesText(text);
  }

  /** What other native calls take. @internal */
  get native() {
    if (this.#native === null) throw this.#unbound();
    return this.#native;
  }

  /** @param {unknown} variables */
  #bind(variables) {
    if (variables === null || typeof variables !== 'object' || Array.isArray(variables)) {
      throw typeError(VARIABLES.code, `variables: an object of names and values, not ${described(variables)}`);
    }
    if (this.#native !== null) return;
    const template = /** @type {import('../native').NativeTemplate} */ (this.#template);
    const text = variablesText(this.variables, variables);
    this.#native = rethrown(() => template.bind(text));
    this.#template = null;
  }

  #unbound() {
    const names = this.variables.map((name) => JSON.stringify(name)).join(', ');
    return new DistributaryError('ERR_BAD_VARIABLE', `filter: no value for ${names}: give \`variables\`, or bind them`);
  }
}

/** @type {readonly string[]} */
const NONE = Object.freeze([]);

/** @param {unknown} where */
function compiledFrom(where) {
  if (typeof where === 'string') return rethrown(() => NativeTemplate.compile(where));
  if (where === null || typeof where !== 'object' || Array.isArray(where)) {
    throw typeError(FILTER.code, `filter: an object such as { id: 42 }, JSON text, or a Filter, not ${described(where)}`);
  }
  if (described(where) === 'a Filter') {
    throw typeError(
      FILTER.code,
      'filter: it is a Filter of another copy of distributary, which this one cannot read: have the package installed once',
    );
  }
  const text = jsonText(where, FILTER);
  return rethrown(() => NativeTemplate.compile(text));
}

/**
 * The values that a filter asks for. What else the caller's object holds is none of its business.
 *
 * @param {readonly string[]} names
 * @param {Record<string, any>} values
 */
function variablesText(names, values) {
  let text = '';
  for (const name of names) {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) continue;
    (Array.isArray(value) ? value : [value]).forEach((item) => checkInteger(name, item));
    text += `${text && ','}${JSON.stringify(name)}:${jsonText(wellFormed(value), { ...VARIABLES, name: `variables.${name}` })}`;
  }
  return `{${text}}`;
}

/**
 * A value without lone surrogates, as they are not found in a payload either.
 *
 * @param {any} value
 * @returns {any}
 */
function wellFormed(value) {
  if (typeof value === 'string') return /** @type {any} */ (value).toWellFormed();
  return Array.isArray(value) ? value.map(wellFormed) : value;
}

/**
 * An integer that 64 bits do not hold is refused, as it is in a filter's text: it would be rounded on its way.
 *
 * @param {string} name
 * @param {unknown} value
 */
function checkInteger(name, value) {
  // From 1e21 on a number is written as a float.
  const whole = typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value) : value;
  if (typeof whole === 'bigint' && (whole >= BEYOND || whole < -BEYOND / 2n)) {
    throw typeError(VARIABLES.code, `variables.${name}: an integer within 64 bits, not ${described(value)}`);
  }
}

/**
 * Errors of the native half are plain; those of a bad argument are TypeErrors here.
 *
 * @template T
 * @param {() => T} work
 * @returns {T}
 */
function rethrown(work) {
  try {
    return work();
  } catch (error) {
    const { code, message } = /** @type {Error & { code: string }} */ (error);
    if (code === FILTER.code || code === VARIABLES.code) throw typeError(code, `filter: ${message}`);
    throw error;
  }
}

exports.Filter = Filter;
