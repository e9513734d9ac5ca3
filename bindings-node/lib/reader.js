'use strict';

// The inside of a subscription that is pulled from: what has come, and who waits.
//
// What it may take off the engine is bounded by its credit: one event, doubling while it empties its queue within the
// slice that filled it. Whatever comes while nobody waits takes the rest of the credit back, so that what a stalled
// reader does not read stays in the engine, under its policy and budget.
// There are many readers and most of them wait, so one that waits is as small as it can be: whatever is needed now and
// then is made then.
//
// Invariants:
// - Its owner, which the application holds, is held here only while somebody waits.
// - Things come out in the order in which they came: events, what was missed, the end.
// - After `end`, no event comes out, and all who wait are answered.

const { onAbort } = require('./aborting');
const { Backlog } = require('./backlog');
const { DistributaryError } = require('./errors');
const { LaggedError } = require('./lagged');
const { Member } = require('./member');
const { Queue } = require('./queue');

/** The most events that are taken off the engine before they are asked for. */
const MOST_CREDIT = 64;

/**
 * @typedef {import('./event').Event} Event
 * @typedef {import('./member').EndReason | 'closed' | 'aborted'} CloseReason
 * @typedef {'throw' | 'skip' | ((missed: number) => void)} OnLag
 * @typedef {((result: any) => void) | BatchWaiter} Waiter
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

/** What few readers need, and none for long. */
class Rare {
  missed = 0;
  /** How it ended. @type {{ readonly reason: CloseReason } | null} */
  how = null;
  /** What is thrown once at the end. @type {unknown} */
  error;
  /** @type {Promise<{ readonly reason: CloseReason }> | undefined} */
  ended;
  /** @type {((how: { readonly reason: CloseReason }) => void) | undefined} */
  resolveEnded;
  /** Stops listening to the signal. @type {(() => void) | undefined} */
  unlisten;
}

const DONE = Object.freeze({ value: undefined, done: true });

/** What settles the promise that was made last. @type {(result: any) => void} */
let captured;

/** What is thrown once, by why it ended. @type {{ [reason in CloseReason]?: () => Error }} */
const ERRORS = { 'slow-consumer': slowConsumer, lost: eventsLost };

/**
 * One function for all promises of all readers, in place of a closure for each.
 *
 * @param {(result: any) => void} resolve
 */
function capture(resolve) {
  captured = resolve;
}

class Reader extends Member {
  /** Whoever reads from it, held while they wait. @type {object | undefined} */
  #owner;
  /** Never empty. @type {Backlog | undefined} */
  #queue;
  /** One alone, or more in a queue that is never empty. @type {Waiter | Queue<Waiter> | undefined} */
  #waiting;
  /** @type {OnLag} */
  #onLag;
  #credit = 1;
  /** The slice in which something came last. */
  #turn = -1;
  /** @type {Rare | undefined} */
  #rare;

  /**
   * @param {import('./lane').Lane} lane
   * @param {import('./selector').ParsedSelector} selector
   * @param {OnLag} onLag
   * @param {AbortSignal | undefined} signal
   */
  constructor(lane, selector, onLag, signal) {
    super(lane);
    this.#onLag = onLag;
    lane.enter(selector, this, 0);
    if (signal === undefined) return;
    this.#rarely.unlisten = onAbort(signal, () => this.end('aborted', signal.reason));
  }

