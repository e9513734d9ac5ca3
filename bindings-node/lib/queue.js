'use strict';

/** Enough that moving the rest to the front costs less than what was taken out. */
const WORTH_MOVING = 32;

/**
 * First in, first out, in constant time however long it is.
 *
 * @template T
 */
class Queue {
  /** @type {T[]} @protected */
  items;
  /** Where the first one is. @protected */
  head = 0;

  /** @param {T[]} items */
  constructor(...items) {
    this.items = items;
  }

  get length() {
    return this.items.length - this.head;
  }

  /** The first one, which stays; there has to be one. */
  get first() {
    return this.items[this.head];
  }

  /**
   * @param {T[]} items what it holds from now on
   * @protected
   */
  reset(items) {
    this.items = items;
    this.head = 0;
  }

  /** @param {T} item */
  push(item) {
    this.items.push(item);
  }

  /** Takes the first one out; there has to be one. */
  shift() {
    const item = this.items[this.head];
    this.drop(1);
    return item;
  }

  /**
   * Takes so many out; there have to be as many.
   *
   * @param {number} count
   * @protected
   */
  drop(count) {
    this.head += count;
    // What has been taken out is not held on to for as long as others come.
    if (this.head >= WORTH_MOVING && 2 * this.head >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
  }
}

exports.Queue = Queue;
