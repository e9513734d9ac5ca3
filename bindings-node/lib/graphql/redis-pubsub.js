'use strict';

// The PubSub over Redis. Which channels a client is subscribed to is in redis-channels.js.
//
// A message is delivered within the client's `emit`. As it comes it is bytes or text, and the filters of who is
// subscribed are asked in that form: it is parsed once, and only if somebody wants it.

const check = require('../check');
const { AUDIENCE, JoinedEngine, MEMBERS } = require('./joined-engine');
const { NAMES } = require('./limits');
const { Message } = require('./message');
const { Channels } = require('./redis-channels');
const { clientsOf } = require('./redis-clients');
const { Codec } = require('./redis-codec');
const { SELF } = require('./self');

const CALL = 'new RedisPubSub(options)';
const OPTIONS = [
  'redis',
  'connection',
  'connectionListener',
  'publisher',
  'subscriber',
  'triggerTransform',
  'reviver',
  'serializer',
  'deserializer',
  'messageEventName',
  'pmessageEventName',
  ...NAMES,
];

class RedisPubSub extends JoinedEngine {
  #channels = new Channels(this);
  #transform;
  #codec;

  /** @param {any} [options] */
  constructor(options) {
    const checked = check.options(options ?? undefined, CALL, OPTIONS);
    super(checked, CALL, 0);
    this.#transform = check.ofType(checked.triggerTransform ?? undefined, CALL, 'triggerTransform', 'function') ?? same;
    this.#codec = new Codec(checked);
    const { publisher, subscriber } = clientsOf(checked);
    this.redisPublisher = publisher;
    this.redisSubscriber = subscriber;
    this.subscriptionMap = this[MEMBERS];
    const { messageEventName = 'message', pmessageEventName = 'pmessage' } = checked;
    subscriber.on(pmessageEventName, (/** @type {any} */ pattern, /** @type {any} */ channel, /** @type {any} */ message) =>
      this.#receive(text(pattern), text(channel), message),
    );
    subscriber.on(messageEventName, (/** @type {any} */ channel, /** @type {any} */ message) =>
      this.#receive(undefined, text(channel), message),
    );
  }

  /**
   * @param {string} trigger
   * @param {any} payload
   * @returns {Promise<void>}
   */
  async publish(trigger, payload) {
    await this.redisPublisher.publish(trigger, /** @type {RedisPubSub} */ (this[SELF]).#codec.encoded(payload));
  }

  getSubscriber() {
    return this.redisSubscriber;
  }

  getPublisher() {
    return this.redisPublisher;
  }

  /** @returns {Promise<any[]>} */
  close() {
    /** @type {RedisPubSub} */ (this[SELF]).#channels.close();
    // Iterators end; callbacks may still be unsubscribed by their ids, so they stay.
    for (const subscription of Object.values(this[MEMBERS])) {
      const { target } = subscription;
      if (typeof target === 'function') continue;
      this.unsubscribe(subscription.id);
      target.end();
    }
    return Promise.all([this.redisPublisher.quit(), this.redisSubscriber.quit()]);
  }

  /**
   * @internal
   * @override
   * @param {string} trigger
   * @param {any} options
   */
  [AUDIENCE](trigger, options) {
    const self = /** @type {RedisPubSub} */ (this[SELF]);
    return self.#channels.get(self.#transform(trigger, options), Boolean(options.pattern));
  }

  /**
   * A message may come before the client has told that the channel is subscribed, when both were read at once.
   *
   * @param {string | undefined} pattern
   * @param {string} name
   * @param {any} message
   */
  #receive(pattern, name, message) {
    const channel = this.#channels.heard(pattern, name);
    if (channel === undefined) return;
    const codec = this.#codec;
    const isRaw = typeof message === 'string' || message instanceof Uint8Array;
    if (isRaw && codec.isPlain) {
      const matched = channel.matchBytes(/** @type {any} */ (message));
      if (matched.length === 0 && !channel.wantsAll) return;
      channel.deliver(new Message(codec.decoded(message, pattern, name), message.length), matched);
      return;
    }
    const payload = codec.decoded(message, pattern, name);
    const matched = channel.match(payload);
    if (matched.length === 0 && !channel.wantsAll) return;
    channel.deliver(new Message(payload, isRaw ? message.length : undefined), matched);
  }
}

/** @param {string} trigger */
function same(trigger) {
  return trigger;
}

/** @param {any} name */
function text(name) {
  return typeof name === 'object' && name !== null ? name.toString('utf8') : name;
}

if (typeof Symbol.asyncDispose === 'symbol') {
  Object.defineProperty(RedisPubSub.prototype, Symbol.asyncDispose, {
    value: /** @this {RedisPubSub} */ async function dispose() {
      await this.close();
    },
    writable: true,
    configurable: true,
  });
}

exports.RedisPubSub = RedisPubSub;
