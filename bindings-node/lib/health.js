'use strict';

// How a hub's backplane is, as an async iterator: now, and whenever that changes.
//
// The native half keeps it ready, so a look costs nothing; nobody is called for it. The timer of a look does not keep the
// process alive, as a subscription does not.

const check = require('./check');
const { described, typeError } = require('./errors');

const CALL = 'hub.healthChanges(options)';

/** Milliseconds between two looks, where nothing is said. */
const EVERY = 500;

/** @typedef {import('../native').NativeHealth} Health */

class HealthChanges {
  #hub;
  #every;
  #signal;
  /** What was told last. @type {string | undefined} */
  #seen;
  #done = false;
  /** Who waits, in order. @type {((result: IteratorResult<Health, undefined>) => void)[]} */
  #waiting = [];
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {{ closed: boolean, health(): Health }} hub
   * @param {unknown} options
   */
  constructor(hub, options) {
    const { every, signal } = check.options(options, CALL, ['every', 'signal']);
    if (every !== undefined && (typeof every !== 'number' || !(every >= 1 && every < 2 ** 31))) {
      throw typeError('ERR_BAD_OPTION', `${CALL}: every is a time in milliseconds, at least 1, not ${described(every)}`);
    }
    this.#hub = hub;
    this.#every = every ?? EVERY;
    this.#signal = check.signal(signal, CALL);
    this.#signal?.addEventListener('abort', this.#end, { once: true });
    if (this.#signal?.aborted) this.#end();
  }

  /** @returns {Promise<IteratorResult<Health, undefined>>} */
  next() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#look();
    });
  }

  /** @param {any} [value] @returns {Promise<IteratorResult<Health, any>>} */
  async return(value) {
    this.#end();
    return { value, done: true };
  }

  #look = () => {
    this.#timer = undefined;
    while (this.#waiting.length > 0) {
      if (this.#done || this.#hub.closed) {
        this.#end();
        return;
      }
      const health = this.#hub.health();
      const seen = [health.condition, ...health.reasons.map((reason) => reason.code)].join();
      if (seen === this.#seen) break;
      this.#seen = seen;
      this.#waiting.shift()?.({ value: health, done: false });
    }
    if (this.#waiting.length > 0) this.#timer = setTimeout(this.#look, this.#every).unref();
  };

  #end = () => {
    this.#done = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#end);
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  };

  [Symbol.asyncIterator]() {
    return this;
  }
}

exports.HealthChanges = HealthChanges;
