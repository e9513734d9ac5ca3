'use strict';

// One filter against one payload, where there is no index to ask: the same verdicts as the index gives.

/** JSON of what is no object: nothing is known of it, so only a filter that asks for nothing admits it. */
const NO_OBJECT = 'null';

/**
 * Never throws because of a payload: one that cannot be read is as one that is no object.
 *
 * @param {import('../filter').Filter} filter
 * @param {any} payload
 * @returns {boolean}
 */
function matches(filter, payload) {
  try {
    return filter.matches(typeof payload === 'object' && payload !== null ? payload : NO_OBJECT);
  } catch {
    return filter.matches(NO_OBJECT);
  }
}

exports.matches = matches;
