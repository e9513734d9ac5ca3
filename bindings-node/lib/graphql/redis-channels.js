'use strict';

// The channels and patterns that a subscriber client is subscribed to: each once, however many ask.
//
// A channel and a pattern of one name are two audiences.

const { Audience } = require('./audience');
const { isThenable } = require('./thenable');

/** A channel or a pattern, and who is subscribed to it. */
class Channel extends Audience {
  /** Whether a channel of the same name was left while this pattern was there. */
  hadTwin = false;
  #channels;
  #requested = false;
  /** @type {Promise<void> | null} until the client has confirmed it; it stays if that fails */
  #pending = null;

  /**
   * @param {string} name
   * @param {boolean} isPattern
   * @param {Channels} channels
   */
  constructor(name, isPattern, channels) {
    super(name);
    this.isPattern = isPattern;
    this.#channels = channels;
  }

  /** The client is asked in the turn of the first who joins; all who join until it answers share the outcome. @override */
  standing() {
    if (!this.#requested) this.#request();
    return this.#pending;
  }

  /** @override */
  vacated() {
    this.#channels.leave(this);
  }

  #request() {
    this.#requested = true;
    /** @type {(error?: any) => void} */
    let settle = ignore;
    this.#pending = new Promise((resolve, reject) => {
      settle = (error) => {
        if (error) {
          // Each who joined takes itself out when it hears of it.
          this.#channels.drop(this);
          return reject(error);
        }
        this.#pending = null;
        resolve();
      };
    });
    this.#pending.catch(ignore);
    const { client } = this.#channels;
    try {
      const subscribe = this.isPattern ? client.psubscribe : client.subscribe;
      // Its promise says the same as its callback, but is unhandled if nobody takes its rejection.
      rejected(subscribe.call(client, this.name, settle), settle);
    } catch (error) {
      settle(error);
    }
  }
}

class Channels {
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** @type {Map<string, Channel>} */
  #patterns = new Map();
  /** Names that the client would not unsubscribe: it may do it when they are heard of again. @type {Set<string>} */
  #refused = new Set();
  #pubsub;
  #closed = false;

  /** @param {{ redisSubscriber: any }} pubsub */
  constructor(pubsub) {
    this.#pubsub = pubsub;
  }

  get client() {
    return this.#pubsub.redisSubscriber;
  }

  /**
   * The channel or pattern of a name; a new one, if there is none.
   *
   * @param {string} name
   * @param {boolean} isPattern
   */
  get(name, isPattern) {
    const all = isPattern ? this.#patterns : this.#channels;
    let channel = all.get(name);
    if (channel === undefined) {
      this.#refused.delete(name);
      all.set(name, (channel = new Channel(name, isPattern, this)));
    }
    return channel;
  }

  /**
   * Who hears a message. A client that has no patterns of its own, as a mock, may report what comes by a pattern as if
   * that were a channel. A client of Redis reports as a channel only what it has subscribed as one, so there this
   * concerns nobody but a message that was under way when its channel was left: `hadTwin` keeps that from the pattern.
   *
   * @param {string | undefined} pattern
   * @param {string} name
   */
  heard(pattern, name) {
    const channel = pattern ? this.#patterns.get(pattern) : (this.#channels.get(name) ?? this.#patterns.get(name));
    if (channel !== undefined && (pattern || !channel.isPattern || !channel.hadTwin)) return channel;
    if (this.#refused.delete(pattern || name)) this.#unsubscribe(pattern || name, Boolean(pattern));
    return undefined;
  }

  /** Nobody is left. @param {Channel} channel */
  leave(channel) {
    if (!this.drop(channel) || this.#closed) return;
    const { name, isPattern } = channel;
    const twin = (isPattern ? this.#channels : this.#patterns).get(name);
    if (twin !== undefined) twin.hadTwin = true;
    // Both, as what was subscribed by hand may be either; but not the one that others are subscribed to.
    if (!isPattern || twin === undefined) this.#unsubscribe(name, false);
    if (isPattern || twin === undefined) this.#unsubscribe(name, true);
  }

  /**
   * Redis refuses this only if there is no connection, and has forgotten the name then. ioredis has not: it subscribes
   * again when it has connected.
   *
   * @param {string} name
   * @param {boolean} isPattern
   */
  #unsubscribe(name, isPattern) {
    const { client } = this;
    rejected(isPattern ? client.punsubscribe(name) : client.unsubscribe(name), () => {
      if (!this.#closed && !this.#channels.has(name) && !this.#patterns.has(name)) this.#refused.add(name);
    });
  }

  /** @param {Channel} channel @returns {boolean} whether it was there */
  drop(channel) {
    const all = channel.isPattern ? this.#patterns : this.#channels;
    return all.get(channel.name) === channel && all.delete(channel.name);
  }

  /** The client is about to quit: there is nothing more to unsubscribe. */
  close() {
    this.#closed = true;
  }
}

/** @param {any} promise what a client returned, which may be nothing @param {(error: any) => void} failed */
function rejected(promise, failed) {
  if (isThenable(promise)) promise.then(undefined, failed);
}

/** The one whom an outcome concerns hears of it elsewhere. */
function ignore() {}

exports.Channels = Channels;
