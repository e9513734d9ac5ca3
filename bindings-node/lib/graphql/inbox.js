'use strict';

// The reading end of one iterator: messages that wait for a reader, or readers that wait for a message.
//
// It is shut until its subscriptions stand, so that an iterator that is ended in the turn of its first next() ends
// without a message; while it is open, it never holds both. What waits is bounded by Limits; messages that a
// closure still decides about (gate.js) count as waiting. It is a subscription too, the first one of its iterator, so
// that a message comes to it without a detour; subscribing itself is for its owner, who is told when it gives up.

const { DistributaryError } = require('../errors');
const { Ring } = require('./backlog');
const { Failure } = require('./message');
const { Subscription } = require('./subscription');

/** @typedef {import('./message').Message} Message */
/** @typedef {(result: IteratorResult<any> | Promise<never>) => void} Reader resolves the promise of a next() */

/** What an inbox asks of its owner: to leave its subscriptions, and to name them. */
const LEAVE = Symbol('leave');
const NAMES = Symbol('names');

/** @typedef {{ [LEAVE](): void, readonly [NAMES]: string[] }} Owner */

const SHUT = 0;
const OPEN = 1;
const ENDED = 2;

/** Stands where an inbox cannot name itself yet. */
function nothing() {}

/** @type {Reader} what the executor below was given last */
let reader;

/** One function for all promises, where a closure for each would be kept as long as its promise. @param {Reader} resolve */
function keep(resolve) {
  reader = resolve;
}

class Inbox extends Subscription {
  /** @type {typeof SHUT | typeof OPEN | typeof ENDED} */
  #state = SHUT;
  /** @type {Reader | Ring<Reader> | null} a single one is kept as it is */
  #readers = null;
  /** @type {ReturnType<import('./limits').Limits['backlog']> | null} */
  #queue = null;
  /** How many messages wait, and what they weigh; with those that are held. */
  #events = 0;
  #bytes = 0;
  /** Whether a message was lost since nothing waited. */
  #losing = false;
  #limits;
  #owner;

  /**
   * @param {import('./limits').Limits} limits
   * @param {Owner} owner
   */
  constructor(limits, owner) {
    super(nothing);
    /** @type {Subscription['target']} where messages for it go: through closures first, where there are some */
    this.target = this;
    this.#limits = limits;
    this.#owner = owner;
  }

  get ended() {
    return this.#state === ENDED;
  }

