'use strict';

// How many deliveries come between two looks at the clock, so that a slice ends in time whatever consumers do.
//
// A slice is made of strides. After each of them the microtasks run that it has started, and belong to its time. The
// next stride is what takes an eighth of the slice at this pace, and no more than twice as many, since the pace may
// change.

const { performance } = require('node:perf_hooks');

/** The first stride of a slice at most, and any stride. */
const FIRST = 32;
const LONGEST = 256;

// The real clock, also where a test of somebody's puts its own in its place.
const now = performance.now.bind(performance);

class Pace {
  #slice;
  /** When slice and stride have begun. */
  #began = 0;
  #strideBegan = 0;
  #stride = FIRST;
  /** Deliveries that the stride has still to make. */
  left = 0;

  /** @param {number} slice milliseconds */
  constructor(slice) {
    this.#slice = slice;
  }

  beginSlice() {
    this.#began = now();
    if (this.#stride > FIRST) this.#stride = FIRST;
  }

  beginStride() {
    this.#strideBegan = now();
    this.left = this.#stride;
  }

  /** Whether the time of the slice is up. */
  get isOver() {
    return now() - this.#began >= this.#slice;
  }

  /**
   * Fits the next stride to the one before and what it has started.
   *
   * @returns {boolean} whether there is time for it in this slice
   */
  next() {
    const time = now();
    if (time - this.#began >= this.#slice) return false;
    const took = Math.max(time - this.#strideBegan, 0.001);
    const fits = Math.floor(((this.#stride - this.left) * this.#slice) / 8 / took);
    this.#stride = Math.max(1, Math.min(fits, 2 * this.#stride, LONGEST));
    return true;
  }
}

exports.Pace = Pace;
