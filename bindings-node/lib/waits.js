'use strict';

// What a hub is waited for that is no event: that an event reached the backplane, that other machines are heard, that the
// health of all this changes, and that a hub which was closed has done its last.
//
// Everything waited for has a number. The native half rings once for however many are settled, and what came of them is
// taken in one call. The process does not end while somebody waits for the outcome of a request, as with any of Node's.

const { ForwardError, NotHeardError } = require('./errors');
const { NativeWaits } = require('./native');

/** As long as a timer can be; what it does does not matter, only that it is there. */
const LONGEST = 2 ** 31 - 1;

/** Those of whom somebody waits: a native half holds none of its bells. @type {Set<Waits>} */
const waited = new Set();

/**
 * @typedef {import('../native').NativeSettled} NativeSettled
 * @typedef {{ isRequest: boolean, resolve(settled: NativeSettled): void, reject(error: Error): void }} Waiter
 */

/** The waits of a hub on this loop. */
class Waits {
  #native;
  /** @type {Map<number, Waiter>} */
  #waiters = new Map();
  #latest = 0;
  #requests = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #alive;

  constructor() {
    this.#native = new NativeWaits(bellOf(this));
  }

  /**
   * Begins something, and waits for what comes of it.
   *
   * @param {(native: NativeWaits, number: number) => NativeSettled | null} begin throws what is wrong with the call
   * @param {{ isRequest?: boolean }} [how] whether the process does not end before
   * @returns {{ settled: Promise<NativeSettled>, forget: () => void }}
   */
  wait(begin, { isRequest = true } = {}) {
    // As long as a native number can be; nobody waits for four thousand million others.
    this.#latest = (this.#latest + 1) >>> 0;
    const number = this.#latest;
    const known = begin(this.#native, number);
    if (known !== null) return { settled: outcome(known), forget: () => {} };
    /** @type {Promise<NativeSettled>} */
    const settled = new Promise((resolve, reject) => {
      this.#waiters.set(number, { isRequest, resolve, reject });
    });
    waited.add(this);
    if (isRequest && this.#requests++ === 0) this.#alive = setInterval(() => {}, LONGEST);
    const forget = () => {
      if (this.#leave(number) !== undefined) this.#native.forget(number);
    };
    return { settled, forget };
  }

  /** Some are settled. */
  settle() {
    for (const settled of this.#native.take()) {
      const waiter = this.#leave(settled.wait);
      if (waiter !== undefined) outcome(settled).then(waiter.resolve, waiter.reject);
    }
  }

  /**
   * One waits no more. The process may end once no request is left.
   *
   * @param {number} number
   */
  #leave(number) {
    const waiter = this.#waiters.get(number);
    this.#waiters.delete(number);
    if (waiter?.isRequest && --this.#requests === 0) {
      clearInterval(this.#alive);
      this.#alive = undefined;
    }
    if (this.#waiters.size === 0) waited.delete(this);
    return waiter;
  }
}

/**
 * What the native half calls. It holds no waits that nobody can reach any more; nor may its closure, which is why this is
 * a function of its own.
 *
 * @param {Waits} waits
 */
function bellOf(waits) {
  const self = new WeakRef(waits);
  return () => self.deref()?.settle();
}

/**
 * @param {NativeSettled} settled
 * @returns {Promise<NativeSettled>}
 */
async function outcome(settled) {
  if (settled.kind != null) throw new ForwardError(settled.kind, settled.message ?? settled.kind);
  if (settled.refused != null) throw new NotHeardError(settled.refused, settled.message ?? 'not heard');
  return settled;
}

/** @type {WeakMap<object, Waits>} */
const all = new WeakMap();

/**
 * @param {object} hub
 * @returns {Waits}
 */
function waitsOf(hub) {
  let waits = all.get(hub);
  if (waits === undefined) all.set(hub, (waits = new Waits()));
  return waits;
}

exports.waitsOf = waitsOf;
