'use strict';

const { Queue } = require('./queue');

/** @typedef {import('./event').Event} Event */

/**
 * Events that have come and not been taken, and numbers of missed ones where they would have stood.
 *
 * @extends {Queue<Event | number>}
 */
class Backlog extends Queue {
  /**
   * The first events, so many at most, up to where some are missed; none if that is the first item.
   *
   * @param {number} max
   * @returns {Event[]}
   */
  take(max) {
    const { items, head } = this;
    const most = Math.min(items.length, head + max);
    let end = head;
    while (end < most && typeof items[end] !== 'number') end += 1;
    if (head === 0 && end === items.length) {
      this.reset([]);
      return /** @type {Event[]} */ (items);
    }
    const taken = items.slice(head, end);
    this.drop(taken.length);
    return /** @type {Event[]} */ (taken);
  }

  /**
   * Keeps only events that are wanted.
   *
   * @param {(event: Event) => boolean} wanted
   */
  sift(wanted) {
    this.reset(this.items.slice(this.head).filter((item) => typeof item === 'number' || wanted(item)));
  }
}

exports.Backlog = Backlog;
