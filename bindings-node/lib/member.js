'use strict';

// Who sits in a lane: what the lane knows of each subscription, and what a subscription can ask of its lane.
//
// A Member is called by the lane: the readers of iterators, those who call handlers, and the taps of pipes, who may pause.

const { Backlog } = require('./backlog');
const { parseNames } = require('./selector');

/**
 * Why the engine ended a subscription.
 *
 * @typedef {'hub-closed' | 'slow-consumer' | 'failed' | 'lost'} EndReason
 */

/**
 * @typedef {import('./event').Event} Event
 * @typedef {string | readonly string[] | { topics?: string | readonly string[], patterns?: string | readonly string[] }} Names
 */

/** @abstract */
class Member {
  /** This loop's lane. @type {import('./lane').Lane} @readonly */
  lane;
  /** Its number in the lane, or -1 once it is out. The lane writes it. */
  slot = -1;
  /** Whether it keeps its lane alive. The lane writes it. */
  pinned = false;

  /** @param {import('./lane').Lane} lane */
  constructor(lane) {
    this.lane = lane;
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

  /** The topics it has now. */
  get topics() {
    return this.selector?.topics ?? [];
  }

  /** The patterns it has now. */
  get patterns() {
    return this.selector?.patterns ?? [];
  }

  /**
   * Adds topics or patterns, all or none; in force when this returns. How many were not there already.
   *
   * @param {Names} names
   * @param {string} where the call, for errors
   */
  add(names, where) {
    return this.lane.change(this, 'add', parseNames(names, where));
  }

  /**
   * Removes topics or patterns, all or none: nothing of them is delivered any more when this returns, unless another
   * pattern covers it. How many were there.
   *
   * @param {Names} names
   * @param {string} where the call, for errors
   */
  remove(names, where) {
    return this.lane.change(this, 'remove', parseNames(names, where));
  }

  /**
   * @param {Event} _event
   * @returns {boolean}
   */
  deliver(_event) {
    throw new TypeError('a member says itself what becomes of an event');
  }

  /** @param {number} _missed */
  lagged(_missed) {}

  /** @param {EndReason} _reason */
  closed(_reason) {}

  /**
   * Drops what is on its way to it and not wanted any more.
   *
   * @param {(event: Event) => boolean} _wanted
   */
  sift(_wanted) {}
}

/**
 * A member that may take no more for a while. What was on its way to it then is held back here.
 *
 * @abstract
 */
class Pausable extends Member {
  #stalled = false;
  /** It is to be passed what was held back, and the lane knows. */
  #resumed = false;
  /** What is held back while it takes no more. @type {Backlog | undefined} */
  #held;

  /**
   * @param {Event} _event
   * @returns {boolean} false: no more until `resume`
   */
  take(_event) {
    throw new TypeError('a member says itself what becomes of an event');
  }

  /** @param {number} _missed so many events are gone */
  miss(_missed) {}

  /** @param {Event} event @override */
  deliver(event) {
    if (!this.#stalled) return this.take(event);
    this.#hold(event);
    return true;
  }

  /** @param {number} missed @override */
  lagged(missed) {
    if (this.#stalled) this.#hold(missed);
    else this.miss(missed);
  }

  /** @param {EndReason} _reason @override */
  closed(_reason) {
    // Whoever takes nothing is not waited for.
    this.#held = undefined;
  }

  /** @param {(event: Event) => boolean} wanted @override */
  sift(wanted) {
    this.#held?.sift(wanted);
  }

  /** @param {Event | number} item */
  #hold(item) {
    if (this.#held === undefined) this.#held = new Backlog(item);
    else this.#held.push(item);
  }

  /** It said false: from here on what comes is held back. For the lane. */
  stall() {
    this.#stalled = true;
  }

  /** Goes on after `take` has said false. */
  resume() {
    if (this.slot < 0 || !this.#stalled || this.#resumed) return;
    this.#resumed = true;
    this.lane.resume(this);
  }

  /**
   * Passes on the next thing that was held back. For the lane.
   *
   * @returns {boolean} false once nothing is left, or it takes no more again
   */
  pass() {
    if (this.slot < 0) return false;
    const held = this.#held;
    if (held === undefined || held.length === 0) {
      this.#held = undefined;
      this.#stalled = false;
      this.#resumed = false;
      this.lane.unstall(this);
      return false;
    }
    const item = held.shift();
    if (typeof item === 'number') {
      this.miss(item);
      return true;
    }
    if (this.take(item)) return true;
    this.#resumed = false;
    return false;
  }
}

exports.Member = Member;
exports.Pausable = Pausable;
