'use strict';

// The inside of a subscription that is pulled from: what has come, and who waits.
//
// What it may take off the engine is bounded by its credit: one event, doubling while it empties its queue within the
// slice that filled it, so that what a stalled reader does not read stays in the engine, under its policy and budget.
//
// Invariants:
// - Its owner, which the application holds, is held here only while somebody waits.
// - Things come out in the order in which they came: events, what was missed, the end.
// - After `leave`, no event comes out, and all who wait are answered.

const { DistributaryError } = require('./errors');
const { LaggedError } = require('./lagged');

/** The most events that are taken off the engine before they are asked for. */
const MOST_CREDIT = 64;

/**
 * @typedef {import('./event').Event} Event
 * @typedef {import('./lane').Consumer} Consumer
 * @typedef {import('./lane').EndReason | 'closed' | 'aborted'} CloseReason
 * @typedef {'throw' | 'skip' | ((missed: number) => void)} OnLag
 */

/** Who waits for a batch. */
class BatchWaiter {
  /**
   * @param {(result: any) => void} resolve
   * @param {number} max
   */
  constructor(resolve, max) {
    this.resolve = resolve;
    this.max = max;
  }
}

/** @typedef {((result: any) => void) | BatchWaiter} Waiter */

/** What few subscriptions need. */
class Extra {
  /** @type {Promise<{ reason: CloseReason }> | undefined} */
  ended;
  /** @type {((how: { reason: CloseReason }) => void) | undefined} */
  resolveEnded;
  /** Stops listening to the signal. @type {(() => void) | undefined} */
  unlisten;
}

const DONE = Object.freeze({ value: undefined, done: true });

/** @implements {Consumer} */
class Reader {
  /** @type {import('./membership').Membership} */
  #membership;
  /** Whoever reads from it, held while they wait. @type {object | undefined} */
  #owner;
  /** Events, and numbers of missed ones; undefined while it is empty. @type {(Event | number)[] | undefined} */
  #queue;
  #head = 0;
  /** @type {Waiter | Waiter[] | undefined} */
  #waiting;
  /** @type {OnLag} */
  #onLag;
  #credit = 1;
  /** The slice in which something came last. */
  #turn = -1;
  #missed = 0;
  /** @type {{ reason: CloseReason } | null} */
  #how = null;
  /** What is thrown once at the end. @type {unknown} */
  #error;
  /** @type {Extra | undefined} */
  #extra;

