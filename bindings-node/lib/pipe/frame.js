'use strict';

// What goes out to sockets: made once per event and frame function, shared by all sockets of the loop.
//
// A frame is the bytes that the frame function gave. For WebSockets it is the same bytes behind the header of a server's
// message as well: neither masked nor compressed, so that all clients can be sent the same. Frames are kept for as long
// as their event is. Nobody writes to a frame once it is made.

const { isUtf8 } = require('node:buffer');
const { types } = require('node:util');
const { asError, described, detailOf, DistributaryError, messageOf } = require('../errors');

/** @typedef {import('../event').Event} Event */
/** @typedef {(event: Event) => Uint8Array | string | null | undefined} FrameFunction */
/** @typedef {'stream' | 'text' | 'binary'} Kind bytes for a stream, or a WebSocket's message of one of two types */

/** The first byte of a message's only frame, by kind. */
const FIRST = { stream: 0, text: 0x81, binary: 0x82 };

/** One event's bytes. */
class Frame {
  /** @type {Buffer | null} */
  #wire;

  /**
   * @param {Buffer} body
   * @param {Kind} kind
   * @param {Buffer | null} wire
   */
  constructor(body, kind, wire) {
    this.body = body;
    this.kind = kind;
    this.#wire = wire;
  }

  /** The whole message, as it goes over a server's connection. */
  get wire() {
    return this.#wire ?? (this.#wire = message(this.body, this.kind));
  }
}

/** There is no frame of this event: why, once for all sockets. */
class Unframed {
  /** @param {Error} error */
  constructor(error) {
    this.error = error;
  }
}

/** The frames of one function and kind. */
class Framer {
  /** @type {WeakMap<Event, Frame | Unframed | null>} */
  #frames = new WeakMap();
  #make;
  #kind;
  #warned = false;

  /**
   * @param {FrameFunction} make
   * @param {Kind} kind
   */
  constructor(make, kind) {
    this.#make = make;
    this.#kind = kind;
  }

  /**
   * The frame of an event; null where the function gave nothing. Never throws.
   *
   * @param {Event} event
   */
  of(event) {
    const frame = this.#frames.get(event);
    return frame === undefined ? this.#add(event) : frame;
  }

  /**
   * An event was left out and nobody asked to be told: says so, once.
   *
   * @param {Error} error
   */
  warn(error) {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(`hub.pipe left an event out: ${messageOf(error)} (the option onDrop is told of each)`, {
      type: 'DistributaryWarning',
      code: 'ERR_BAD_FRAME',
      detail: detailOf(error),
    });
  }

  /** @param {Event} event */
  #add(event) {
    let frame;
    try {
      frame = framed(this.#make(event), this.#kind);
    } catch (error) {
      frame = new Unframed(asError(error));
    }
    this.#frames.set(event, frame);
    return frame;
  }
}

/** @param {Event} event */
function payload(event) {
  return event.data;
}

/** @type {WeakMap<FrameFunction, Map<Kind, Framer>>} */
const framers = new WeakMap();

/**
 * The frames of a function and kind: the same for the same.
 *
 * @param {FrameFunction | undefined} make without one an event's frame is its payload
 * @param {Kind} kind
 */
function framerOf(make = payload, kind) {
  let kinds = framers.get(make);
  if (!kinds) framers.set(make, (kinds = new Map()));
  let framer = kinds.get(kind);
  if (!framer) kinds.set(kind, (framer = new Framer(make, kind)));
  return framer;
}

/**
 * @param {unknown} data
 * @param {Kind} kind
 */
function framed(data, kind) {
  if (data === null || data === undefined) return null;
  if (typeof data === 'string') return textFramed(data, kind);
  if (!types.isUint8Array(data)) {
    throw new DistributaryError(
      'ERR_BAD_FRAME',
      `a frame function returns bytes, a string or null for nothing, not ${described(data)}`,
    );
  }
  // A client closes its connection when a message says text and is not.
  if (kind === 'text' && !isUtf8(data)) {
    throw new DistributaryError('ERR_BAD_FRAME', 'the bytes of a text message are not UTF-8: set the option binary');
  }
  return new Frame(Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength), kind, null);
}

/**
 * Text is encoded where the header still finds room, so that one buffer serves both.
 *
 * @param {string} text
 * @param {Kind} kind
 */
function textFramed(text, kind) {
  if (kind === 'stream') return new Frame(Buffer.from(text), kind, null);
  const length = Buffer.byteLength(text);
  const start = headerLength(length);
  const wire = Buffer.allocUnsafe(start + length);
  writeHeader(wire, FIRST[kind], length);
  wire.write(text, start);
  return new Frame(wire.subarray(start), kind, wire);
}

/**
 * @param {Buffer} body
 * @param {Kind} kind
 */
function message(body, kind) {
  const start = headerLength(body.length);
  const wire = Buffer.allocUnsafe(start + body.length);
  writeHeader(wire, FIRST[kind], body.length);
  wire.set(body, start);
  return wire;
}

/** @param {number} length */
function headerLength(length) {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10;
}

/**
 * @param {Buffer} wire
 * @param {number} first
 * @param {number} length
 */
function writeHeader(wire, first, length) {
  wire[0] = first;
  if (length < 126) {
    wire[1] = length;
  } else if (length < 65_536) {
    wire[1] = 126;
    wire.writeUInt16BE(length, 2);
  } else {
    wire[1] = 127;
    wire.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    wire.writeUInt32BE(length >>> 0, 6);
  }
}

exports.Frame = Frame;
exports.Framer = Framer;
exports.Unframed = Unframed;
exports.framerOf = framerOf;
