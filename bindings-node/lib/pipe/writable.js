'use strict';

// A stream as a socket of pipes: a server's response, a connection over TCP or TLS, any Writable of bytes.
//
// A frame is one write. What the stream does with it (the chunks of HTTP, the records of TLS) is its own business.

const { Outlet, GONE, refused } = require('./outlet');

/** @typedef {import('node:stream').Writable} Writable */

/** @extends {Outlet<Writable>} */
class WritableOutlet extends Outlet {
  /** @param {Writable} stream */
  constructor(stream) {
    super(stream, stream);
  }

  /** @override */
  get queued() {
    const stream = this.socket;
    return stream.destroyed || stream.writableEnded ? GONE : stream.writableLength;
  }

  /** @param {import('./frame').Frame} frame @override */
  write(frame) {
    const stream = this.socket;
    return stream.write(frame.body) || !refused(stream);
  }

  /** @override */
  shut() {
    this.socket.destroy();
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
    typeof value.cork === 'function' &&
    typeof value.uncork === 'function' &&
    typeof value.writableLength === 'number'
  );
}

exports.WritableOutlet = WritableOutlet;
exports.isWritable = isWritable;
