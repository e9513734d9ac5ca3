'use strict';

// How a hub's backplane is, as an async iterator: now, and whenever that changes.
//
// The native half says that something has changed, and what that is is looked up: of several changes that come faster
// than they are read the latest is seen, and one that goes back to what was read is none.

const check = require('./check');
const { waitsOf } = require('./waits');

const CALL = 'hub.healthChanges(options)';

/** @typedef {import('../native').NativeHealth} Health */
/** @typedef {import('../native').NativeHub} NativeHub */
/** @typedef {{ closed: boolean, health(): Health, native: NativeHub }} Hub */

class HealthChanges {
  #hub;
  #signal;
  /** What was told last. @type {string | undefined} */
  #seen;
  #done = false;
  /** Who waits, in order. @type {((result: IteratorResult<Health, undefined>) => void)[]} */
  #waiting = [];
  /** Ends what waits for a change, while something does. @type {(() => void) | undefined} */
  #forget;

  /**
   * @param {Hub} hub
   * @param {unknown} options
   */
  constructor(hub, options) {
    const { signal } = check.options(options, CALL, ['signal']);
    this.#hub = hub;
    this.#signal = check.signal(signal, CALL);
    this.#signal?.addEventListener('abort', this.#end, { once: true });
    if (this.#signal?.aborted) this.#end();
  }

  /** @returns {Promise<IteratorResult<Health, undefined>>} */
  next() {
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

  /** Tells who waits what there is to tell, and has itself told of what comes. */
  #look() {
    this.#tell();
    if (this.#waiting.length === 0) return;
    const { settled, forget } = waitsOf(this.#hub).wait((waits, number) => this.#hub.native.healthChanged(waits, number), {
      isRequest: false,
    });
    this.#forget = forget;
    settled.then(({ over }) => {
      this.#forget = undefined;
      if (over) this.#end();
      else this.#look();
    });
    // What had changed before that is not told.
    this.#tell();
    if (this.#waiting.length === 0) this.#rest();
  }

  /** Nobody waits: whoever has this need not hold it. */
  #rest() {
    this.#forget?.();
    this.#forget = undefined;
  }

  #tell() {
    while (this.#waiting.length > 0) {
      if (this.#done || this.#hub.closed) {
        this.#end();
        return;
      }
      const health = this.#hub.health();
      const seen = [health.condition, ...health.reasons.map((reason) => reason.code)].join();
      if (seen === this.#seen) return;
      this.#seen = seen;
      this.#waiting.shift()?.({ value: health, done: false });
    }
  }

  #end = () => {
    this.#done = true;
    this.#rest();
    this.#signal?.removeEventListener('abort', this.#end);
    for (const resolve of this.#waiting.splice(0)) resolve({ value: undefined, done: true });
  };

  [Symbol.asyncIterator]() {
    return this;
  }
}

exports.HealthChanges = HealthChanges;
