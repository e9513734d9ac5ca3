'use strict';

// What stands between the lane and a socket: takes events from the one, one at a time, and writes their frames to the other.
//
// Invariants:
// - The socket is asked before each write how it is. One that is closed is left, not written to.
// - Above `highWater` nothing is written. With 'pause' one event is held here, and the lane asked for no more: the rest
//   stays in the engine, under the subscription's policy and budget, and costs this socket a cursor.
// - It ends once, and is then neither in the lane nor at the outlet. Whatever goes wrong here ends this tap and no other.

const { Unframed } = require('./frame');
const { GONE, BUSY } = require('./outlet');

/** @typedef {import('../event').Event} Event */
/** @typedef {import('../member').Membership} Membership */
/** @typedef {import('./outlet').Outlet} Outlet */
/** @typedef {import('./frame').Framer} Framer */
/** @typedef {'pause' | 'drop' | 'close'} Slow */
/** @typedef {import('../../pipe').PipeClosed} Closed */
/**
 * @typedef {object} Settings
 * @property {Framer} framer
 * @property {number} highWater
 * @property {Slow} slow
 * @property {boolean} compress
 * @property {((event: Event, drop: { reason: 'slow' | 'frame', error?: Error }) => void) | undefined} onDrop
 * @property {((missed: number) => void) | undefined} onLag
 * @property {((closed: Closed) => void) | undefined} onClose
 */

/** What the pipes of one hub and loop have done together. */
class Counters {
  pipes = 0;
  paused = 0;
  sent = 0;
  bytes = 0;
  dropped = 0;
  missed = 0;
  tooSlow = 0;
  writesToClosed = 0;
  #warned = false;

  /**
   * Events are lost to a client, and nobody asked to be told: says so, once for all.
   *
   * @param {number} missed
   */
  warn(missed) {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(
      `${missed} events are lost to a slow client of hub.pipe, and it may not be the only one: have it told with onLag, ` +
        'or take a larger budget, or close slow clients',
      { type: 'DistributaryWarning', code: 'ERR_LAGGED' },
    );
  }
}

class Tap {
  /** @type {Membership | null} */
  membership = null;
  /** @type {Closed | null} */
  ended = null;
  sent = 0;
  bytes = 0;
  dropped = 0;
  missed = 0;
  /** The first event that there was no room for. @type {Event | null} */
  #held = null;
  /** @type {((closed: Closed) => void)[] | null} */
  #after = null;
  #outlet;
  #counters;
  #framer;
  #highWater;
  #slow;
  #compress;
  #onDrop;
  #onLag;
  #onClose;

  /**
   * @param {Outlet} outlet
   * @param {Settings} settings
   * @param {Counters} counters
   */
  constructor(outlet, settings, counters) {
    this.#outlet = outlet;
    this.#counters = counters;
    this.#framer = settings.framer;
    this.#highWater = settings.highWater;
    this.#slow = settings.slow;
    this.#compress = settings.compress;
    this.#onDrop = settings.onDrop;
    this.#onLag = settings.onLag;
    this.#onClose = settings.onClose;
  }

  // What the lane calls.

  /**
   * @param {Event} event
   * @returns {boolean} whether more may come
   */
  deliver(event) {
    const frame = this.#framer.of(event);
    if (frame === null) return true;
    if (frame instanceof Unframed) return this.#drop(event, frame.error);
    // From here on no code of the application's runs, so that what is seen of the socket stays true.
    if (this.ended !== null) return false;
    const outlet = this.#outlet;
    const { queued } = outlet;
    if (queued < 0 || queued > this.#highWater) return this.#blocked(event, queued);
    const counters = this.#counters;
    try {
      if (!outlet.write(frame, this.#compress)) {
        counters.writesToClosed++;
        outlet.gone();
        return false;
      }
    } catch (error) {
      outlet.gone(asError(error));
      return false;
    }
    const { length } = frame.body;
    this.sent++;
    this.bytes += length;
    counters.sent++;
    counters.bytes += length;
    return true;
  }

  /** @param {number} missed */
  lagged(missed) {
    this.missed += missed;
    this.#counters.missed += missed;
    if (this.#onLag) call(this.#onLag, missed);
    else this.#counters.warn(missed);
  }

  /** @param {'hub-closed' | 'slow-consumer' | 'failed'} reason */
  closed(reason) {
    if (reason === 'slow-consumer') this.#shut();
    else this.end(reason);
  }

  /** @param {(event: Event) => boolean} wanted */
  sift(wanted) {
    if (this.#held === null || wanted(this.#held)) return;
    this.#release();
    this.membership?.resume();
  }

  // What the outlet calls.

  flow() {
    const event = this.#held;
    if (event === null) return;
    this.#release();
    if (this.deliver(event)) this.membership?.resume();
  }

  /** @param {Error} [error] */
  gone(error) {
    if (error) this.end('failed', error);
    else this.end('socket-closed');
  }

  // What the handle calls.

  /** @param {Membership} membership what this consumer was given by the lane */
  begin(membership) {
    this.membership = membership;
    this.#counters.pipes++;
    this.#outlet.add(this);
  }

  /** @param {(ended: Closed) => void} then called at the end, or at once if that has been */
  after(then) {
    if (this.ended) then(this.ended);
    else (this.#after ??= []).push(then);
  }

  /**
   * @param {Closed['reason']} reason
   * @param {Error} [error]
   */
  end(reason, error) {
    if (this.ended) return;
    this.ended = Object.freeze(error ? { reason, error } : { reason });
    if (this.membership) {
      this.membership.leave();
      this.#outlet.remove(this);
      this.#counters.pipes--;
    }
    if (this.#held !== null) this.#release();
    for (const then of this.#after ?? []) then(this.ended);
    if (this.#onClose) queueMicrotask(this.#onClose.bind(null, this.ended));
  }

  /**
   * The socket is gone, or takes nothing now.
   *
   * @param {Event} event
   * @param {number} queued
   */
  #blocked(event, queued) {
    if (queued === GONE) {
      this.#outlet.gone();
      return false;
    }
    if (queued === BUSY || this.#slow === 'pause') {
      this.#held = event;
      this.#counters.paused++;
      this.#outlet.wait();
      return false;
    }
    if (this.#slow === 'drop') return this.#drop(event);
    this.#shut();
    return false;
  }

  #release() {
    this.#held = null;
    this.#counters.paused--;
  }

  /**
   * @param {Event} event
   * @param {Error} [error] why it has no frame; without one the socket is too slow
   */
  #drop(event, error) {
    this.dropped++;
    this.#counters.dropped++;
    if (this.#onDrop) call(this.#onDrop, event, error ? { reason: 'frame', error } : { reason: 'slow' });
    else if (error) this.#framer.warn(error);
    return true;
  }

  #shut() {
    this.#counters.tooSlow++;
    this.end('slow-consumer');
    this.#outlet.shut();
  }
}

/**
 * Calls what the user gave. What it throws is the process' to handle, as from any listener: not the lane's, which has
 * others to serve.
 *
 * @template {unknown[]} A
 * @param {(...args: A) => void} listener
 * @param {A} args
 */
function call(listener, ...args) {
  try {
    listener(...args);
  } catch (error) {
    process.nextTick(rethrow, error);
  }
}

/** @param {unknown} error */
function rethrow(error) {
  throw error;
}

/**
 * @param {unknown} error
 * @returns {Error}
 */
function asError(error) {
  return error instanceof Error ? error : new Error(String(error), { cause: error });
}

module.exports = { Tap, Counters };