  /**
   * The next message: what `next()` of an iterator returns.
   *
   * @returns {Promise<IteratorResult<any>>}
   */
  take() {
    if (this.#state !== SHUT) {
      const message = this.#pop();
      if (message !== undefined) return Promise.resolve(result(message));
      if (this.#state === ENDED) return Promise.resolve({ value: undefined, done: true });
    }
    /** @type {Promise<IteratorResult<any>>} */
    const promise = new Promise(keep);
    if (this.#readers === null) {
      this.#readers = reader;
    } else {
      if (typeof this.#readers === 'function') {
        const first = this.#readers;
        this.#readers = new Ring();
        this.#readers.push(first);
      }
      this.#readers.push(reader);
    }
    return promise;
  }

  /**
   * A message for this iterator: to whoever waits for it, else into the queue as far as the limits go.
   *
   * @param {Message} message
   */
  offer(message) {
    if (this.#state === OPEN && this.#readers !== null) this.#nextReader()(result(message));
    else if (this.#state !== ENDED && this.#hasRoom(message)) this.#push(message);
  }

  /**
   * Counts a message as waiting that is kept elsewhere until a closure has decided about it.
   *
   * @param {Message} message
   * @returns {boolean} whether there is room for it
   */
  hold(message) {
    if (this.#state === ENDED || !this.#hasRoom(message)) return false;
    this.#count(message);
    this.#trim(0);
    if (!this.#isOver()) return true;
    // Nothing older is left to give way: all that wait are held.
    this.release(message);
    this.#lost();
    return false;
  }

  /** Ends a hold. @param {Message} message */
  release(message) {
    this.#events--;
    this.#bytes -= message.bytes;
  }

  /** The subscriptions stand: readers get what came meanwhile. */
  open() {
    if (this.#state !== SHUT) return;
    this.#state = OPEN;
    while (this.#readers !== null) {
      const message = this.#pop();
      if (message === undefined) return;
      this.#nextReader()(result(message));
    }
  }

  /** No more messages will come: what waits can still be read. */
  end() {
    this.open();
    this.#state = ENDED;
    while (this.#readers !== null) this.#nextReader()({ value: undefined, done: true });
  }

  /** Nothing more will be read: what waits is let go. */
  discard() {
    this.#clear();
    this.end();
  }

  /**
   * No more messages will come because of an error: all who wait are told, else the next who asks.
   *
   * @param {unknown} error
   */
  fail(error) {
    this.#state = ENDED;
    this.#clear();
    if (this.#readers === null) this.#push(new Failure(error));
    while (this.#readers !== null) this.#nextReader()(Promise.reject(error));
  }

  /**
   * Whether a message may wait under the policy. Where the oldest give way it always may, and trim() makes room.
   *
   * @param {Message} message
   */
  #hasRoom(message) {
    const { overflow, events, bytes } = this.#limits;
    if (overflow === 'dropOldest' || overflow === 'keepLatest') return true;
    // A message that is larger than the whole budget may wait alone.
    if (this.#events < events && (this.#events === 0 || this.#bytes + message.bytes <= bytes)) return true;
    if (overflow === 'disconnect') this.#giveUp();
    else this.#lost();
    return false;
  }

  /** @param {Message} message */
  #push(message) {
    this.#queue ??= this.#limits.backlog();
    const older = this.#queue.push(message);
    this.#count(message);
    if (older !== undefined) this.release(older);
    this.#trim(1);
  }

  /** @returns {Message | undefined} */
  #pop() {
    const message = this.#queue?.shift();
    if (message === undefined) return undefined;
    this.release(message);
    if (this.#events === 0) this.#losing = false;
    return message;
  }

  /** @param {Message} message */
  #count(message) {
    this.#events++;
    this.#bytes += message.bytes;
  }

  #isOver() {
    return this.#events > 1 && (this.#events > this.#limits.events || this.#bytes > this.#limits.bytes);
  }

  /** Lets the oldest go until what waits is within the budget, or only so many are left. @param {number} least */
  #trim(least) {
    while (this.#isOver() && this.#queue !== null && this.#queue.size > least) {
      this.#lost();
      const oldest = this.#queue.shift();
      if (oldest !== undefined) this.release(oldest);
    }
  }

  #giveUp() {
    const { events, bytes } = this.#limits;
    const info = this.#info();
    this.fail(
      new DistributaryError(
        'ERR_SLOW_CONSUMER',
        `this iterator was ended: it was not read as fast as messages came, and ${info.events} messages (about ` +
          `${info.bytes} bytes) waited, where its budget is ${events} messages or ${bytes} bytes. Read it faster, ` +
          'narrow it by a filter, or set the options budget and overflow',
      ),
    );
    try {
      this.#owner[LEAVE]();
    } finally {
      this.#limits.report(info);
    }
  }

  /** A message is lost: said once until the reader has caught up. */
  #lost() {
    if (this.#losing) return;
    this.#losing = true;
    this.#limits.report(this.#info());
  }

  /** @returns {import('../../graphql').OverflowInfo} */
  #info() {
    const { overflow } = this.#limits;
    return { overflow, triggers: this.#owner[NAMES], events: this.#events, bytes: this.#bytes };
  }

  #clear() {
    this.#queue = null;
    this.#events = 0;
    this.#bytes = 0;
  }

  /** @returns {Reader} */
  #nextReader() {
    const readers = this.#readers;
    if (typeof readers === 'function') {
      this.#readers = null;
      return readers;
    }
    const next = /** @type {Reader} */ (/** @type {Ring<Reader>} */ (readers).shift());
    if (/** @type {Ring<Reader>} */ (readers).size === 0) this.#readers = null;
    return next;
  }
}

/** @param {Message} message */
function result(message) {
  return message.failed
    ? Promise.reject(/** @type {Failure} */ (message).error)
    : { value: message.payload, done: false };
}

exports.Inbox = Inbox;
exports.LEAVE = LEAVE;
exports.NAMES = NAMES;