  get #rarely() {
    this.#rare ??= new Rare();
    return this.#rare;
  }

  // What the lane calls.

  /** @param {Event} event @override */
  deliver(event) {
    this.#turn = this.lane.turn;
    const waiting = this.#waiting;
    if (typeof waiting === 'function' && this.#queue === undefined) {
      this.#stopWaiting();
      waiting({ value: event, done: false });
    } else {
      this.#enqueue(event);
    }
    return true;
  }

  /** @param {number} missed @override */
  lagged(missed) {
    this.#turn = this.lane.turn;
    this.#enqueue(missed);
  }

  /** @param {import('./member').EndReason} reason @override */
  closed(reason) {
    this.#ended(reason, ERRORS[reason]?.());
  }

  /** @param {(event: Event) => boolean} wanted @override */
  sift(wanted) {
    this.#queue?.sift(wanted);
    if (this.#queue?.length === 0) this.#queue = undefined;
    // What was taken back may have been all that it had credit for.
    if (this.#waiting !== undefined && this.#queue === undefined) this.#ask();
  }

  /** Answers those who wait, as far as there is something for them. */
  flush() {
    while (this.#waiting !== undefined) {
      const waiter = this.#firstWaiter;
      const isBatch = waiter instanceof BatchWaiter;
      const result = this.#take(isBatch ? waiter.max : 0);
      if (result === undefined) {
        this.#ask();
        return;
      }
      // Whoever was told of a lag may have ended it all: then this one has been answered.
      if (this.#firstWaiter !== waiter) continue;
      if (this.#waiting instanceof Queue && this.#waiting.length > 1) this.#waiting.shift();
      else this.#stopWaiting();
      if (isBatch) {
        if (this.#waiting === undefined) this.lane.revoke(this);
        waiter.resolve(result);
      } else /** @type {(result: any) => void} */ (waiter)(result);
    }
  }

  get #firstWaiter() {
    return this.#waiting instanceof Queue ? this.#waiting.first : this.#waiting;
  }

  /** @param {Event | number} item */
  #enqueue(item) {
    if (this.#waiting === undefined) this.lane.revoke(this);
    if (this.#queue !== undefined) {
      this.#queue.push(item);
      return;
    }
    this.#queue = new Backlog(item);
    if (this.#waiting !== undefined) this.lane.later(this);
  }

  /**
   * What comes next, or undefined if it has not come yet.
   *
   * @param {number} max how many events at once; 0 for one that is no batch
   * @returns {object | undefined} what a promise of it resolves to
   */
  #take(max) {
    while (this.#queue !== undefined) {
      const queue = this.#queue;
      const events = max === 0 ? undefined : queue.take(max);
      const item = events === undefined || events.length === 0 ? queue.shift() : undefined;
      if (queue.length === 0) this.#queue = undefined;
      if (typeof item !== 'number') return { value: item ?? events, done: false };
      const thrown = this.#tell(item);
      if (thrown !== undefined) return thrown;
    }
    const rare = this.#rare;
    if (rare === undefined || rare.how === null) return undefined;
    const { error } = rare;
    if (error === undefined) return DONE;
    rare.error = undefined;
    return Promise.reject(error);
  }

  /**
   * Tells that events are gone.
   *
   * @param {number} missed
   * @returns {Promise<never> | undefined} what is thrown for it
   */
  #tell(missed) {
    this.#rarely.missed += missed;
    if (this.#onLag === 'throw') return Promise.reject(new LaggedError(missed));
    if (this.#onLag === 'skip') return undefined;
    try {
      this.#onLag(missed);
      return undefined;
    } catch (error) {
      return Promise.reject(error);
    }
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
      this.lane.pin(this, true);
    } else if (waiting instanceof Queue) {
      waiting.push(waiter);
    } else {
      this.#waiting = new Queue(waiting, waiter);
    }
  }

  #stopWaiting() {
    this.#waiting = undefined;
    this.#owner = undefined;
    this.lane.pin(this, false);
  }

  /** Asks the engine for more, as much as those who wait may take. */
  #ask() {
    if (this.slot < 0) return;
    const waiting = this.#waiting;
    const first = this.#firstWaiter;
    if (first instanceof BatchWaiter) {
      this.lane.grant(this, first.max);
      return;
    }
    this.#credit = this.#turn === this.lane.turn ? Math.min(2 * this.#credit, MOST_CREDIT) : 1;
    this.lane.grant(this, waiting instanceof Queue ? Math.max(this.#credit, waiting.length) : this.#credit);
  }

  /**
   * @param {CloseReason} reason
   * @param {unknown} error what is thrown once
   */
  #ended(reason, error) {
    const rare = this.#rarely;
    if (rare.how === null) {
      rare.how = Object.freeze({ reason });
      rare.error = error;
      rare.unlisten?.();
      rare.resolveEnded?.(rare.how);
    }
    this.flush();
  }

  // What its owner calls.

  /**
   * @param {number} max how many events at once; 0 for one that is no batch
   * @param {object} owner held while this waits
   * @returns {Promise<any>}
   */
  next(max, owner) {
    const isFirst = this.#waiting === undefined;
    // Before somebody is told of a lag, this one has its place: they may ask for the next event.
    const isTold = typeof this.#queue?.first === 'number';
    if (isFirst && !isTold) {
      const result = this.#take(max);
      if (result !== undefined) return Promise.resolve(result);
    }
    const promise = new Promise(capture);
    this.#wait(max === 0 ? captured : new BatchWaiter(captured, max), owner);
    if (isFirst && isTold) this.flush();
    else this.#ask();
    return promise;
  }

  /**
   * Ends it from this side: what has not been read is dropped.
   *
   * @param {CloseReason} reason
   * @param {unknown} [error] what is thrown once
   */
  end(reason, error) {
    this.#queue = undefined;
    if (this.#rare !== undefined) this.#rare.error = undefined;
    this.leave();
    this.#ended(reason, error);
  }

  /** @override */
  get lag() {
    return super.lag + (this.#queue?.length ?? 0);
  }

  get missed() {
    return this.#rare?.missed ?? 0;
  }

  get how() {
    return this.#rare?.how ?? null;
  }

  get ended() {
    const rare = this.#rarely;
    rare.ended ??= new Promise((resolve) => {
      if (rare.how === null) rare.resolveEnded = resolve;
      else resolve(rare.how);
    });
    return rare.ended;
  }
}

function slowConsumer() {
  return new DistributaryError(
    'ERR_SLOW_CONSUMER',
    'the subscription was closed because it did not keep up with its budget: read faster, or take a larger budget',
  );
}

function eventsLost() {
  return new DistributaryError(
    'ERR_EVENTS_LOST',
    'the subscription was closed because events were lost on their way from other machines: load the current state, and subscribe anew',
  );
}

exports.Reader = Reader;
