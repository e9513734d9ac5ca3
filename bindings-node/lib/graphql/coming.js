'use strict';

// An iterator that is promised and can be read already.
//
// What withFilter() returns was an iterator in graphql-subscriptions 2 and is the promise of one in 3. This is the
// promise, with the methods of the iterator on it: callers of either kind go on working. Those for 2 also put methods of
// their own on it, to clean up in return(): then the promise is one of an iterator that has these.

const METHODS = ['next', 'return', 'throw'];

/** @extends {Promise<any>} */
class Coming extends Promise {
  /** @type {AsyncIterableIterator<any> | null} where it is there already */
  #iterator = null;

  /** @override */
  static get [Symbol.species]() {
    return Promise;
  }

  /** @param {AsyncIterableIterator<any>} iterator */
  static of(iterator) {
    const coming = Coming.from(iterator);
    coming.#iterator = iterator;
    return coming;
  }

  /**
   * @param {AsyncIterableIterator<any> | PromiseLike<AsyncIterableIterator<any>>} source
   * @returns {Coming}
   */
  static from(source) {
    return new Coming((/** @type {(value: any) => void} */ resolve) => resolve(source));
  }

  /**
   * The iterator of a promise that has it already; else what was given.
   *
   * @param {any} value
   */
  static unwrapped(value) {
    return value instanceof Coming && !value.#isDecorated ? (value.#iterator ?? value) : value;
  }

  /**
   * @override
   * @param {any} [fulfilled]
   * @param {any} [rejected]
   * @returns {Promise<any>}
   */
  then(fulfilled, rejected) {
    if (typeof fulfilled !== 'function') return super.then(fulfilled, rejected);
    return super.then((iterator) => fulfilled(this.#isDecorated ? this.#decorated() : iterator), rejected);
  }

  /** @returns {Promise<IteratorResult<any>>} */
  next() {
    return this.#then((/** @type {any} */ iterator) => iterator.next());
  }

  /** @returns {Promise<IteratorResult<any>>} */
  return() {
    return this.#then((/** @type {any} */ iterator) => iterator.return());
  }

  /** @param {any} error @returns {Promise<IteratorResult<any>>} */
  throw(error) {
    return this.#then((/** @type {any} */ iterator) => iterator.throw(error));
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /**
   * @param {(iterator: any) => any} use
   * @returns {Promise<any>}
   */
  #then(use) {
    return this.#iterator !== null ? use(this.#iterator) : super.then(use);
  }

  get #isDecorated() {
    return METHODS.some((method) => Object.hasOwn(this, method));
  }

  #decorated() {
    return {
      next: () => this.next(),
      return: () => this.return(),
      throw: (/** @type {any} */ error) => this.throw(error),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
}

exports.Coming = Coming;
