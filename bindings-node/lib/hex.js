'use strict';

// Numbers of 64 bits cross in halves. In hexadecimal they need not be put together.

/**
 * A number of 64 bits in hexadecimal, as positions have it: exact, where a JavaScript number would not be.
 *
 * @param {number} high half
 * @param {number} low half
 */
function hex(high, low) {
  return high === 0 ? low.toString(16) : high.toString(16) + low.toString(16).padStart(8, '0');
}

module.exports = { hex };
