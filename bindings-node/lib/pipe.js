'use strict';

// `hub.pipe`: events of a selector go to a socket, and the application's code does not see them pass.
//
// A pipe is a tap (lib/pipe/tap.js) between this loop's lane and the socket's outlet (lib/pipe/outlet.js). The lane calls
// all taps in slices, so that the loop hears of closed sockets while a large event is going out. What is here reads the
// options and is the handle.

const { onAbort } = require('./aborting');
const check = require('./check');
const { DistributaryError, described, typeError } = require('./errors');
const { laneOf } = require('./lane');
const { framerOf } = require('./pipe/frame');
const { Outlet, GONE } = require('./pipe/outlet');
const { Counters, Tap } = require('./pipe/tap');
const { WebSocketOutlet, isConnecting, isWebSocket } = require('./pipe/websocket');
const { WritableOutlet, isWritable } = require('./pipe/writable');
const { parseSelector } = require('./selector');
const { disposable } = require('./subscription');

/** @typedef {import('./hub').Hub} Hub */
/** @typedef {import('../pipe').PipeClosed} Closed */

const WHERE = 'hub.pipe(selector, socket, options)';
const OPTIONS = ['frame', 'binary', 'compress', 'highWater', 'slow', 'onDrop', 'onLag', 'onClose', 'signal'];
const SLOW = /** @type {const} */ (['pause', 'drop', 'close']);
const HIGH_WATER = 1024 * 1024;

/** @type {WeakMap<Hub, Counters>} */
const counters = new WeakMap();

/** A selector's events on their way to a socket. */
class Pipe {
  #tap;
  #socket;
  /** @type {Promise<Closed> | null} */
  #ended = null;

  /**
   * @param {Tap} tap
   * @param {object} socket
   */
  constructor(tap, socket) {
    this.#tap = tap;
    this.#socket = socket;
  }

  get socket() {
    return this.#socket;
  }

  get sent() {
    return this.#tap.sent;
  }

  get bytes() {
    return this.#tap.bytes;
  }

  get dropped() {
    return this.#tap.dropped;
  }

  get missed() {
    return this.#tap.missed;
  }

  get lag() {
    return this.#tap.lag;
  }

  get closed() {
    return this.#tap.ended;
  }

  get ended() {
    return (this.#ended ??= new Promise((resolve) => this.#tap.after(resolve)));
  }

  get topics() {
    return this.#tap.topics;
  }

  get patterns() {
    return this.#tap.patterns;
  }

  /** @param {import('../index').Names} names */
  add(names) {
    return this.#open().add(names, 'pipe.add(names)');
  }

  /** @param {import('../index').Names} names */
  remove(names) {
    return this.#open().remove(names, 'pipe.remove(names)');
  }

  close() {
    this.#tap.end('closed');
  }

  #open() {
    const { ended } = this.#tap;
    if (ended === null) return this.#tap;
    throw new DistributaryError('ERR_CLOSED', `the pipe is closed (${ended.reason}): make another`);
  }
}

disposable(Pipe, 'close');

/**
 * @param {Hub} hub
 * @param {unknown} selector
 * @param {unknown} socket
 * @param {unknown} [options]
 */
function pipe(hub, selector, socket, options) {
  const parsed = parseSelector(selector, options, WHERE, OPTIONS);
  const given = parsed.rest;
  const outlet = outletOf(socket);
  const { signal } = given;
  check.signal(signal, WHERE);
  signal?.throwIfAborted();
  const way = wayOf(given, outlet, countersOf(hub));
  const tap = new Tap(laneOf(hub), outlet, way, listenersOf(given));
  // The client may have gone while the application was looking it up: that is no mistake.
  if (outlet.queued === GONE) tap.end('socket-closed');
  else tap.begin(parsed);
  if (signal && !tap.ended) tap.after(onAbort(signal, () => tap.end('aborted')));
  return new Pipe(tap, outlet.socket);
}

/**
 * @param {Record<string, any>} given
 * @param {Outlet<any>} outlet
 * @param {Counters} counters
 */
function wayOf({ frame, binary, compress, highWater, slow }, outlet, counters) {
  check.ofType(frame, WHERE, 'frame', 'function');
  const isStream = outlet instanceof WritableOutlet;
  for (const [name, value] of Object.entries({ binary, compress })) {
    check.ofType(value, WHERE, name, 'boolean');
    if (isStream && value !== undefined) {
      throw typeError('ERR_BAD_OPTION', `${WHERE}: ${name} is for WebSockets, and this is a stream: leave it out`);
    }
  }
  return counters.way(
    framerOf(frame, isStream ? 'stream' : binary ? 'binary' : 'text'),
    check.whole(highWater, WHERE, 'highWater') ?? HIGH_WATER,
    check.oneOf(slow, WHERE, 'slow', SLOW) ?? 'pause',
    compress ?? false,
  );
}

/** @param {Record<string, any>} given */
function listenersOf({ onDrop, onLag, onClose }) {
  const listeners = { onDrop, onLag, onClose };
  for (const [name, value] of Object.entries(listeners)) check.ofType(value, WHERE, name, 'function');
  return listeners;
}

/**
 * @param {any} socket
 * @returns {Outlet<any>}
 */
function outletOf(socket) {
  if (socket !== null && typeof socket === 'object') {
    const outlet = Outlet.of(socket);
    if (outlet) return outlet;
    if (!Object.isExtensible(socket)) {
      throw typeError('ERR_BAD_SOCKET', `${WHERE}: the socket is frozen, and something has to be kept with it`);
    }
    if (isWebSocket(socket)) {
      if (!isConnecting(socket)) return new WebSocketOutlet(socket);
      throw typeError('ERR_BAD_SOCKET', `${WHERE}: the WebSocket is still connecting: pipe to it once it is open`);
    }
    if (isWritable(socket)) {
      if (!socket.writableObjectMode) return new WritableOutlet(socket);
      throw typeError('ERR_BAD_SOCKET', `${WHERE}: the stream is in object mode, and frames are bytes`);
    }
  }
  throw typeError('ERR_BAD_SOCKET', `${WHERE}: the socket is a WebSocket of 'ws' or a Writable, not ${described(socket)}`);
}

/** @param {Hub} hub */
function countersOf(hub) {
  let found = counters.get(hub);
  if (!found) counters.set(hub, (found = new Counters()));
  return found;
}

/**
 * What the pipes of a hub and this loop have done together.
 *
 * @param {Hub} hub
 */
function pipeStats(hub) {
  const { pipes, paused, sent, bytes, dropped, missed, tooSlow, writesToClosed } = countersOf(hub);
  return { pipes, paused, sent, bytes, dropped, missed, tooSlow, writesToClosed };
}

exports.Pipe = Pipe;
exports.pipe = pipe;
exports.pipeStats = pipeStats;
