'use strict';

// How a hub's backplane is, as an async iterator: now, and whenever that changes.

const check = require('./check');
const { waitsOf } = require('./waits');

const CALL = 'hub.healthChanges(options)';

/** @typedef {import('../native').NativeHealth} Health */
/** @typedef {import('../native').NativeHub} NativeHub */

class HealthChanges {
  #hub;
  #native;
  #signal;
  #done = false;
  /** Who waits, in order. @type {((result: IteratorResult<Health, undefined>) => void)[]} */
  #waiting = [];
  /** Ends the wait for what is told next, while somebody waits. @type {(() => void) | undefined} */
  #forget;

  /**
   * @param {{ native: NativeHub }} hub
   * @param {unknown} options
   */
  constructor(hub, options) {
    const { signal } = check.options(options, CALL, ['signal']);
    this.#hub = hub;
    this.#native = hub.native.healthChanges();
    this.#signal = check.signal(signal, CALL);
    this.#signal?.addEventListener('abort', this.#end, { once: true });
    if (this.#signal?.aborted) this.#end();
  }

  /** @returns {Promise<IteratorResult<Health, undefined>>} */
  next() {
    if (this.#done) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#forget === undefined) this.#look();
    });
  }

  /** @param {any} [value] @returns {Promise<IteratorResult<Health, any>>} */
  async return(value) {
    this.#end();
    return { value, done: true };
  }

  /** Waits for what is told next, for as long as somebody waits. */
  #look() {
    const { settled, forget } = waitsOf(this.#hub).wait((waits, number) => this.#native.next(waits, number), {
      isRequest: false,
    });
    this.#forget = forget;
    settled.then(({ health }) => {
      this.#forget = undefined;
      if (health == null) {
        this.#end();
        return;
      }
      this.#waiting.shift()?.({ value: health, done: false });
      if (this.#waiting.length > 0) this.#look();
    });
  }

  #end = () => {
    this.#done = true;
    this.#forget?.();
    this.#forget = undefined;
    this.#signal?.removeEventListener('abort', this.#end);
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  };

  [Symbol.asyncIterator]() {
    return this;
  }
}

exports.HealthChanges = HealthChanges;
