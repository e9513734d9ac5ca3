'use strict';

// What withFilter() takes as its second argument, made into one of two things: a FilterMaker, which gives each
// subscription its filter, or a closure.
//
// A plain function is a closure over payloads and stays one: before a payload comes nothing tells a function that
// returns a filter from one that returns a verdict, and taking the one for the other would let everything through or
// nothing. So a function that makes filters says so, by where(). An object is a filter, or { where, variables }.

const { described, typeError } = require('../errors');
const { Filter } = require('../filter');
const { isThenable } = require('./thenable');

/** @typedef {(root: any, args: any, context: any, info: any) => any} Resolver */

/** What a subscription asks for, found out once per subscription. */
class FilterMaker {
  #where;
  #variables;

  /**
   * @param {unknown} where a filter, compiled here and now, or a function that returns one
   * @param {unknown} [variables] values for it, or a function that returns them
   */
  constructor(where, variables) {
    // A mistake in a filter is found when the server starts, not when the first client subscribes.
    this.#where = typeof where === 'function' ? /** @type {Resolver} */ (where) : new Filter(where);
    this.#variables = variables;
  }

  /**
   * The filter of one subscription; a promise of it where a function returns a promise.
   *
   * @param {any} root
   * @param {any} args
   * @param {any} context
   * @param {any} info
   * @param {any} [variables]
   * @returns {Filter | Promise<Filter>}
   */
  filter(root, args, context, info, variables = this.#variables) {
    if (typeof variables === 'function') variables = variables(root, args, context, info);
    const where = typeof this.#where === 'function' ? this.#where(root, args, context, info) : this.#where;
    if (isThenable(where) || isThenable(variables)) return Promise.all([where, variables]).then(([w, v]) => bound(w, v));
    return bound(where, variables);
  }
}

/**
 * A filter that each subscription makes for itself from what its resolver was called with.
 *
 * @param {Resolver} make
 */
function where(make) {
  if (typeof make !== 'function') {
    throw typeError('ERR_BAD_FILTER', `where(make): make is a function that returns a filter, not ${described(make)}`);
  }
  return new FilterMaker(make);
}

/**
 * A filter for fields that equal arguments of the subscription: what most closures say.
 *
 * @param {Record<string, string | Resolver | { arg: string, optional?: boolean, as?: (value: any) => unknown }>} fields
 */
function whereArgs(fields) {
  if (fields === null || typeof fields !== 'object' || Array.isArray(fields)) {
    throw typeError('ERR_BAD_FILTER', `whereArgs(fields): fields are an object of paths and arguments, not ${described(fields)}`);
  }
  /** @type {Record<string, any>} */
  const pattern = {};
  /** @type {Record<string, Wanted>} by the path, which is the name of the variable too */
  const wanted = {};
  for (const [path, of] of Object.entries(fields)) {
    wanted[path] = new Wanted(path, of);
    pattern[path] = wanted[path].optional ? { $var: path, optional: true } : { $var: path };
  }
  return new ArgumentsMaker(pattern, (/** @type {any} */ root, /** @type {any} */ args, /** @type {any} */ context, /** @type {any} */ info) => {
    /** @type {Record<string, any>} */
    const variables = {};
    for (const path of Object.keys(wanted)) {
      const value = wanted[path].value(root, args, context, info);
      // To GraphQL clients an optional argument that is null was not given.
      if (value !== undefined && !(value === null && wanted[path].optional)) variables[path] = value;
    }
    return variables;
  });
}

/** The same of arguments: an empty list of them admits nothing, as `[].includes()` does. */
class ArgumentsMaker extends FilterMaker {
  #variables;

  /**
   * @param {object} where
   * @param {(...resolver: any[]) => Record<string, any>} variables
   */
  constructor(where, variables) {
    super(where);
    this.#variables = variables;
  }

  /** @override @param {any} root @param {any} args @param {any} context @param {any} info */
  filter(root, args, context, info) {
    const variables = this.#variables(root, args, context, info);
    const isEmpty = Object.values(variables).some((value) => Array.isArray(value) && value.length === 0);
    return isEmpty ? nothing() : super.filter(root, args, context, info, variables);
  }
}

/** @type {Filter | undefined} */
let never;