  /**
   * @param {import('./lane').Lane} lane
   * @param {import('./selector').ParsedSelector} selector
   * @param {OnLag} onLag
   * @param {AbortSignal | undefined} signal
   */
  constructor(lane, selector, onLag, signal) {
    this.#onLag = onLag;
    this.#membership = lane.attach(selector, this, 0);
    lane.pin(this.#membership, false);
    if (signal !== undefined) {
      const abort = () => this.leave('aborted', signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      this.#rarely.unlisten = () => signal.removeEventListener('abort', abort);
    }
  }

  get #rarely() {
    this.#extra ??= new Extra();
    return this.#extra;
  }

  // What the lane calls.

  /** @param {Event} event */
  deliver(event) {
    this.#turn = this.#membership.lane.turn;
    const waiting = this.#waiting;
    if (typeof waiting === 'function' && this.#queue === undefined) {
      this.#waiting = undefined;
      this.#letGo();
      waiting({ value: event, done: false });
    } else {
      this.#enqueue(event);
    }
    return true;
  }

  /** @param {number} missed */
  lagged(missed) {
    this.#turn = this.#membership.lane.turn;
    this.#enqueue(missed);
  }

  /** @param {import('./lane').EndReason} reason */
  closed(reason) {
    const error =
      reason === 'slow-consumer'
        ? new DistributaryError(
            'ERR_SLOW_CONSUMER',
            'the subscription was closed because it did not keep up with its budget: read faster, or take a larger one',
          )
        : undefined;
    this.#end(reason, error);
    this.flush();
  }

  /** @param {Event | number} item */
  #enqueue(item) {
    if (this.#queue === undefined) {
      this.#queue = [item];
      if (this.#waiting !== undefined) this.#membership.lane.later(this);
    } else {
      this.#queue.push(item);
    }
  }

  /** Answers those who wait, as far as there is something for them. */
  flush() {
    while (this.#waiting !== undefined) {
      const waiter = Array.isArray(this.#waiting) ? this.#waiting[0] : this.#waiting;
      const batch = waiter instanceof BatchWaiter;
      const result = this.#take(batch ? waiter.max : 0);
      if (result === undefined) {
        this.#ask();
        return;
      }
      if (Array.isArray(this.#waiting) && this.#waiting.length > 1) {
        this.#waiting.shift();
      } else {
        this.#waiting = undefined;
        this.#letGo();
      }
      if (batch) waiter.resolve(result);
      else waiter(result);
    }
  }

  /**
   * What comes next, or undefined if it has not come yet.
   *
   * @param {number} max how many events at once; 0 for one that is no batch
   * @returns {object | undefined} what a promise of it resolves to
   */
  #take(max) {
    while (this.#queue !== undefined) {
      const item = this.#queue[this.#head];
      if (typeof item === 'number') {
        this.#drop(1);
        const told = this.#tell(item);
        if (told !== undefined) return told;
      } else if (max === 0) {
        this.#drop(1);
        return { value: item, done: false };
      } else {
        return { value: this.#takeBatch(max), done: false };
      }
    }
    if (this.#how === null) return undefined;
    const error = this.#error;
    if (error === undefined) return DONE;
    this.#error = undefined;
    return Promise.reject(error);
  }

  /** @param {number} max */
  #takeBatch(max) {
    const queue = /** @type {(Event | number)[]} */ (this.#queue);
    const head = this.#head;
    const most = Math.min(queue.length, head + max);
    let end = head + 1;
    while (end < most && typeof queue[end] !== 'number') end += 1;
    if (head === 0 && end === queue.length) {
      this.#queue = undefined;
      return queue;
    }
    const batch = queue.slice(head, end);
    this.#drop(batch.length);
    return batch;
  }

  /** @param {number} count */
  #drop(count) {
    const queue = /** @type {(Event | number)[]} */ (this.#queue);
    this.#head += count;
    if (this.#head < queue.length) return;
    this.#queue = undefined;
    this.#head = 0;
  }

  /**
   * Tells that events are gone: here by counting them, or by what is thrown.
   *
   * @param {number} missed
   * @returns {Promise<never> | undefined}
   */
  #tell(missed) {
    this.#missed += missed;
    if (this.#onLag === 'throw') return Promise.reject(new LaggedError(missed));
    if (this.#onLag === 'skip') return undefined;
    try {
      this.#onLag(missed);
      return undefined;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Nobody waits any more. */
  #letGo() {
    this.#owner = undefined;
    this.#membership.lane.pin(this.#membership, false);
  }

  /** Asks for more, as much as those who wait can take. */
  #ask() {
    if (this.#membership.slot < 0) return;
    const { lane } = this.#membership;
    const waiting = this.#waiting;
    const first = Array.isArray(waiting) ? waiting[0] : waiting;
    if (first instanceof BatchWaiter) {
      lane.grant(this.#membership, first.max);
      return;
    }
    this.#credit = this.#turn === lane.turn ? Math.min(2 * this.#credit, MOST_CREDIT) : 1;
    lane.grant(this.#membership, Array.isArray(waiting) ? Math.max(this.#credit, waiting.length) : this.#credit);
  }

  /**
   * @param {Waiter} waiter
   * @param {object} owner
   */
  #wait(waiter, owner) {
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#waiting = waiter;
      this.#owner = owner;
      this.#membership.lane.pin(this.#membership, true);
    } else if (Array.isArray(waiting)) {
      waiting.push(waiter);
    } else {
      this.#waiting = [waiting, waiter];
    }
    this.#ask();
  }

  /**
   * @param {CloseReason} reason
   * @param {unknown} error
   */
  #end(reason, error) {
    this.#how = Object.freeze({ reason });
    this.#error = error;
    this.#extra?.unlisten?.();
    this.#extra?.resolveEnded?.(this.#how);
  }

  // What its owner calls.

  /**
   * @param {number} max how many events at once; 0 for one that is no batch
   * @param {object} owner held by the lane while this waits
   * @returns {Promise<any>}
   */
  next(max, owner) {
    if (this.#waiting === undefined) {
      const result = this.#take(max);
      if (result !== undefined) return Promise.resolve(result);
    }
    return new Promise((resolve) => {
      this.#wait(max === 0 ? resolve : new BatchWaiter(resolve, max), owner);
    });
  }

  /**
   * Ends it from this side: what has not been read is dropped.
   *
   * @param {CloseReason} reason
   * @param {unknown} [error] what is thrown once
   */
  leave(reason, error) {
    this.#queue = undefined;
    this.#head = 0;
    this.#error = undefined;
    this.#membership.leave();
    if (this.#how === null) this.#end(reason, error);
    this.flush();
  }

  /**
   * @param {{ topics: string[], patterns: string[] }} names
   * @returns {number} how many were not there already
   */
  add({ topics, patterns }) {
    return this.#membership.addTopics(topics) + this.#membership.addPatterns(patterns);
  }

  /**
   * @param {{ topics: string[], patterns: string[] }} names
   * @returns {number} how many were there
   */
  remove({ topics, patterns }) {
    try {
      return this.#membership.removeTopics(topics) + this.#membership.removePatterns(patterns);
    } finally {
      this.#sift();
    }
  }

  /** Drops what has not been read of topics that are not wanted any more. */
  #sift() {
    if (this.#queue === undefined || this.#membership.slot < 0) return;
    const left = this.#queue.slice(this.#head);
    const wanted = left.filter((item) => typeof item === 'number' || this.#membership.covers(item.topic));
    this.#queue = wanted.length > 0 ? wanted : undefined;
    this.#head = 0;
  }

  get names() {
    return this.#membership.selector;
  }

  get lag() {
    return this.#membership.lag + (this.#queue === undefined ? 0 : this.#queue.length - this.#head);
  }

  get missed() {
    return this.#missed;
  }

  get how() {
    return this.#how;
  }

  get ended() {
    const extra = this.#rarely;
    extra.ended ??= this.#how
      ? Promise.resolve(this.#how)
      : new Promise((resolve) => {
          extra.resolveEnded = resolve;
        });
    return extra.ended;
  }
}

module.exports = { Reader };
