'use strict';

// An iterator that is not ours, filtered as it is read: what it yields is judged one by one, and next() goes on until
// something passes. A closure that throws rejects next(), one whose promise is rejected drops the payload.

const { isThenable } = require('./thenable');

class Filtered {
  #source;
  #passes;

  /**
   * @param {AsyncIterator<any>} source
   * @param {(payload: any) => unknown} passes
   */
  constructor(source, passes) {
    this.#source = source;
    this.#passes = passes;
  }

  /** @returns {Promise<IteratorResult<any>>} */
  async next() {
    for (;;) {
      const result = await this.#source.next();
      if (result.done === true) return result;
      const passes = this.#passes(result.value);
      if (passes === true || (isThenable(passes) && (await verdict(passes)))) return result;
    }
  }

  /** @returns {Promise<IteratorResult<any>>} */
  async return() {
    return this.#source.return === undefined ? { value: undefined, done: true } : this.#source.return();
  }

  /**
   * @param {any} error
   * @returns {Promise<IteratorResult<any>>}
   */
  async throw(error) {
    if (this.#source.throw !== undefined) return this.#source.throw(error);
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator]() {
    return this;
  }
}

/** @param {PromiseLike<unknown>} promise */
async function verdict(promise) {
  try {
    return (await promise) === true;
  } catch {
    return false;
  }
}

exports.Filtered = Filtered;
