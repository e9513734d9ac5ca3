'use strict';

// An event as subscribers see it: one object for all of them on a loop, and everything in it made when asked for.
//
// What crossed is a stretch of a slab (see lib/crossing.js): key, attributes and payload one after the other. A large
// payload came as a Buffer of its own.

const { DistributaryError } = require('./errors');
const { hex } = require('./hex');

/** `json()` has not been asked for. */
const UNREAD = Symbol('unread');

/**
 * Where events come from: what their positions begin with.
 *
 * @typedef {{ epoch: string }} Origin
 */

class Event {
  /** The topic it was published to. @type {string} */
  topic;
  /** @type {Buffer} */
  #slab;
  #start;
  /** Length of the key, or -1 for none. */
  #key;
  #attributes;
  /** @type {Buffer | number} */
  #payload;
  #high;
  #low;
  #micros;
  /** @type {Origin} */
  #origin;
  /** @type {any} */
  #json = UNREAD;

  /**
   * @param {string} topic
   * @param {Buffer} slab
   * @param {number} start where its stretch begins
   * @param {number} key length of the key, or -1
   * @param {number} attributes length of the attributes' text
   * @param {Buffer | number} payload itself, or its length
   * @param {number} high half of its offset
   * @param {number} low half
   * @param {number} micros when it was published
   * @param {Origin} origin
   */
  constructor(topic, slab, start, key, attributes, payload, high, low, micros, origin) {
    this.topic = topic;
    this.#slab = slab;
    this.#start = start;
    this.#key = key;
    this.#attributes = attributes;
    this.#payload = payload;
    this.#high = high;
    this.#low = low;
    this.#micros = micros;
    this.#origin = origin;
  }

  #afterKey() {
    return this.#start + Math.max(this.#key, 0);
  }

  /** The payload. It is shared by all subscribers of the event: read it, do not write to it. */
  get data() {
    if (typeof this.#payload === 'number') {
      const start = this.#afterKey() + this.#attributes;
      this.#payload = this.#slab.subarray(start, start + this.#payload);
    }
    return this.#payload;
  }

  /** The length of the payload in bytes. */
  get byteLength() {
    return typeof this.#payload === 'number' ? this.#payload : this.#payload.length;
  }

  /** The payload as UTF-8. */
  text() {
    if (typeof this.#payload !== 'number') return this.#payload.toString();
    const start = this.#afterKey() + this.#attributes;
    return this.#slab.toString('utf8', start, start + this.#payload);
  }

  /** The payload parsed as JSON: once, and shared by all subscribers of the event. */
  json() {
    if (this.#json === UNREAD) {
      try {
        this.#json = JSON.parse(this.text());
      } catch (cause) {
        const reason = /** @type {Error} */ (cause).message;
        throw new DistributaryError(
          'ERR_NOT_JSON',
          `the payload of this event of ${JSON.stringify(this.topic)} is not JSON (${reason}): read it with data or text()`,
          { cause },
        );
      }
    }
    return this.#json;
  }

  /** The conflation key, or undefined. */
  get key() {
    return this.#key < 0 ? undefined : this.#slab.toString('utf8', this.#start, this.#start + this.#key);
  }

  /**
   * The scalars given beside the payload; a name that was given several times has a list of them.
   *
   * @returns {Record<string, any>}
   */
  get attributes() {
    /** @type {Record<string, any>} */
    const attributes = Object.create(null);
    if (this.#attributes === 0) return attributes;
    const start = this.#afterKey();
    const list = JSON.parse(this.#slab.toString('utf8', start, start + this.#attributes));
    for (let at = 0; at < list.length; at += 2) {
      const name = list[at];
      const value = Array.isArray(list[at + 1]) ? BigInt(list[at + 1][0]) : list[at + 1];
      const before = attributes[name];
      if (before === undefined) attributes[name] = value;
      else if (Array.isArray(before)) before.push(value);
      else attributes[name] = [before, value];
    }
    return attributes;
  }

  /** Where it stands in its topic: what to subscribe `from` to get what follows it. */
  get position() {
    return `${this.#origin.epoch}-${hex(this.#high, this.#low)}`;
  }

  /** When it was published: milliseconds since 1970, with a fraction. */
  get publishedAt() {
    return this.#micros / 1000;
  }

  toString() {
    return `Event(${this.topic}, ${this.position})`;
  }

  /** What console.log shows. */
  [Symbol.for('nodejs.util.inspect.custom')]() {
    const { topic, position, key, attributes, byteLength } = this;
    return { event: topic, position, key, attributes: { ...attributes }, byteLength };
  }
}

exports.Event = Event;
