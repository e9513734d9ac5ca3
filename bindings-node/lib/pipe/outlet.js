'use strict';

// A socket that pipes end in: what is common to WebSockets and streams.
//
// A socket has one outlet however many pipes it has, and one listener of each kind, which are the same functions for all
// sockets. The outlet is asked before each write: nothing is written to a socket that is closed, is being closed or has
// ended, whether or not the events that say so have come through yet.

const { asError } = require('../errors');

/** @typedef {import('node:events').EventEmitter} EventEmitter */
/** @typedef {import('node:stream').Writable} Writable */
/** @typedef {import('./frame').Frame} Frame */
/** @typedef {import('./frame').Kind} Kind */
/**
 * A pipe, as its outlet sees it.
 *
 * @typedef {object} Tap
 * @property {() => void} flow the socket may have room again
 * @property {(error?: Error) => void} gone the socket is closed, or this broke it
 */

/** What `queued` says of a socket that is closed, or is being closed. */
const GONE = -1;
/** What `queued` says of a socket that can take no message just now, whatever room it has. */
const BUSY = -2;

/** Milliseconds until a socket is asked again that has no event to say that it has room. */
const ASK_AGAIN = 20;

const kOutlet = Symbol('distributary.outlet');
const kDraining = Symbol('distributary.draining');

/**
 * @abstract
 * @template {EventEmitter} S
 */
class Outlet {
  /** What tells of its end. @type {S & { [kOutlet]?: Outlet<any> }} @readonly */
  socket;
  /** What is written to in the end, where that is known. @type {Writable & { [kDraining]?: Outlet<any> } | null} @readonly */
  stream;
  /** The lane's turn in which it was written to last. */
  turn = -1;
  #gathering = false;
  /** @type {Tap[]} */
  #taps = [];
  #waiting = false;
  /** Whether the socket's errors come here. */
  #guarding = false;

  /**
   * @param {S} socket
   * @param {Writable | null} stream
   */
  constructor(socket, stream) {
    this.socket = socket;
    this.stream = stream;
    this.socket[kOutlet] = this;
  }

  /**
   * The outlet that a socket has already.
   *
   * @param {any} socket
   * @returns {Outlet<any> | undefined}
   */
  static of(socket) {
    return socket[kOutlet];
  }

  /**
   * How many bytes wait to be sent, or GONE, or BUSY.
   *
   * @returns {number}
   */
  get queued() {
    throw new Error('abstract');
  }

  /**
   * Sends a frame, where `queued` says that this can be done.
   *
   * @param {Frame} _frame
   * @param {boolean} _compress whether it may be compressed, where that was agreed on
   * @returns {boolean} false: the socket was closed, against what `queued` said
   */
  write(_frame, _compress) {
    throw new Error('abstract');
  }

  /**
   * Closes the socket: its client is too slow, or has to load its state anew.
   * @param {string} _words which of these, for its client, where it can be told
   */
  shut(_words) {
    throw new Error('abstract');
  }

  /** @param {Tap} tap */
  add(tap) {
    if (this.#taps.push(tap) > 1) return;
    this.socket.on('close', onClose);
    if (!this.#guarding) this.socket.on('error', onError);
    this.#guarding = true;
  }

  /** @param {Tap} tap */
  remove(tap) {
    const taps = this.#taps;
    const at = taps.indexOf(tap);
    if (at < 0) return;
    taps[at] = taps[taps.length - 1];
    taps.pop();
    if (taps.length > 0) return;
    this.socket.off('close', onClose);
    this.stream?.off('drain', onDrain);
    this.#waiting = false;
    // What was written may still fail, with nobody else to hear it, and that would end the process.
    if (this.queued === 0) {
      this.socket.off('error', onError);
      this.#guarding = false;
    }
  }

  /**
   * There are several events for this socket: has the system called once for all that come in this stride of the lane.
   *
   * @param {import('../lane').Lane} lane
   */
  gather(lane) {
    if (this.#gathering || !this.stream) return;
    this.#gathering = true;
    this.stream.cork();
    lane.later(this);
  }

  /** The stride is over. */
  flush() {
    this.#gathering = false;
    try {
      this.stream?.uncork();
    } catch (error) {
      this.gone(asError(error));
    }
  }

  /** Calls `flow` of all taps once there may be room again. */
  wait() {
    if (this.#waiting) return;
    this.#waiting = true;
    // A stream drains when it has refused more, and only then.
    if (this.stream?.writableNeedDrain) {
      this.stream[kDraining] = this;
      this.stream.once('drain', onDrain);
    } else {
      setTimeout(flow, ASK_AGAIN, this).unref();
    }
  }

  flow() {
    this.#waiting = false;
    for (const tap of [...this.#taps]) tap.flow();
  }

  /** @param {Error} [error] */
  gone(error) {
    for (const tap of [...this.#taps]) tap.gone(error);
  }
}

/** @param {Outlet<any>} outlet */
function flow(outlet) {
  outlet.flow();
}

/** @this {{ [kDraining]?: Outlet<any> }} */
function onDrain() {
  this[kDraining]?.flow();
}

/** @this {{ [kOutlet]?: Outlet<any> }} */
function onClose() {
  this[kOutlet]?.gone();
}

/**
 * @this {{ [kOutlet]?: Outlet<any> }}
 * @param {Error} error
 */
function onError(error) {
  this[kOutlet]?.gone(error);
}

/**
 * Whether a stream that did not want more had been closed before that, and by no error that the write brought out.
 *
 * @param {Writable} stream
 */
function refused(stream) {
  return stream.writableEnded || (stream.destroyed && !stream.errored);
}

exports.Outlet = Outlet;
exports.GONE = GONE;
exports.BUSY = BUSY;
exports.refused = refused;
