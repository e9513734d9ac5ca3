'use strict';

// Those who are subscribed to one trigger, and how one message reaches them.
//
// Subscriptions with a filter stand in a Matcher, which names those that a message is for in one call; all others
// in a Set. Both are in the order of subscribing, and delivery merges them. Delivery is synchronous. Whoever leaves
// meanwhile gets nothing more, whoever joins meanwhile nothing yet, and whoever throws does not stop the others: the
// first error goes to the caller when all have been served. Joining and leaving cost the same however many there are.

const { Matcher } = require('../matching/matcher');
const { FirstError } = require('./first-error');
/** @typedef {import('./message').Message} Message */
/** @typedef {import('./subscription').Subscription} Subscription */
/** @typedef {import('../filter').Filter} Filter */

/** @type {readonly Subscription[]} */
const NOBODY = Object.freeze([]);

class Audience {
  /** @type {Set<Subscription>} those without a filter */
  #all = new Set();
  /** @type {Matcher<Subscription> | null} those with one */
  #matcher = null;
  /** The id of who joined last. */
  #last = -1;

  /** @param {string} name of the trigger */
  constructor(name) {
    this.name = name;
  }

  get size() {
    return this.#all.size + (this.#matcher?.size ?? 0);
  }

  /** Whether somebody wants every message. */
  get wantsAll() {
    return this.#all.size > 0;
  }

  /**
   * @param {Subscription} subscription
   * @param {Filter | undefined} filter
   */
  add(subscription, filter) {
    if (filter === undefined || filter.isAll) this.#all.add(subscription);
    else subscription.ticket = (this.#matcher ??= new Matcher()).add(filter, subscription);
    subscription.audience = this;
    this.#last = subscription.id;
  }

  /** @param {Subscription} subscription one of this audience */
  remove(subscription) {
    if (subscription.ticket < 0) this.#all.delete(subscription);
    else this.#matcher?.remove(subscription.ticket);
    subscription.audience = null;
  }

  /**
   * Somebody has joined.
   *
   * @returns {Promise<void> | null} until the trigger itself is subscribed to; null if it is
   */
  standing() {
    return null;
  }

  /** The last one has left. */
  vacated() {}

  /**
   * Those whose filter a payload satisfies. Bytes are JSON text, as they are to a filter by itself.
   *
   * @param {any} payload
   * @returns {readonly Subscription[]}
   */
  match(payload) {
    if (payload instanceof Uint8Array) return this.matchBytes(payload);
    return this.#matcher === null ? NOBODY : /** @type {Subscription[]} */ (this.#matcher.match(payload));
  }

  /**
   * The same for a message as it came, without reading more of it than the filters name.
   *
   * @param {Uint8Array | string} message
   * @returns {readonly Subscription[]}
   */
  matchBytes(message) {
    return this.#matcher === null ? NOBODY : /** @type {Subscription[]} */ (this.#matcher.matchBytes(message));
  }

  /**
   * Hands a message to those whom it matched and to all without a filter.
   *
   * @param {Message} message
   * @param {readonly Subscription[]} matched
   */
  deliver(message, matched) {
    if (this.#all.size > 0) this.#deliverToAll(message, matched);
    else if (matched.length === 1) this.#give(matched[0], message);
    else if (matched.length > 1) this.#deliverToMatched(message, matched);
  }

  /**
   * @param {Message} message
   * @param {readonly Subscription[]} matched
   */
  #deliverToMatched(message, matched) {
    const errors = new FirstError();
    for (let i = 0; i < matched.length; i++) this.#try(matched[i], message, errors);
    errors.rethrow();
  }

  /**
   * @param {Message} message
   * @param {readonly Subscription[]} matched
   */
  #deliverToAll(message, matched) {
    const errors = new FirstError();
    const last = this.#last;
    let next = 0;
    for (const subscription of this.#all) {
      if (subscription.id > last) break;
      while (next < matched.length && matched[next].id < subscription.id) this.#try(matched[next++], message, errors);
      this.#try(subscription, message, errors);
    }
    while (next < matched.length) this.#try(matched[next++], message, errors);
    errors.rethrow();
  }

  /**
   * @param {Subscription} subscription
   * @param {Message} message
   * @param {FirstError} errors
   */
  #try(subscription, message, errors) {
    try {
      this.#give(subscription, message);
    } catch (error) {
      errors.add(error);
    }
  }

  /**
   * @param {Subscription} subscription
   * @param {Message} message
   */
  #give(subscription, message) {
    if (subscription.audience !== this) return;
    const { target } = subscription;
    if (typeof target === 'function') message.call(target);
    else target.offer(message);
  }
}

exports.Audience = Audience;
