'use strict';

// The PubSub over Redis: channels and patterns of a subscriber client, each subscribed once however many ask.
//
// A message is delivered within the client's `emit`. As it comes it is bytes or text, and the filters of who is
// subscribed are asked in that form: it is parsed once, and only if somebody wants it. A channel and a pattern of one
// name are two audiences.

const check = require('../check');
const { Filter } = require('../filter');
const { Audience } = require('./audience');
const { PubSubEngine } = require('./engine');
const { destinationOf, JOIN, STOCK } = require('./iterator');
const { NAMES, setLimits } = require('./limits');
const { Message } = require('./message');
const { clientsOf } = require('./redis-clients');
const { Codec } = require('./redis-codec');
const { Subscription } = require('./subscription');
const { isThenable } = require('./thenable');

const WHERE = 'new RedisPubSub(options)';
const OPTIONS = [
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

/** A channel or a pattern, and who is subscribed to it. */
class Channel extends Audience {
  /** Whether a channel of the same name was left while this pattern was there. */
  hadTwin = false;

  /**
   * @param {string} name
   * @param {boolean} isPattern
   */
  constructor(name, isPattern) {
    super();
    this.name = name;
    this.isPattern = isPattern;
  }
}

class RedisPubSub extends PubSubEngine {
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** @type {Map<string, Channel>} */
  #patterns = new Map();
  #transform;
  #codec;
  #closed = false;
  /** @type {Record<number, Subscription>} by id */
  subscriptionMap = {};
  currentSubscriptionId = 0;

  /** @param {any} [options] */
  constructor(options) {
    super();
    const checked = check.options(options ?? undefined, WHERE, OPTIONS);
    this.#transform = check.ofType(checked.triggerTransform ?? undefined, WHERE, 'triggerTransform', 'function') ?? same;
    this.#codec = new Codec(checked);
    setLimits(this, checked, WHERE);
    const { publisher, subscriber } = clientsOf(checked);
    this.redisPublisher = publisher;
    this.redisSubscriber = subscriber;
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
    await this.redisPublisher.publish(trigger, this.#codec.encoded(payload));
  }

  /**
   * @param {string} trigger
   * @param {(message: any) => void} onMessage
   * @param {any} [options]
   * @returns {Promise<number>}
   */
  subscribe(trigger, onMessage, options = {}) {
    const { target, filter } = destinationOf(onMessage) ?? {
      target: onMessage,
      filter: Filter.from(options.where, options.variables),
    };
    const subscription = new Subscription(target);
    this[JOIN](subscription, trigger, options, filter);
    const { id } = subscription;
    const { pending } = /** @type {Channel} */ (subscription.audience);
    if (pending === null) return Promise.resolve(id);
    return pending.then(
      () => id,
      (error) => {
        if (this.subscriptionMap[id] !== undefined) this.unsubscribe(id);
        throw error;
      },
    );
  }

  /** @param {number} subId */
  unsubscribe(subId) {
    const subscription = this.subscriptionMap[subId];
    if (!(subscription instanceof Subscription)) throw new Error(`There is no subscription of id "${subId}"`);
    delete this.subscriptionMap[subId];
    const channel = /** @type {Channel} */ (subscription.audience);
    channel.remove(subscription);
    if (channel.size === 0) this.#abandon(channel);
  }

  getSubscriber() {
    return this.redisSubscriber;
  }

  getPublisher() {
    return this.redisPublisher;
  }

  /** @returns {Promise<any[]>} */
  close() {
    this.#closed = true;
    // Iterators end; callbacks may still be unsubscribed by their ids, so they stay.
    for (const subscription of Object.values(this.subscriptionMap)) {
      const { target } = subscription;
      if (typeof target === 'function') continue;
      this.unsubscribe(subscription.id);
      target.end();
    }
    return Promise.all([this.redisPublisher.quit(), this.redisSubscriber.quit()]);
  }

  /**
   * @internal
   * @param {Subscription} subscription
   * @param {string} trigger
   * @param {any} options
   * @param {Filter | undefined} filter
   */
  [JOIN](subscription, trigger, options, filter) {
    const name = this.#transform(trigger, options);
    const isPattern = Boolean(options.pattern);
    const all = isPattern ? this.#patterns : this.#channels;
    let channel = all.get(name);
    const isFirst = channel === undefined;
    if (channel === undefined) all.set(name, (channel = new Channel(name, isPattern)));
    subscription.id = this.currentSubscriptionId++;
    subscription.trigger = name;
    channel.add(subscription, filter);
    this.subscriptionMap[subscription.id] = subscription;
    if (isFirst) this.#request(channel);
  }

  /** Subscribes the client, in this turn; all who join until it is confirmed share the outcome. @param {Channel} channel */
  #request(channel) {
    /** @type {(error?: any) => void} */
    let settle = ignore;
    channel.pending = new Promise((resolve, reject) => {
      settle = (error) => {
        if (error) {
          // Each who joined takes itself out when it hears of it.
          this.#drop(channel);
          return reject(error);
        }
        channel.pending = null;
        resolve();
      };
    });
    channel.pending.catch(ignore);
    const client = this.redisSubscriber;
    try {
      const subscribe = channel.isPattern ? client.psubscribe : client.subscribe;
      // Its promise says the same as its callback, but is unhandled if nobody takes its rejection.
      settled(subscribe.call(client, channel.name, settle), settle);
    } catch (error) {
      settle(error);
    }
  }

  /** Nobody is left. @param {Channel} channel */
  #abandon(channel) {
    if (!this.#drop(channel) || this.#closed) return;
    const { name, isPattern } = channel;
    const twin = (isPattern ? this.#channels : this.#patterns).get(name);
    if (twin !== undefined) twin.hadTwin = true;
    const client = this.redisSubscriber;
    // Both, as what was subscribed by hand may be either; but not the one that others are subscribed to. What Redis
    // refuses here it has forgotten anyway: there is no connection.
    if (!isPattern || twin === undefined) settled(client.unsubscribe(name), ignore);
    if (isPattern || twin === undefined) settled(client.punsubscribe(name), ignore);
  }

  /** @param {Channel} channel @returns {boolean} whether it was there */
  #drop(channel) {
    const all = channel.isPattern ? this.#patterns : this.#channels;
    return all.get(channel.name) === channel && all.delete(channel.name);
  }

  /**
   * A message may come before the client has told that the channel is subscribed, when both were read at once.
   *
   * @param {string | undefined} pattern
   * @param {string} name
   * @param {any} message
   */
  #receive(pattern, name, message) {
    const channel = pattern ? this.#patterns.get(pattern) : this.#heard(name);
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

  /**
   * Who hears a message on a channel. A client that has no patterns of its own, as a mock, may report what comes by
   * a pattern as if that were a channel.
   *
   * @param {string} name
   */
  #heard(name) {
    const channel = this.#channels.get(name);
    if (channel !== undefined) return channel;
    const pattern = this.#patterns.get(name);
    return pattern?.hadTwin ? undefined : pattern;
  }
}

/** @param {any} promise what a client returned, which may be nothing @param {(error: any) => void} failed */
function settled(promise, failed) {
  if (isThenable(promise)) promise.then(undefined, failed);
}

/** The one whom an outcome concerns hears of it elsewhere. */
function ignore() {}

/** @param {string} trigger */
function same(trigger) {
  return trigger;
}

/** @param {any} name */
function text(name) {
  return typeof name === 'object' && name !== null ? name.toString('utf8') : name;
}

Object.defineProperty(RedisPubSub.prototype, STOCK, { value: RedisPubSub.prototype.subscribe });

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
