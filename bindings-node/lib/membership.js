'use strict';

// What a consumer has of its lane: a membership, by whose slot both sides know it; and what stands in for a consumer
// that is not to be called directly.

/** A consumer's place in its lane. */
class Membership {
  /** This loop's lane. @type {import('./lane').Lane} @readonly */
  lane;
  /** Its number in the lane, or -1 once it is out. @readonly */
  slot;
  /** Whom the lane calls. @type {import('./lane').Consumer} @readonly */
  consumer;

  /**
   * @param {import('./lane').Lane} lane
   * @param {number} slot
   * @param {import('./lane').Consumer} consumer
   */
  constructor(lane, slot, consumer) {
    this.lane = lane;
    this.slot = slot;
    this.consumer = consumer;
  }

  /** Goes on after `deliver` has said false. */
  resume() {
    if (this.slot >= 0) this.lane.resume(this);
  }

  /** Leaves: nothing is delivered any more when this returns. Once it is out, this does nothing. */
  leave() {
    if (this.slot >= 0) this.lane.leave(this);
  }

  /** How many events wait in the engine. */
  get lag() {
    return this.slot < 0 ? 0 : this.lane.lag(this);
  }
}

/** Stands in for a consumer that the lane does not hold. */
class Weak extends WeakRef {
  /** @param {import('./lane').Consumer} consumer */
  constructor(consumer) {
    super(consumer);
  }

  /** @param {import('./event').Event} event */
  deliver(event) {
    return this.deref()?.deliver(event) ?? true;
  }

  /** @param {number} missed */
  lagged(missed) {
    this.deref()?.lagged(missed);
  }

  /** @param {import('./lane').EndReason} reason */
  closed(reason) {
    this.deref()?.closed(reason);
  }
}

/** Stands in for a consumer that takes no more for now: keeps what was on its way to it, in order. */
class Held {
  /** @type {(import('./event').Event | number)[]} */
  #items = [];
  #next = 0;
  /** It may go on, and the lane knows. */
  resumed = false;

  /** @param {import('./lane').Consumer} consumer */
  constructor(consumer) {
    this.consumer = consumer;
  }

  /** @param {import('./event').Event} event */
  deliver(event) {
    this.#items.push(event);
    return true;
  }

  /** @param {number} missed */
  lagged(missed) {
    this.#items.push(missed);
  }

  /**
   * Whoever takes nothing is not waited for.
   *
   * @param {import('./lane').EndReason} reason
   */
  closed(reason) {
    this.consumer.closed(reason);
  }

  /** Passes one thing on. False when nothing is left, or the consumer takes no more again. */
  pass() {
    const item = this.#items[this.#next];
    if (item === undefined) return false;
    this.#next += 1;
    if (typeof item === 'number') {
      this.consumer.lagged(item);
      return true;
    }
    return this.consumer.deliver(item);
  }

  /** Whether nothing is left. */
  get empty() {
    return this.#next === this.#items.length;
  }
}

module.exports = { Held, Membership, Weak };
