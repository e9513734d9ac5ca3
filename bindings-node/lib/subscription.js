'use strict';

// A subscription as its owner holds it: an async iterator of events, or of batches of them.
//
// It is a handle on a Reader, which the lane knows. Once the handle is garbage nobody can read any more, and the
// subscription is undone.

const check = require('./check');
const { Reader } = require('./reader');
const { parseSelector } = require('./selector');

/** Events of a batch, unless it says less or more. */
const BATCH = 1024;

/** @type {FinalizationRegistry<Reader>} */
const dropped = new FinalizationRegistry((reader) => reader.end('closed'));

/**
 * @typedef {import('./event').Event} Event
 * @typedef {import('./member').Names} Names
 */

/** @implements {AsyncIterableIterator<Event>} */
class Subscription {
  /** @type {Reader} */
  #reader;

  /** @param {Reader} reader */
  constructor(reader) {
    this.#reader = reader;
    dropped.register(this, reader);
  }

  /** @returns {Promise<IteratorResult<Event, undefined>>} */
  next() {
    return this.#reader.next(0, this);
  }

  /**
   * @param {any} [value]
   * @returns {Promise<IteratorResult<Event, any>>}
   */
  async return(value) {
    this.close();
    return { value: await value, done: true };
  }

  /**
   * @param {unknown} [error]
   * @returns {Promise<never>}
   */
  async throw(error) {
    this.close();
    throw error;
  }

  close() {
    this.#reader.end('closed');
  }

  /**
   * @param {{ max?: number }} [options]
   * @returns {AsyncIterableIterator<Event[]>}
   */
  batches(options) {
    const where = 'subscription.batches(options)';
    const { max } = check.options(options, where, ['max']);
    const most = check.whole(max, where, 'max', { least: 1, most: 2 ** 20 }) ?? BATCH;
    return new Batches(this, () => this.#reader.next(most, this));
  }

  /** @param {Names} names */
  add(names) {
    return this.#reader.add(names, 'subscription.add(names)');
  }

  /** @param {Names} names */
  remove(names) {
    return this.#reader.remove(names, 'subscription.remove(names)');
  }

  get topics() {
    return this.#reader.topics;
  }

  get patterns() {
    return this.#reader.patterns;
  }

  get lag() {
    return this.#reader.lag;
  }

  get missed() {
    return this.#reader.missed;
  }

  get closed() {
    return this.#reader.how;
  }

  get ended() {
    return this.#reader.ended;
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/**
 * The same subscription, read in batches.
 *
 * @implements {AsyncIterableIterator<Event[]>}
 */
class Batches {
  #subscription;
  #next;

  /**
   * @param {Subscription} subscription
   * @param {() => Promise<any>} next
   */
  constructor(subscription, next) {
    this.#subscription = subscription;
    this.#next = next;
  }

  next() {
    return this.#next();
  }

  /**
   * @param {any} [value]
   * @returns {Promise<IteratorResult<any, any>>}
   */
  return(value) {
    return this.#subscription.return(value);
  }

  /** @param {unknown} [error] */
  throw(error) {
    return this.#subscription.throw(error);
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/**
 * Lets `using` and `await using` end something, where there are these symbols.
 *
 * @param {{ prototype: any }} ofClass
 * @param {string} close
 */
function disposable({ prototype }, close) {
  for (const symbol of [Symbol.dispose, Symbol.asyncDispose]) {
    if (symbol === undefined) continue;
    const dispose = symbol === Symbol.dispose
      ? /** @this {any} */ function dispose() { this[close](); }
      : /** @this {any} */ async function dispose() { await this[close](); };
    Object.defineProperty(prototype, symbol, { value: dispose, writable: true, configurable: true });
  }
}

disposable(Subscription, 'close');
disposable(Batches, 'return');

/**
 * `hub.subscribe(selector, options)`.
 *
 * @param {import('./lane').Lane} lane
 * @param {unknown} selector
 * @param {unknown} options
 */
function subscribe(lane, selector, options) {
  const where = 'hub.subscribe(selector, options)';
  const parsed = parseSelector(selector, options, where, ['onLag', 'signal']);
  const { onLag, signal } = parsed.rest;
  if (typeof onLag !== 'function') check.oneOf(onLag, where, 'onLag', ['throw', 'skip']);
  check.signal(signal, where);
  signal?.throwIfAborted();
  return new Subscription(new Reader(lane, parsed, onLag ?? 'throw', signal));
}

exports.Subscription = Subscription;
exports.disposable = disposable;
exports.subscribe = subscribe;
