'use strict';

// What has come and was not taken, of a reader that does not read or a consumer that takes no more. It is short: the
// rest waits in the engine.

/** @typedef {import('./event').Event} Event */

/** Events that have come and not been taken, and numbers of missed ones where they would have stood. */
class Backlog {
  /** @type {(Event | number)[]} */
  #items;
  #head = 0;

  /** @param {Event | number} item */
  constructor(item) {
    this.#items = [item];
  }

  get length() {
    return this.#items.length - this.#head;
  }

  /** @param {Event | number} item */
  push(item) {
    this.#items.push(item);
  }

  /** The first item; there has to be one. */
  shift() {
    const item = this.#items[this.#head];
    this.#head += 1;
    return item;
  }

  /**
   * The first events, so many at most, up to where some are missed; none if that is the first item.
   *
   * @param {number} max
   * @returns {Event[]}
   */
  take(max) {
    const items = this.#items;
    const head = this.#head;
    const most = Math.min(items.length, head + max);
    let end = head;
    while (end < most && typeof items[end] !== 'number') end += 1;
    this.#head = end;
    return /** @type {Event[]} */ (head === 0 && end === items.length ? items : items.slice(head, end));
  }

  /**
   * Keeps only events that are wanted.
   *
   * @param {(event: Event) => boolean} wanted
   */
  sift(wanted) {
    this.#items = this.#items.slice(this.#head).filter((item) => typeof item === 'number' || wanted(item));
    this.#head = 0;
  }
}

exports.Backlog = Backlog;
