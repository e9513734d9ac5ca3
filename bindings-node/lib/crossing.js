'use strict';

// Events that have crossed from the engine, by number. The native half (src/desk.rs, src/parcel.rs) lays them out, here
// they become objects: one for each event, however many subscribers get it.
//
// Invariants: both sides hold the same numbers; a slab is written once, front to back, and never again.

const { markAsUntransferable } = require('node:worker_threads');

const { rethrow } = require('./errors');
const { Event } = require('./event');

/** How many events are known by number; the native half says the same. */
const RING = 2048;
/** Words that describe an event, and flags in the first of them. */
const ROW = 9;
const NAMED = 2 ** 31;
const KEYED = 1 << 30;
const APART = 1 << 29;
const TOPIC = APART - 1;

/** Small, so that one event that somebody keeps pins little. */
const SLAB = 16 << 10;

const TWO_32 = 2 ** 32;

class Crossing {
  /** What the native half fills next. */
  slab = Buffer.alloc(0);
  used = 0;
  /** @type {import('./event').Origin} */
  #origin = { epoch: '' };
  /** @type {(Event | undefined)[]} */
  #ring = new Array(RING).fill(undefined);
  /** @type {string[]} */
  #topics = [];
  /** The oldest number that is held, and the next. */
  #oldest = 0;
  #next = 0;
  /** @type {(number: number) => Buffer} */
  #fetch;
  /** @type {() => string} */
  #epoch;

  /**
   * @param {(number: number) => Buffer} fetch gives the payload of an event that crossed without it
   * @param {() => string} epoch what the positions of the hub begin with
   */
  constructor(fetch, epoch) {
    this.#fetch = fetch;
    this.#epoch = epoch;
  }

  /**
   * The event of a number; undefined if there was no memory for it.
   *
   * @param {number} number
   */
  at(number) {
    return this.#ring[number & (RING - 1)];
  }

  /**
   * Takes new events in.
   *
   * @param {Uint32Array} out
   * @param {number} row where the first of them is described
   * @param {number} count
   * @param {number} number of the first
   * @param {number} used of the slab, with them
   */
  take(out, row, count, number, used) {
    if (this.#origin.epoch === '') this.#origin.epoch = this.#epoch();
    const { slab } = this;
    let start = this.used;
    // The native half counts them as crossed, whatever becomes of them here.
    this.#next = (number + count) >>> 0;
    this.used = used;
    for (; count > 0; count -= 1) {
      const flags = out[row];
      const topic = flags & TOPIC;
      const named = out[row + 1];
      const key = out[row + 2];
      const attributes = out[row + 3];
      const bytes = out[row + 4];
      if (flags >= NAMED) this.#topics[topic] = slab.toString('utf8', start, start + named);
      const payload = flags & APART ? this.#apart(number) : bytes;
      const event = payload === undefined ? undefined : new Event(
        this.#topics[topic],
        slab,
        start + named,
        flags & KEYED ? key : -1,
        attributes,
        payload,
        out[row + 6],
        out[row + 5],
        out[row + 8] * TWO_32 + out[row + 7],
        this.#origin,
      );
      start += named + key + attributes + bytes;
      this.#ring[number & (RING - 1)] = event;
      number = (number + 1) >>> 0;
      row += ROW;
    }
  }

  /**
   * The payload that stayed behind. Memory may be short: then this one event is missed, and the process told why.
   *
   * @param {number} number
   */
  #apart(number) {
    try {
      const payload = this.#fetch(number);
      markAsUntransferable(payload.buffer);
      return payload;
    } catch (error) {
      rethrow(error);
      return undefined;
    }
  }

  /**
   * Lets go of what the native half has let go of.
   *
   * @param {number} oldest the oldest number that it holds
   */
  release(oldest) {
    // What was pushed out by newer ones has no place of its own any more.
    if (((this.#next - this.#oldest) >>> 0) > RING) this.#oldest = (this.#next - RING) >>> 0;
    while (this.#oldest !== oldest && this.#oldest !== this.#next) {
      this.#ring[this.#oldest & (RING - 1)] = undefined;
      this.#oldest = (this.#oldest + 1) >>> 0;
    }
  }

  /** Lets go of everything. */
  clear() {
    this.release(this.#next);
  }

  /**
   * Begins another slab.
   *
   * @param {number} need
   */
  renew(need) {
    this.slab = Buffer.allocUnsafeSlow(Math.max(SLAB, need));
    // Moving it to another thread would empty the events of everybody else.
    markAsUntransferable(this.slab.buffer);
    this.used = 0;
  }
}

exports.Crossing = Crossing;
exports.ROW = ROW;
