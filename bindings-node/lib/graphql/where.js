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
   * @returns {Filter | Promise<Filter>}
   */
  filter(root, args, context, info) {
    const variables =
      typeof this.#variables === 'function' ? this.#variables(root, args, context, info) : this.#variables;
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
 * @param {Record<string, string | Resolver | { arg: string, optional?: boolean }>} fields
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
  return new FilterMaker(pattern, (/** @type {any} */ root, /** @type {any} */ args, /** @type {any} */ context, /** @type {any} */ info) => {
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
    const { arg, optional = false } = typeof of === 'string' ? { arg: of } : (of ?? {});
    if (typeof arg !== 'string' || typeof optional !== 'boolean') {
      throw typeError(
        'ERR_BAD_FILTER',
        `whereArgs(fields): ${described(path)} is to equal the name of an argument, { arg, optional }, or a function ` +
          `of (root, args, context, info), not ${described(of)}`,
      );
    }
    const names = arg.split('.');
    this.optional = optional;
    this.value = (_, args) => names.reduce((value, name) => value?.[name], args);
  }
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
