'use strict';

// What publish returns. Positions are made when asked for: most publishers only count.

const { hex } = require('./hex');

/** What became of a published event. */
class Delivery {
  /** Subscriptions that it reached. @readonly */
  subscriptions;
  /** Distinct selectors that admitted it. @readonly */
  feeds;
  /** The share of all live subscriptions that is, from 0 to 1. @readonly */
  share;
  /** Halves of epoch and offset, the high one first. @type {number[] | null} */
  #position;

  /** @param {Float64Array} written by the native half (src/hub.rs) */
  constructor(written) {
    this.subscriptions = written[0];
    this.feeds = written[1];
    this.share = written[2];
    this.#position = written[4] === 0 ? null : [written[5], written[6], written[7], written[8]];
  }

  /** Its position in its topic, or null: nobody asked for it and the topic keeps no history, so there is no event. */
  get position() {
    if (this.#position === null) return null;
    const [epochHigh, epochLow, high, low] = this.#position;
    return `${hex(epochHigh, epochLow)}-${hex(high, low)}`;
  }
}

exports.Delivery = Delivery;
