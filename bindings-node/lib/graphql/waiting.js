'use strict';

// The messages that wait for one iterator, within its limits. Made when the first one has to.
//
// Messages that are held count too: a closure still decides about them, and the gate keeps them (gate.js). Whoever it
// belongs to is told of an overflow: each one under 'disconnect', as the first is the last, else the first one since
// nothing waited.

/** @typedef {import('./message').Message} Message */
/** @typedef {{ overflow(events: number, bytes: number): void }} Owner */

class Waiting {
  #limits;
  #owner;
  #queue;
  /** How many wait, and what they weigh; with those that are held. */
  #events = 0;
  #bytes = 0;
  /** Whether a message was lost since nothing waited. */
  #losing = false;

  /**
   * @param {import('./limits').Limits} limits
   * @param {Owner} owner
   */
  constructor(limits, owner) {
    this.#limits = limits;
    this.#owner = owner;
    this.#queue = limits.backlog();
  }

  /** @param {Message} message */
  push(message) {
    if (!this.#hasRoom(message)) return;
    const older = this.#queue.push(message);
    this.#count(message);
    if (older !== undefined) this.release(older);
    this.#trim(1);
  }

  /** @returns {Message | undefined} */
  shift() {
    const message = this.#queue.shift();
    if (message === undefined) return undefined;
    this.release(message);
    if (this.#events === 0) this.#losing = false;
    return message;
  }

  /**
   * Counts a message that is kept elsewhere.
   *
   * @param {Message} message
   * @returns {boolean} whether there is room for it
   */
  hold(message) {
    if (!this.#hasRoom(message)) return false;
    this.#count(message);
    this.#trim(0);
    if (!this.#isOver()) return true;
    // Nothing is left that could give way: all that wait are held.
    this.release(message);
    this.#lost();
    return false;
  }

  /** Ends a hold. @param {Message} message */
  release(message) {
    this.#events--;
    this.#bytes -= message.bytes;
  }

  /**
   * Whether a message may wait, if not beside all others. Where the oldest give way it always may: #trim() makes room.
   *
   * @param {Message} message
   */
  #hasRoom(message) {
    const { overflow, events, bytes } = this.#limits;
    if (overflow === 'drop-oldest' || overflow === 'keep-latest') return true;
    // A message that is larger than the whole budget may wait alone.
    if (this.#events < events && (this.#events === 0 || this.#bytes + message.bytes <= bytes)) return true;
    this.#lost();
    return false;
  }

  /** @param {Message} message */
  #count(message) {
    this.#events++;
    this.#bytes += message.bytes;
  }

  #isOver() {
    return this.#events > 1 && (this.#events > this.#limits.events || this.#bytes > this.#limits.bytes);
  }

  /** Lets the oldest go until what waits is within the budget, or only so many are left. @param {number} least */
  #trim(least) {
    while (this.#isOver() && this.#queue.size > least) {
      this.#lost();
      const oldest = this.#queue.shift();
      if (oldest !== undefined) this.release(oldest);
    }
  }

  #lost() {
    if (this.#losing) return;
    this.#losing = true;
    this.#owner.overflow(this.#events, this.#bytes);
  }
}

exports.Waiting = Waiting;
