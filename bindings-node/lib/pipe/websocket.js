'use strict';

// A WebSocket of the package `ws` as a socket of pipes.
//
// `ws.send` frames a message anew for each socket, and writes header and payload apart. Here the message is made once,
// header and all, and written to the connection below. Then `ws` does not know of it, and it must not have to:
//
// - the socket is a server's, as a client masks each message by a key of its own;
// - it is open, and its connection has not ended;
// - its sender holds nothing back (a message that is being compressed, and what waits behind it), as we would overtake;
// - no message in fragments is under way: its parts would enclose ours.
//
// A message without compression is allowed where compression was agreed on, and leaves the compressor's state alone.
// `ws` counts what waits below in its own `bufferedAmount`, so that stays true.
//
// The sender's state is private to `ws`. It is looked for once per socket, by type; where it is not as it was in
// 8.0 to 8.23, where a subclass has a `send` of its own, and while the sender is at work, frames go through `ws.send`.

const { Outlet, GONE, BUSY, refused } = require('./outlet');
const { isWritable } = require('./writable');

/** @typedef {import('node:stream').Writable} Writable */
/**
 * @typedef {import('node:events').EventEmitter & {
 *   readyState: number,
 *   bufferedAmount: number,
 *   send: (data: Buffer, options: object) => void,
 *   close: (code: number, reason: string) => void,
 * }} WebSocket
 */
/**
 * What is read of a sender: `_state` since 8.18, `_deflating` before.
 *
 * @typedef {{ _firstFragment: boolean, _state?: number, _deflating?: boolean }} Sender
 */

const CONNECTING = 0;
const OPEN = 1;

/** A code of RFC 6455's registry: try again later. */
const TRY_AGAIN_LATER = 1013;

/** @extends {Outlet<WebSocket>} */
class WebSocketOutlet extends Outlet {
  /** @type {Sender | null} */
  #sender;
  /** Whether messages may go to the connection below, while the sender is idle. */
  #direct;

  /** @param {WebSocket} ws */
  constructor(ws) {
    const below = belowOf(ws);
    super(ws, below);
    this.#sender = below && senderOf(ws);
    this.#direct = this.#sender !== null && isServerSide(ws) && sendIsOriginal(ws);
  }

  /** @override */
  get queued() {
    const ws = this.socket;
    const below = this.stream;
    // Most of what is asked here is asked for each write, of sockets that are not in the processor's cache: so `writable`,
    // which says at once that it has neither ended nor been destroyed.
    if (ws.readyState !== OPEN || (below !== null && !below.writable)) return GONE;
    const sender = this.#sender;
    if (sender !== null && !sender._firstFragment) return BUSY;
    return ws.bufferedAmount;
  }

  /**
   * @param {import('./frame').Frame} frame
   * @param {boolean} compress
   * @override
   */
  write(frame, compress) {
    if (this.#direct && !compress) {
      const below = /** @type {Writable} */ (this.stream);
      if (idle(/** @type {Sender} */ (this.#sender))) return below.write(frame.wire) || !refused(below);
    }
    this.socket.send(frame.body, { binary: frame.kind === 'binary', compress });
    return true;
  }

  /** @param {string} words @override */
  shut(words) {
    this.socket.close(TRY_AGAIN_LATER, words);
  }
}

/** @param {Sender} sender */
function idle(sender) {
  return sender._state === 0 || sender._deflating === false;
}

/**
 * The connection that a WebSocket writes to.
 *
 * @param {any} ws
 * @returns {Writable | null}
 */
function belowOf(ws) {
  return ws._socket && isWritable(ws._socket) ? ws._socket : null;
}

/**
 * Its sender, if that has the state that is looked at here.
 *
 * @param {any} ws
 * @returns {Sender | null}
 */
function senderOf(ws) {
  const sender = ws._sender;
  return sender &&
    sender._socket === ws._socket &&
    typeof sender._firstFragment === 'boolean' &&
    typeof sender._bufferedBytes === 'number' &&
    Array.isArray(sender._queue) &&
    (typeof sender._state === 'number' || typeof sender._deflating === 'boolean')
    ? sender
    : null;
}

/** @param {any} ws */
function isServerSide(ws) {
  return ws._isServer === true;
}

/**
 * Whether `send` is the package's own: it is where a method is that only `ws` has.
 *
 * @param {any} ws
 */
function sendIsOriginal(ws) {
  for (let at = ws; at !== null; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, 'send')) return Object.hasOwn(at, 'setSocket');
  }
  return false;
}

/**
 * @param {any} value
 * @returns {value is WebSocket}
 */
function isWebSocket(value) {
  return (
    typeof value.send === 'function' &&
    typeof value.close === 'function' &&
    typeof value.on === 'function' &&
    typeof value.readyState === 'number' &&
    typeof value.bufferedAmount === 'number'
  );
}

/** @param {WebSocket} ws */
function isConnecting(ws) {
  return ws.readyState === CONNECTING;
}

exports.WebSocketOutlet = WebSocketOutlet;
exports.isWebSocket = isWebSocket;
exports.isConnecting = isConnecting;
