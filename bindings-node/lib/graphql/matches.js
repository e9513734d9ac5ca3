'use strict';

// One filter against one payload, where there is no index to ask: the same verdicts as the index gives.

/** What has no field that a filter could read. */
const NOTHING = Object.freeze({});

/**
 * Never throws because of a payload: one that cannot be read has no fields.
 *
 * @param {import('../filter').Filter} filter
 * @param {any} payload
 * @returns {boolean}
 */
function matches(filter, payload) {
  try {
    return filter.matches(typeof payload === 'object' && payload !== null ? payload : NOTHING);
  } catch {
    return filter.matches(NOTHING);
  }
}

exports.matches = matches;
