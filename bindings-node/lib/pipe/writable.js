'use strict';

// A stream as a socket of pipes: a server's response, a connection over TCP or TLS, any Writable of bytes.
//
// A frame is one write. What the stream does with it (the chunks of HTTP, the records of TLS) is its own business.

const { Outlet, GONE, ended, refused } = require('./outlet');

/** @typedef {import('node:stream').Writable} Writable */

class WritableOutlet extends Outlet {
  #stream;

  /** @param {Writable} stream */
  constructor(stream) {
    super(stream, stream);
    this.#stream = stream;
  }

  get queued() {
    const stream = this.#stream;
    return ended(stream) ? GONE : stream.writableLength;
  }

  /** @param {import('./frame').Frame} frame */
  write(frame) {
    const stream = this.#stream;
    return stream.write(frame.body) || !refused(stream);
  }

  shut() {
    this.#stream.destroy();
  }
}

/**
 * @param {any} value
 * @returns {value is Writable}
 */
function isWritable(value) {
  return (
    typeof value.write === 'function' &&
    typeof value.on === 'function' &&
    typeof value.destroy === 'function' &&
    typeof value.writableLength === 'number'
  );
}

module.exports = { WritableOutlet, isWritable };
