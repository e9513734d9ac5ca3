'use strict';

// What a client is subscribed to, in the form in which it crosses the border.

const { parseSelector } = require('../selector');

/**
 * @typedef {import('../../native').NativeWanted} NativeWanted
 * @typedef {ReturnType<typeof parseSelector>} Parsed
 */

/**
 * One subscription: a topic's name, several, or an object of what is wanted.
 *
 * @param {unknown} given
 * @param {string} where
 * @returns {NativeWanted}
 */
function wanted(given, where) {
  return native(parseSelector(given, undefined, where));
}

/**
 * @param {Parsed} parsed
 * @returns {NativeWanted}
 */
function native({ topics, patterns, filter, options }) {
  return { topics, patterns, filter: filter?.native, options };
}

/**
 * Whether it names nothing, and says so: a list of what somebody may see can be empty.
 *
 * @param {Parsed} parsed
 */
function isEmpty({ topics, patterns, rest }) {
  const isNamed = rest.topics !== undefined || rest.patterns !== undefined;
  return isNamed && topics.length === 0 && patterns.length === 0;
}

/**
 * Whether it says anything of what is wanted.
 *
 * @param {Parsed} parsed
 */
function saysAnything({ topics, patterns, filter, options }) {
  return topics.length > 0 || patterns.length > 0 || filter !== undefined || options !== undefined;
}

module.exports = { isEmpty, native, saysAnything, wanted };
