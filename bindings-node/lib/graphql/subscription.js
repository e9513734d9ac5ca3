'use strict';

// One callback or iterator at one trigger. To who looks into a PubSub it is a pair: the trigger and the listener.

const { Message } = require('./message');

/** @typedef {{ offer(message: Message): void, end(): void }} Sink what iterators are to a publisher */

class Subscription {
  /** @type {import('./audience').Audience | null} null before it has joined and once it has left */
  audience = null;
  /** @type {Function | Sink} */
  target;
  /** Ascending in the order of subscribing. */
  id = -1;
  /** Its place in the matcher of its audience; -1 without a filter. */
  ticket = -1;
  trigger = '';

  /** @param {Function | Sink} target */
  constructor(target) {
    this.target = target;
  }

  get 0() {
    return this.trigger;
  }

  get 1() {
    const { target } = this;
    return typeof target === 'function' ? target : (/** @type {any} */ payload) => target.offer(new Message(payload));
  }

  get length() {
    return 2;
  }

  *[Symbol.iterator]() {
    yield this[0];
    yield this[1];
  }
}

exports.Subscription = Subscription;
