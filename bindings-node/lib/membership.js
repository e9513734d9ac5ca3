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
  /** Whether it keeps its lane alive. @readonly */
  pinned = true;

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

  /** What it asks for now. @returns {{ topics: string[], patterns: string[] } | undefined} */
  get selector() {
    return this.slot < 0 ? undefined : this.lane.selector(this);
  }

  /** @param {string} topic */
  covers(topic) {
    return this.slot >= 0 && this.lane.covers(this, topic);
  }

  /**
   * Adds topics; in force when this returns. How many were not there already.
   *
   * @param {string[]} topics
   * @returns {number}
   */
  addTopics(topics) {
    return this.lane.change(this, 'addTopic', topics);
  }

  /** @param {string[]} patterns */
  addPatterns(patterns) {
    return this.lane.change(this, 'addPattern', patterns);
  }

  /**
   * Removes topics: nothing of them is delivered any more when this returns, unless a pattern covers them. How many
   * were there.
   *
   * @param {string[]} topics
   * @returns {number}
   */
  removeTopics(topics) {
    return this.lane.change(this, 'removeTopic', topics);
  }

  /** @param {string[]} patterns */
  removePatterns(patterns) {
    return this.lane.change(this, 'removePattern', patterns);
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

  /** Passes the next thing on. False when the consumer takes no more again. */
  pass() {
    const item = this.#items[this.#next];
    this.#next += 1;
    if (typeof item !== 'number') return this.consumer.deliver(item);
    this.consumer.lagged(item);
    return true;
  }

  /**
   * Keeps only events that are still wanted.
   *
   * @param {(event: import('./event').Event) => boolean} wanted
   */
  sift(wanted) {
    const left = this.#items.slice(this.#next);
    this.#items = left.filter((item) => typeof item === 'number' || wanted(item));
    this.#next = 0;
  }

  /** Whether nothing is left. */
  get empty() {
    return this.#next === this.#items.length;
  }
}

module.exports = { Held, Membership };
