'use strict';

// The reading end of one iterator: messages that wait for a reader, or readers that wait for a message.
//
// It is shut until its subscriptions stand, so that an iterator that is ended in the turn of its first next() ends
// without a message; while it is open, it never holds both. It is a subscription too, the first one of its iterator, so
// that a message comes to it without a detour; subscribing itself is for its owner, who is told when it gives up.

const { DistributaryError } = require('../errors');
const { Ring } = require('./backlog');
const { Failure } = require('./message');
const { Subscription } = require('./subscription');
const { Waiting } = require('./waiting');

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
  /** @type {Waiting | null} */
  #waiting = null;
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
      const message = this.#waiting?.shift();
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
    else if (this.#state !== ENDED) this.#queue().push(message);
  }

  /**
   * Counts a message as waiting that is kept elsewhere until a closure has decided about it.
   *
   * @param {Message} message
   * @returns {boolean} whether there is room for it
   */
  hold(message) {
    return this.#state !== ENDED && this.#queue().hold(message);
  }

  /** Ends a hold. @param {Message} message */
  release(message) {
    this.#waiting?.release(message);
  }

  /** The subscriptions stand: readers get what came meanwhile. */
  open() {
    if (this.#state !== SHUT) return;
    this.#state = OPEN;
    while (this.#readers !== null) {
      const message = this.#waiting?.shift();
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
    this.#waiting = null;
    this.end();
  }

  /**
   * No more messages will come because of an error: all who wait are told, else the next who asks.
   *
   * @param {unknown} error
   */
  fail(error) {
    this.#state = ENDED;
    this.#waiting = null;
    if (this.#readers === null) this.#queue().push(new Failure(error));
    while (this.#readers !== null) this.#nextReader()(Promise.reject(error));
  }

  /**
   * More would wait than may.
   *
   * @internal for what waits
   * @param {number} events
   * @param {number} bytes
   */
  overflow(events, bytes) {
    const limits = this.#limits;
    const info = { overflow: limits.overflow, triggers: this.#owner[NAMES], events, bytes };
    const { overflow } = limits;
    if (overflow === 'disconnect') this.fail(tooSlow(info));
    else if (overflow === 'end') this.discard();
    if (this.ended) this.#owner[LEAVE]();
    limits.report(info);
  }

  #queue() {
    return (this.#waiting ??= new Waiting(this.#limits, this));
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

/**
 * It may be shown to the client: what its operator can do is in the process warning.
 *
 * @param {{ events: number, bytes: number }} waiting
 */
function tooSlow({ events, bytes }) {
  return new DistributaryError(
    'ERR_SLOW_CONSUMER',
    `this subscription was ended: it was too slow, ${events} messages (about ${bytes} bytes) waited`,
  );
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
