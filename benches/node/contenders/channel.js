'use strict';

/**
 * The leanest honest async iterator: a queue, or somebody who waits. What people write by hand, and the outlet of
 * contenders that have no iterators.
 *
 * @template T
 */
class Channel {
  constructor() {
    /** @type {T[]} */
    this.queue = [];
    /** @type {((result: IteratorResult<T>) => void) | undefined} */
    this.waiting = undefined;
  }

  /** @param {T} value */
  push(value) {
    const { waiting } = this;
    if (waiting === undefined) {
      this.queue.push(value);
    } else {
      this.waiting = undefined;
      waiting({ value, done: false });
    }
  }

  /** @returns {Promise<IteratorResult<T>>} */
  next() {
    if (this.queue.length > 0) return Promise.resolve({ value: /** @type {T} */ (this.queue.shift()), done: false });
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

exports.Channel = Channel;
