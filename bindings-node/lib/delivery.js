'use strict';

// What publish returns. Positions are made when asked for: most publishers only count.

const { hex } = require('./hex');

/** How the part of it that concerns other machines is called; `kind_place` in src/waits.rs has the same order. */
const FORWARDING = /** @type {const} */ ([
  'none',
  'queued',
  'full',
  'expired',
  'unconfirmed',
  'rejected',
  'not-kept',
  'not-replicated',
  'unsupported',
  'closed',
  'unknown',
]);

/** What became of a published event. */
class Delivery {
  /** Subscriptions that it reached. @readonly */
  subscriptions;
  /** Distinct selectors that admitted it. @readonly */
  feeds;
  /** The share of all live subscriptions that is, from 0 to 1. @readonly */
  share;
  /** What became of the part that concerns other machines. @readonly */
  forwarding;
  /** Halves of epoch and offset, the high one first. @type {number[] | null} */
  #position;

  /** @param {Float64Array} written by the native half (src/hub.rs) */
  constructor(written) {
    this.subscriptions = written[0];
    this.feeds = written[1];
    this.share = written[2];
    this.forwarding = FORWARDING[written[9]];
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
