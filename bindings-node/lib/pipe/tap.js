'use strict';

// What stands between the lane and a socket: takes events from the one, one at a time, and writes their frames to the other.
//
// Invariants:
// - The socket is asked before each write how it is. One that is closed is left, not written to.
// - Above `highWater` nothing is written. With 'pause' one event is held here, and the lane asked for no more: the rest
//   stays in the engine, under the subscription's policy and budget, and costs this socket a cursor.
// - It ends once, and is then neither in the lane nor at the outlet. Whatever goes wrong here ends this tap and no other.

const { asError, rethrow } = require('../errors');
const { Pausable } = require('../member');
const { Unframed } = require('./frame');
const { GONE, BUSY } = require('./outlet');

/** @typedef {import('../event').Event} Event */
/** @typedef {import('./frame').Framer} Framer */
/** @typedef {'pause' | 'drop' | 'close'} Slow */
/** @typedef {import('../../pipe').PipeClosed} Closed */
/**
 * What a tap calls, and when it is called no more.
 *
 * @typedef {object} Listeners
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
  /** @type {Way | undefined} */
  #way;
  #warned = false;

  /**
   * The same way as before, if it is that: most pipes of an application are of one kind.
   *
   * @param {Framer} framer
   * @param {number} highWater
   * @param {Slow} slow
   * @param {boolean} compress
   */
  way(framer, highWater, slow, compress) {
    const way = new Way(this, framer, highWater, slow, compress);
    return this.#way?.equals(way) ? this.#way : (this.#way = way);
  }

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

/** How events are sent: the same object for all taps that send them in the same way. */
class Way {
  /**
   * @param {Counters} counters
   * @param {Framer} framer
   * @param {number} highWater
   * @param {Slow} slow
   * @param {boolean} compress
   */
  constructor(counters, framer, highWater, slow, compress) {
    this.counters = counters;
    this.framer = framer;
    this.highWater = highWater;
    this.slow = slow;
    this.compress = compress;
  }

  /** @param {Way} other */
  equals(other) {
    return (
      this.framer === other.framer &&
      this.highWater === other.highWater &&
      this.slow === other.slow &&
      this.compress === other.compress
    );
  }
}

/** One pipe's place in the lane. */
class Tap extends Pausable {
  // What a delivery reads and writes comes first: thousands of taps are served in turn, and each comes from memory.
  #way;
  #outlet;
  /** @type {Closed | null} */
  ended = null;
  sent = 0;
  bytes = 0;

  dropped = 0;
  missed = 0;
  /** The first event that there was no room for. @type {Event | null} */
  #held = null;
  #listeners;
  #begun = false;
  /** @type {((closed: Closed) => void)[] | null} */
  #after = null;

  /**
   * @param {import('../lane').Lane} lane
   * @param {import('./outlet').Outlet<any>} outlet
   * @param {Way} way
   * @param {Listeners} listeners
   */
  constructor(lane, outlet, way, listeners) {
    super(lane);
    this.#way = way;
    this.#outlet = outlet;
    this.#listeners = listeners;
  }

  // What the lane calls.

  /**
   * @param {Event} event
   * @returns {boolean} whether more may come
   * @override
   */
  take(event) {
    const outlet = this.#outlet;
    const { lane } = this;
    if (outlet.turn === lane.turn) outlet.gather(lane);
    outlet.turn = lane.turn;
    return this.#send(event);
  }

  /** @param {Event} event */
  #send(event) {
    const way = this.#way;
    const frame = way.framer.of(event);
    if (frame === null) return true;
    if (frame instanceof Unframed) return this.#drop(event, frame.error);
    // From here on no code of the application's runs, so that what is seen of the socket stays true.
    if (this.ended !== null) return false;
    const outlet = this.#outlet;
    const { queued } = outlet;
    if (queued < 0 || queued > way.highWater) return this.#blocked(event, queued);
    const { counters } = way;
    try {
      if (!outlet.write(frame, way.compress)) {
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

  /** @param {number} missed @override */
  miss(missed) {
    this.missed += missed;
    const { counters } = this.#way;
    counters.missed += missed;
    const { onLag } = this.#listeners;
    if (onLag) call(onLag, missed);
    else counters.warn(missed);
  }

  /** @param {'hub-closed' | 'slow-consumer' | 'failed' | 'lost'} reason @override */
  closed(reason) {
    super.closed(reason);
    if (reason === 'slow-consumer') this.#shut();
    else this.end(reason);
    if (reason === 'lost') this.#outlet.shut('events were missed');
  }

  /** @param {(event: Event) => boolean} wanted @override */
  sift(wanted) {
    super.sift(wanted);
    if (this.#held === null || wanted(this.#held)) return;
    this.#release();
    this.resume();
  }

  // What the outlet calls.

  flow() {
    const event = this.#held;
    if (event === null) return;
    this.#release();
    if (this.#send(event)) this.resume();
  }

  /** @param {Error} [error] */
  gone(error) {
    if (error) this.end('failed', error);
    else this.end('socket-closed');
  }

  // What the handle calls.

  /** @param {import('../selector').ParsedSelector} selector */
  begin(selector) {
    this.lane.enter(selector, this, Infinity);
    this.lane.pin(this, true);
    this.#begun = true;
    this.#way.counters.pipes++;
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
    if (this.#begun) {
      this.leave();
      this.#outlet.remove(this);
      this.#way.counters.pipes--;
    }
    if (this.#held !== null) this.#release();
    for (const then of this.#after ?? []) then(this.ended);
    const { onClose } = this.#listeners;
    if (onClose) queueMicrotask(onClose.bind(null, this.ended));
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
    const { slow, counters } = this.#way;
    if (queued === BUSY || slow === 'pause') {
      this.#held = event;
      counters.paused++;
      this.#outlet.wait();
      return false;
    }
    if (slow === 'drop') return this.#drop(event);
    this.#shut();
    return false;
  }

  #release() {
    this.#held = null;
    this.#way.counters.paused--;
  }

  /**
   * @param {Event} event
   * @param {Error} [error] why it has no frame; without one the socket is too slow
   */
  #drop(event, error) {
    this.dropped++;
    const { counters, framer } = this.#way;
    counters.dropped++;
    const { onDrop } = this.#listeners;
    if (onDrop) call(onDrop, event, error ? { reason: 'frame', error } : { reason: 'slow' });
    else if (error) framer.warn(error);
    return true;
  }

  #shut() {
    this.#way.counters.tooSlow++;
    this.end('slow-consumer');
    this.#outlet.shut('too slow');
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
    rethrow(error);
  }
}

exports.Counters = Counters;
exports.Tap = Tap;
