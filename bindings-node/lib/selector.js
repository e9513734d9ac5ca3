'use strict';

// What a subscriber asks for, from what was given: names, patterns, a filter, and how it is to be kept.
//
// All ways to subscribe (iterators, callbacks, pipes) go through here, so that they take the same things.

const check = require('./check');
const { described, typeError } = require('./errors');
const { Filter } = require('./filter');

const OVERFLOWS = /** @type {const} */ (['drop-oldest', 'drop-newest', 'disconnect', 'keep-latest']);

/** The names in it. */
const NAMING = ['topics', 'patterns'];

/** What says who gets which events, in one object with the topics or beside them. */
const SELECTING = ['topics', 'patterns', 'where', 'variables', 'overflow', 'budget', 'from'];

/**
 * @typedef {object} ParsedSelector
 * @property {string[]} topics
 * @property {string[]} patterns
 * @property {Filter | undefined} filter
 * @property {import('../native').NativeSubscribeOptions | undefined} options
 */

/**
 * @typedef {object} ParsedNames
 * @property {string[]} topics
 * @property {string[]} patterns
 */

/**
 * @param {unknown} selector a topic, a list of them, or an object with `topics`, `patterns` and options
 * @param {unknown} options the same options beside it
 * @param {string} where the call, for errors
 * @param {readonly string[]} [others] options that this call takes besides
 * @returns {ParsedSelector & { rest: Record<string, any> }} the rest holds those others
 */
function parseSelector(selector, options, where, others = []) {
  if (typeof selector === 'string' && options === undefined) {
    return { topics: [selector], patterns: [], filter: undefined, options: undefined, rest: {} };
  }
  const known = [...SELECTING, ...others];
  const given = isNames(selector) ? { topics: selector } : selecting(selector, where, known);
  for (const [name, value] of Object.entries(check.read(options, where, known))) {
    if (given[name] !== undefined) {
      throw typeError('ERR_BAD_OPTION', `${where}: ${name} is given twice, with the topics and beside them: give it once`);
    }
    given[name] = value;
  }
  const filter = Filter.from(given.where, given.variables);
  return {
    topics: names(given.topics, where, 'topics'),
    patterns: names(given.patterns, where, 'patterns'),
    filter: filter?.isAll ? undefined : filter,
    options: keeping(given, where),
    rest: given,
  };
}

/** @param {unknown} selector */
function isNames(selector) {
  return typeof selector === 'string' || Array.isArray(selector);
}

/**
 * Names alone: a topic, a list of them, or an object with `topics` and `patterns`.
 *
 * @param {unknown} given
 * @param {string} where
 * @returns {ParsedNames}
 */
function parseNames(given, where) {
  const { topics, patterns } = isNames(given) ? { topics: given, patterns: [] } : selecting(given, where, NAMING);
  return { topics: names(topics, where, 'topics'), patterns: names(patterns, where, 'patterns') };
}

/**
 * @param {unknown} selector
 * @param {string} where
 * @param {readonly string[]} known
 * @returns {Record<string, any>}
 */
function selecting(selector, where, known) {
  if (selector === null || typeof selector !== 'object') {
    throw typeError(
      'ERR_BAD_SELECTOR',
      `${where}: a topic, a list of topics, or { topics, patterns, where }, not ${described(selector)}`,
    );
  }
  return check.read(selector, where, known);
}

/**
 * @param {unknown} given
 * @param {string} where
 * @param {string} what
 * @returns {string[]}
 */
function names(given, where, what) {
  if (given === undefined) return [];
  const list = typeof given === 'string' ? [given] : given;
  if (!Array.isArray(list)) {
    throw typeError('ERR_BAD_SELECTOR', `${where}: ${what} is a string or a list of strings, not ${described(given)}`);
  }
  for (const name of list) {
    if (typeof name !== 'string') {
      throw typeError('ERR_BAD_SELECTOR', `${where}: ${what} holds strings, not ${described(name)}`);
    }
  }
  // The native half does not look through a Proxy.
  return [...list];
}

/**
 * @param {Record<string, any>} given
 * @param {string} where
 * @returns {import('../native').NativeSubscribeOptions | undefined}
 */
function keeping(given, where) {
  const { overflow, budget, from } = given;
  if (overflow === undefined && budget === undefined && from === undefined) return undefined;
  return {
    overflow: check.oneOf(overflow, where, 'overflow', OVERFLOWS),
    budget: parseBudget(budget, where, 'budget'),
    from: positions(from, where),
  };
}

/**
 * How much may wait, or undefined.
 *
 * @param {unknown} budget
 * @param {string} where
 * @param {string} name
 * @returns {import('../native').NativeBudget | undefined}
 */
function parseBudget(budget, where, name) {
  if (budget === undefined) return undefined;
  const { events, bytes, age } = check.options(budget, `${where}: ${name}`, ['events', 'bytes', 'age']);
  return {
    events: check.whole(events, where, `${name}.events`, { least: 1, most: 2 ** 24 }),
    bytes: check.whole(bytes, where, `${name}.bytes`, { least: 1 }),
    age: check.whole(age, where, `${name}.age`, { least: 1 }),
  };
}

/**
 * @param {unknown} from a position, or one for each topic
 * @param {string} where
 * @returns {import('../native').NativeFrom[] | undefined}
 */
function positions(from, where) {
  if (from === undefined) return undefined;
  if (typeof from === 'string') return [{ position: from }];
  if (from === null || typeof from !== 'object' || Array.isArray(from)) {
    throw typeError(
      'ERR_BAD_POSITION',
      `${where}: from is a position, as an event has it, or an object with one for each topic, not ${described(from)}`,
    );
  }
  return Object.entries(from).map(([topic, position]) => {
    if (typeof position !== 'string') {
      throw typeError('ERR_BAD_POSITION', `${where}: from.${topic} is a position, not ${described(position)}`);
    }
    return { topic, position };
  });
}

module.exports = { OVERFLOWS, parseBudget, parseNames, parseSelector };
