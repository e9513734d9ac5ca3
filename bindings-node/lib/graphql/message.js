'use strict';

// What is handed to subscribers: one object per published message, shared by every queue it stands in.
//
// The payload is held by reference and never serialised. What it weighs is found at most once, when the first
// subscriber has to queue it: whoever is waiting for it costs no estimate.

const { weigh } = require('./weight');

/** A published message. */
class Message {
  #bytes;

  /**
   * @param {any} payload
   * @param {number} [bytes] what it weighs, where that is known
   */
  constructor(payload, bytes = -1) {
    this.payload = payload;
    this.#bytes = bytes;
  }

  get bytes() {
    if (this.#bytes < 0) this.#bytes = weigh(this.payload);
    return this.#bytes;
  }

  /** @type {boolean} whether this stands for an error in the place of a message */
  get failed() {
    return false;
  }

  /**
   * Hands the payload to a listener.
   *
   * @param {Function} listener
   */
  call(listener) {
    listener(this.payload);
  }
}

/** A message that came out of an EventEmitter: listeners get its `this` and all its arguments. */
class Emission extends Message {
  #emitter;
  #args;

  /**
   * @param {object} emitter
   * @param {any} payload
   * @param {any[] | null} args all arguments, where there are more than the payload
   */
  constructor(emitter, payload, args) {
    super(payload);
    this.#emitter = emitter;
    this.#args = args;
  }

  /** @override @param {Function} listener */
  call(listener) {
    if (this.#args === null) listener.call(this.#emitter, this.payload);
    else listener.apply(this.#emitter, this.#args);
  }
}

/** An error that a reader meets in the place of a message, in its order. */
class Failure extends Message {
  /** @param {unknown} error */
  constructor(error) {
    super(undefined, 0);
    this.error = error;
  }

  /** @override */
  get failed() {
    return true;
  }
}

exports.Message = Message;
exports.Emission = Emission;
exports.Failure = Failure;
