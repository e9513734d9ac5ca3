'use strict';

// What waits for a reader: two ways to keep messages in order, one interface.
//
// Ring keeps all of them: push and shift touch one slot each, whatever waits. Latest keeps the newest of each key:
// a Map remembers the order in which its keys came, and a key that comes again goes to the end.

const LEAST = 4;
/** A ring that was larger than this gives its slots back when it is empty. */
const KEPT = 64;

/**
 * First in, first out.
 *
 * @template T
 */
class Ring {
  /** @type {(T | undefined)[]} as many slots as a power of two */
  #slots = new Array(LEAST);
  #head = 0;
  #size = 0;

  get size() {
    return this.#size;
  }

  /**
   * @param {T} item
   * @returns {T | undefined} the item that this one replaced: none
   */
  push(item) {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = item;
    this.#size++;
    return undefined;
  }

  /** @returns {T | undefined} */
  shift() {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size--;
    if (this.#size === 0 && this.#slots.length > KEPT) this.clear();
    return item;
  }

  clear() {
    this.#slots = new Array(LEAST);
    this.#head = 0;
    this.#size = 0;
  }

  #grow() {
    const { length } = this.#slots;
    const slots = new Array(length * 2);
    for (let i = 0; i < length; i++) slots[i] = this.#slots[(this.#head + i) & (length - 1)];
    this.#slots = slots;
    this.#head = 0;
  }
}

/** @typedef {import('./message').Message} Message */

/** The newest message of each key; messages without one are all kept. */
class Latest {
  /** @type {Map<unknown, Message>} */
  #messages = new Map();
  #keyOf;

  /** @param {(payload: any) => unknown} keyOf */
  constructor(keyOf) {
    this.#keyOf = keyOf;
  }

  get size() {
    return this.#messages.size;
  }

  /**
   * @param {Message} message
   * @returns {Message | undefined} the one that this one replaced
   */
  push(message) {
    const key = this.#key(message);
    const older = this.#messages.get(key);
    if (older !== undefined) this.#messages.delete(key);
    this.#messages.set(key, message);
    return older;
  }

  /** @returns {Message | undefined} */
  shift() {
    for (const [key, message] of this.#messages) {
      this.#messages.delete(key);
      return message;
    }
    return undefined;
  }

  clear() {
    this.#messages.clear();
  }

  /** A message without a key is its own key; so is one that the function for keys cannot read. @param {Message} message */
  #key(message) {
    if (message.failed) return message;
    try {
      return this.#keyOf(message.payload) ?? message;
    } catch {
      return message;
    }
  }
}

exports.Ring = Ring;
exports.Latest = Latest;
