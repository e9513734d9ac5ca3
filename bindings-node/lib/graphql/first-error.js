'use strict';

// What several listeners threw: the first is for the caller, as it would have been the only one.

class FirstError {
  #any = false;
  /** @type {unknown} */
  #error = undefined;

  /** @param {unknown} error */
  add(error) {
    if (this.#any) return;
    this.#any = true;
    this.#error = error;
  }

  rethrow() {
    if (this.#any) throw this.#error;
  }
}

exports.FirstError = FirstError;
