'use strict';

// Numbers that are the same in every run and for every contender. (mulberry32: 32 bits of state, good enough to
// spread ids and words.)

/** @param {number} seed */
function random(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    /** A whole number below this one. */
    below: (/** @type {number} */ bound) => next() % bound,
    /** @template T @param {readonly T[]} list @returns {T} */
    of: (list) => list[next() % list.length],
  };
}

module.exports = { random };
