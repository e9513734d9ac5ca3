'use strict';

// What a client is subscribed to, in the form in which it crosses the border.

const check = require('../check');
const { described, typeError } = require('../errors');
const { Filter } = require('../filter');
const { time } = require('./limits');

const CODE = 'ERR_BAD_OPTION';
const FIELDS = ['topics', 'patterns', 'where', 'variables', 'overflow', 'budget', 'from'];
const OVERFLOW = /** @type {const} */ (['drop-oldest', 'drop-newest', 'keep-latest', 'disconnect']);

/** @typedef {import('../../native').NativeWanted} NativeWanted */

/**
 * One subscription: a topic's name, several, or an object of what is wanted.
 *
 * @param {unknown} given
 * @param {string} where
 * @returns {NativeWanted}
 */
function wanted(given, where) {
  if (typeof given === 'string' || Array.isArray(given)) return fromFields({ topics: given }, where);
  return fromFields(check.options(given, where, FIELDS), where);
}

/**
 * The same, of an object that has other fields as well.
 *
 * @param {Record<string, any>} fields
 * @param {string} where
 * @returns {NativeWanted}
 */
function fromFields(fields, where) {
  return {
    topics: names(fields.topics, where, 'topics'),
    patterns: names(fields.patterns, where, 'patterns'),
    filter: filter(fields, where),
    options: options(fields, where),
  };
}

/** @param {Record<string, any>} fields */
function wantsAnything(fields) {
  return FIELDS.some((name) => fields[name] !== undefined);
}

/**
 * A name, or a list of them.
 *
 * @param {unknown} given
 * @param {string} where
 * @param {string} name
 * @returns {string[]}
 */
function names(given, where, name) {
  if (given === undefined) return [];
  const list = Array.isArray(given) ? given : [given];
  for (const text of list) {
    if (typeof text !== 'string') {
      throw typeError(CODE, `${where}: ${name} is a text or a list of texts, not ${described(text)}`);
    }
  }
  return list;
}

/**
 * @param {Record<string, any>} fields
 * @param {string} where
 */
function filter({ where: condition, variables }, where) {
  try {
    return Filter.from(condition, variables)?.native;
  } catch (error) {
    if (error instanceof Error) error.message = `${where}: ${error.message}`;
    throw error;
  }
}

/**
 * @param {Record<string, any>} fields
 * @param {string} where
 */
function options({ overflow, budget, from }, where) {
  if (overflow === undefined && budget === undefined && from === undefined) return undefined;
  return {
    overflow: check.oneOf(overflow, where, 'overflow', OVERFLOW),
    budget: budget === undefined ? undefined : readBudget(budget, `${where}: budget`),
    from: from === undefined ? undefined : positions(from, where),
  };
}

/**
 * @param {unknown} given
 * @param {string} where
 */
function readBudget(given, where) {
  const { events, bytes, age } = check.options(given, where, ['events', 'bytes', 'age']);
  return {
    events: check.whole(events, where, 'events', { least: 1 }),
    bytes: check.whole(bytes, where, 'bytes', { least: 1 }),
    age: time(age, where, 'age'),
  };
}

/**
 * @param {unknown} from
 * @param {string} where
 * @returns {{ topic?: string, position: string }[]}
 */
function positions(from, where) {
  if (typeof from === 'string') return [{ position: from }];
  if (from === null || typeof from !== 'object' || Array.isArray(from)) {
    const found = described(from);
    throw typeError(CODE, `${where}: from is a position, or an object of a position for each topic, not ${found}`);
  }
  return Object.entries(from).map(([topic, position]) => {
    if (typeof position !== 'string') {
      throw typeError(CODE, `${where}: from[${described(topic)}] is a position, not ${described(position)}`);
    }
    return { topic, position };
  });
}

module.exports = { FIELDS, fromFields, names, wanted, wantsAnything };
