'use strict';

// `hub.pipe`: events of a selector go to a socket, and the application's code does not see them pass.
//
// A pipe is a tap (lib/pipe/tap.js) between this loop's lane and the socket's outlet (lib/pipe/outlet.js). The lane calls
// all taps in slices, so that the loop hears of closed sockets while a large event is going out. What is here reads the
// options and is the handle.

const check = require('./check');
const { DistributaryError, described, typeError } = require('./errors');
const { laneOf } = require('./lane');
const { framerOf } = require('./pipe/frame');
const { Outlet, GONE } = require('./pipe/outlet');
const { Counters, Tap } = require('./pipe/tap');
const { WebSocketOutlet, isConnecting, isWebSocket } = require('./pipe/websocket');
const { WritableOutlet, isWritable } = require('./pipe/writable');
const { parseSelector } = require('./selector');

/** @typedef {import('./hub').Hub} Hub */
/** @typedef {import('./pipe/tap').Ended} Ended */

const WHERE = 'hub.pipe(selector, socket, options)';
const OPTIONS = ['frame', 'binary', 'compress', 'highWater', 'slow', 'onDrop', 'onLag', 'onEnd', 'signal'];
const SLOW = /** @type {const} */ (['pause', 'drop', 'close']);
const HIGH_WATER = 1024 * 1024;

/** @type {WeakMap<Hub, Counters>} */
const counters = new WeakMap();

/** A selector's events on their way to a socket. */
class Pipe {
  #tap;
  #socket;
  /** @type {Promise<Ended> | null} */
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
    return this.#tap.ended ? 0 : this.#membership.lag;
  }

  get closed() {
    return this.#tap.ended;
  }

  get ended() {
    return (this.#ended ??= new Promise((resolve) => this.#tap.after(resolve)));
  }

  /** @param {string[]} topics */
  add(...topics) {
    this.#open().addTopics(topics);
    return this;
  }

  /** @param {string[]} topics */
  remove(...topics) {
    this.#open().removeTopics(topics);
    return this;
  }

  close() {
    this.#tap.end('closed');
  }

  get #membership() {
    return /** @type {import('./lane').Membership} */ (this.#tap.membership);
  }

  #open() {
    const { ended } = this.#tap;
    if (ended) throw new DistributaryError('ERR_CLOSED', `the pipe has ended (${ended.reason}): make another`);
    return this.#membership;
  }
}

// Not in every Node that this package runs on.
if (Symbol.dispose) Object.defineProperty(Pipe.prototype, Symbol.dispose, { value: Pipe.prototype.close });

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
  const signal = signalOf(given.signal);
  const tap = new Tap(outlet, settings(given, outlet), countersOf(hub));
  // The client may have gone while the application was looking it up: that is no mistake.
  if (outlet.queued === GONE) tap.end('socket-closed');
  else if (signal?.aborted) tap.end('aborted');
  else tap.begin(laneOf(hub).attach(parsed, tap, Infinity));
  if (signal && !tap.ended) endAtAbort(tap, signal);
  return new Pipe(tap, outlet.socket);
}

/**
 * @param {Record<string, any>} given
 * @param {Outlet} outlet
 */
function settings(given, outlet) {
  const { frame, binary, compress } = given;
  check.ofType(frame, WHERE, 'frame', 'function');
  for (const name of ['binary', 'compress']) {
    check.ofType(given[name], WHERE, name, 'boolean');
    if (given[name] !== undefined && outlet instanceof WritableOutlet) {
      throw typeError('ERR_BAD_OPTION', `${WHERE}: ${name} is for WebSockets, and this is a stream: leave it out`);
    }
  }
  for (const name of ['onDrop', 'onLag', 'onEnd']) check.ofType(given[name], WHERE, name, 'function');
  return {
    framer: framerOf(frame, outlet instanceof WritableOutlet ? 'stream' : binary ? 'binary' : 'text'),
    highWater: check.whole(given.highWater, WHERE, 'highWater') ?? HIGH_WATER,
    slow: check.oneOf(given.slow, WHERE, 'slow', SLOW) ?? 'pause',
    compress: compress ?? false,
    onDrop: given.onDrop,
    onLag: given.onLag,
    onEnd: given.onEnd,
  };
}

/**
 * @param {any} socket
 * @returns {Outlet}
 */
function outletOf(socket) {
  if (socket !== null && typeof socket === 'object') {
    const outlet = Outlet.of(socket);
    if (outlet) return outlet;
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

/**
 * @param {unknown} signal
 * @returns {AbortSignal | undefined}
 */
function signalOf(signal) {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw typeError('ERR_BAD_OPTION', `${WHERE}: signal is an AbortSignal, not ${described(signal)}`);
}

/**
 * @param {Tap} tap
 * @param {AbortSignal} signal
 */
function endAtAbort(tap, signal) {
  const abort = () => tap.end('aborted');
  signal.addEventListener('abort', abort, { once: true });
  tap.after(() => signal.removeEventListener('abort', abort));
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
  return { ...countersOf(hub) };
}

module.exports = { Pipe, pipe, pipeStats };