/** A filter that nothing satisfies. */
function nothing() {
  return (never ??= new Filter({ $and: [{ id: [{ exists: true }] }, { id: [{ exists: false }] }] }));
}

/** Where the value for one field comes from. */
class Wanted {
  /** @type {Resolver} */
  value;
  optional = false;

  /**
   * @param {string} path
   * @param {any} of
   */
  constructor(path, of) {
    if (typeof of === 'function') {
      this.value = of;
      return;
    }
    const { arg, optional = false, as } = typeof of === 'string' ? { arg: of } : (of ?? {});
    if (typeof arg !== 'string' || typeof optional !== 'boolean' || (as !== undefined && typeof as !== 'function')) {
      throw typeError(
        'ERR_BAD_FILTER',
        `whereArgs(fields): ${described(path)} is to equal the name of an argument, { arg, optional, as }, or a function ` +
          `of (root, args, context, info), not ${described(of)}`,
      );
    }
    const names = arg.split('.');
    this.optional = optional;
    const given = (/** @type {any} */ args) => names.reduce((value, name) => value?.[name], args);
    this.value = as === undefined ? (_, args) => given(args) : (_, args) => converted(given(args), as, arg);
  }
}

/**
 * An argument as the type that a payload has, each of a list by itself. What is missing or null stays so.
 *
 * @param {any} value
 * @param {(value: any) => any} as
 * @param {string} arg
 * @returns {any}
 */
function converted(value, as, arg) {
  if (value === undefined || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => converted(item, as, arg));
  if (as === Number) return number(value, arg);
  if (as === BigInt) return integer(value, arg);
  if (as === String && typeof value === 'object') throw unfit(value, arg, 'a string');
  return as(value);
}

/** Number() takes a blank, true and an empty list for numbers. @param {any} value @param {string} arg */
function number(value, arg) {
  const isOne = typeof value === 'number' || typeof value === 'bigint' || (typeof value === 'string' && value.trim() !== '');
  const made = isOne ? Number(value) : NaN;
  if (!Number.isFinite(made)) throw unfit(value, arg, 'a number');
  return made;
}

/** @param {any} value @param {string} arg */
function integer(value, arg) {
  if (typeof value === 'string' && value.trim() === '') throw unfit(value, arg, 'an integer');
  try {
    return BigInt(value);
  } catch {
    throw unfit(value, arg, 'an integer');
  }
}

/** @param {unknown} value @param {string} arg @param {string} expected */
function unfit(value, arg, expected) {
  return typeError('ERR_BAD_VARIABLE', `argument ${described(arg)}: ${expected} is expected, not ${described(value)}`);
}

/**
 * What withFilter() was given, as a FilterMaker; undefined if it is a closure.
 *
 * @param {unknown} given
 * @returns {FilterMaker | undefined}
 */
function makerOf(given) {
  if (given instanceof FilterMaker) return given;
  if (typeof given === 'function') return undefined;
  if (given instanceof Filter || typeof given === 'string') return new FilterMaker(given);
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw typeError(
      'ERR_BAD_FILTER',
      'withFilter(asyncIteratorFn, filter): filter is a function (payload, args, context, info), a filter such as ' +
        `{ 'order.id': 42 }, { where, variables }, where(...) or whereArgs(...), not ${described(given)}`,
    );
  }
  if (!Object.hasOwn(given, 'where')) return new FilterMaker(given);
  const { where: filter, variables, ...others } = /** @type {{ where: unknown, variables?: unknown }} */ (given);
  const [other] = Object.keys(others);
  if (other !== undefined) {
    throw typeError(
      'ERR_BAD_OPTION',
      `withFilter(asyncIteratorFn, { where, variables }): there is no option ${described(other)}. If a field of the ` +
        'payload is called "where", write { where: { where: … } }',
    );
  }
  return new FilterMaker(filter, variables);
}

/** @param {unknown} filter @param {unknown} variables */
function bound(filter, variables) {
  if (filter === undefined || filter === null) {
    throw typeError('ERR_BAD_FILTER', `where: the function returned ${filter}: {} is the filter that admits everything`);
  }
  return /** @type {Filter} */ (Filter.from(filter, variables));
}

exports.makerOf = makerOf;
exports.where = where;
exports.whereArgs = whereArgs;
