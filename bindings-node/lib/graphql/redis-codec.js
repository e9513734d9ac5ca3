'use strict';

// Payloads on their way to Redis and back: JSON, unless the application has its own way. What cannot be read is
// delivered as it came.

const check = require('../check');
const { DistributaryError } = require('../errors');

const WHERE = 'new RedisPubSub(options)';

class Codec {
  #serializer;
  #deserializer;
  #reviver;

  /** @param {any} options */
  constructor({ serializer, deserializer, reviver }) {
    this.#serializer = check.ofType(serializer ?? undefined, WHERE, 'serializer', 'function');
    this.#deserializer = check.ofType(deserializer ?? undefined, WHERE, 'deserializer', 'function');
    this.#reviver = check.ofType(reviver ?? undefined, WHERE, 'reviver', 'function');
    if (this.#reviver && this.#deserializer) {
      throw new DistributaryError('ERR_BAD_OPTION', "Reviver and deserializer can't be used together");
    }
  }

  /** Whether messages mean what they say: filters may read them as they come. */
  get isPlain() {
    return this.#deserializer === undefined && this.#reviver === undefined;
  }

  /**
   * @param {any} payload
   * @returns {string | Buffer}
   */
  encoded(payload) {
    if (this.#serializer !== undefined) return this.#serializer(payload);
    return Buffer.isBuffer(payload) ? payload : JSON.stringify(payload);
  }

  /**
   * @param {any} message
   * @param {string | undefined} pattern
   * @param {string} channel
   */
  decoded(message, pattern, channel) {
    try {
      if (this.#deserializer !== undefined) return this.#deserializer(Buffer.from(message), { pattern, channel });
      return typeof message === 'string' ? JSON.parse(message, this.#reviver) : message;
    } catch {
      return message;
    }
  }
}

exports.Codec = Codec;
