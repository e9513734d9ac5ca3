'use strict';

// withFilter(): a resolver whose iterator yields only what a closure or a filter admits.
//
// One of our own iterators that has not begun is restricted itself and is returned as it is: what it does not
// admit is never queued. Any other iterator is read, and what it yields is judged one by one (foreign.js).

const { described, typeError } = require('../errors');
const { Filter } = require('../filter');
const { Coming } = require('./coming');
const { Filtered } = require('./foreign');
const { restrict } = require('./iterator');
const { matches } = require('./matches');
const { isThenable } = require('./thenable');
const { makerOf } = require('./where');

/** @typedef {import('./gate').Closure} Closure */
/** @typedef {(root?: any, args?: any, context?: any, info?: any) => any} Resolver */

/**
 * @param {Resolver} asyncIteratorFn
 * @param {any} filterFn
 * @returns {(root?: any, args?: any, context?: any, info?: any) => Coming}
 */
function withFilter(asyncIteratorFn, filterFn) {
  if (typeof asyncIteratorFn !== 'function') {
    throw typeError(
      'ERR_BAD_ITERATOR',
      `withFilter(asyncIteratorFn, filter): asyncIteratorFn is a function, not ${described(asyncIteratorFn)}`,
    );
  }
  const maker = makerOf(filterFn);
  return (root, args, context, info) => {
    try {
      // The filter first: if it is a bad one, no iterator is left behind.
      const judge = maker === undefined ? filterFn : maker.filter(root, args, context, info);
      const join = (/** @type {any} */ source) => joined(source, judge, args, context, info);
      if (isThenable(judge)) {
        const source = judge.then((filter) => {
          const join = (/** @type {any} */ source) => joined(source, filter, args, context, info);
          return Promise.resolve(asyncIteratorFn(root, args, context, info)).then(join);
        });
        return Coming.from(source);
      }
      const source = Coming.unwrapped(asyncIteratorFn(root, args, context, info));
      return isThenable(source) ? Coming.from(Promise.resolve(source).then(join)) : Coming.of(join(source));
    } catch (error) {
      return Coming.from(Promise.reject(error));
    }
  };
}

/**
 * @param {any} source what the application gave for an iterator
 * @param {Filter | Closure} judge
 * @param {any} args
 * @param {any} context
 * @param {any} info
 * @returns {AsyncIterableIterator<any>}
 */
function joined(source, judge, args, context, info) {
  if (restrict(source, judge, args, context, info)) return source;
  const iterator = typeof source?.next === 'function' ? source : source?.[Symbol.asyncIterator]?.();
  if (typeof iterator?.next !== 'function') {
    throw typeError(
      'ERR_BAD_ITERATOR',
      `withFilter(asyncIteratorFn, filter): asyncIteratorFn returned ${described(source)} where an async iterator is ` +
        'expected: is a `return` missing?',
    );
  }
  if (judge instanceof Filter) return new Filtered(iterator, (payload) => matches(judge, payload));
  return new Filtered(iterator, (payload) => judge(payload, args, context, info));
}

exports.withFilter = withFilter;
