'use strict';

// A hub in the place of a client of Redis: what the option `redis` of a RedisPubSub makes.
//
// Messages are the payloads as they are, so whoever publishes and subscribes with a client of Redis, in whatever language,
// is heard and hears. What this process publishes reaches its own subscribers without Redis, and while that is away.

const { EventEmitter } = require('node:events');

const { DistributaryError, NotHeardError, described, typeError } = require('../errors');
const { Hub } = require('../hub');

/** Messages that may wait for the loop on one channel: clients of Redis have no bound, here it is one that is not met. */
const BUDGET = { events: 1 << 20 };

/** @typedef {ReturnType<Hub['on']>} Listener */
/** @typedef {(error: Error | null, count?: number) => void} Settled */

/** Publisher and subscriber in one. It emits what ioredis does. */
class HubClient extends EventEmitter {
  /** @readonly */
  hub;
  #owned;
  /** @type {Map<string, Listener>} */
  #channels = new Map();
  /** @type {Map<string, Listener>} */
  #patterns = new Map();

  /** @param {unknown} redis a hub, or what one is made with @param {string} where */
  constructor(redis, where) {
    super();
    this.#owned = !(redis instanceof Hub);
    if (this.#owned && typeof redis !== 'string' && (redis === null || typeof redis !== 'object')) {
      throw typeError('ERR_BAD_OPTION', `${where}: redis is a URL, an object of options or a Hub, not ${described(redis)}`);
    }
    this.hub = redis instanceof Hub ? redis : new Hub({ redis });
  }

  /**
   * @param {string} channel
   * @param {string | Uint8Array} message
   * @returns {Promise<number>} how many connections heard it
   */
  async publish(channel, message) {
    return (await this.hub.publishAcknowledged(channel, message)).heard;
  }

  /** @param {string} channel @param {Settled} settled */
  subscribe(channel, settled) {
    this.#join(this.#channels, channel, { topics: channel }, settled, (event) => {
      if (this.listenerCount('message') > 0) this.emit('message', channel, event.text());
      if (this.listenerCount('messageBuffer') > 0) this.emit('messageBuffer', Buffer.from(channel), event.data);
    });
  }

  /** @param {string} pattern @param {Settled} settled */
  psubscribe(pattern, settled) {
    this.#join(this.#patterns, pattern, { patterns: pattern }, settled, (event) => {
      if (this.listenerCount('pmessage') > 0) this.emit('pmessage', pattern, event.topic, event.text());
      if (this.listenerCount('pmessageBuffer') > 0) this.emit('pmessageBuffer', pattern, Buffer.from(event.topic), event.data);
    });
  }

  /** @param {string} channel */
  unsubscribe(channel) {
    part(this.#channels, channel);
  }

  /** @param {string} pattern */
  punsubscribe(pattern) {
    part(this.#patterns, pattern);
  }

  /** Nothing comes any more. A hub that was given stays open. */
  async quit() {
    for (const names of [this.#channels, this.#patterns]) {
      for (const name of [...names.keys()]) part(names, name);
    }
    if (this.#owned) this.hub.close();
    return 'OK';
  }

  /**
   * Told once other processes are heard.
   *
   * @param {Map<string, Listener>} names
   * @param {string} name
   * @param {{ topics: string } | { patterns: string }} selector
   * @param {Settled} settled
   * @param {(event: import('../..').Event) => void} heard
   */
  #join(names, name, selector, settled, heard) {
    part(names, name);
    names.set(name, this.hub.on(selector, heard, { budget: BUDGET }));
    this.hub.joined().then((joined) => {
      if (joined) settled(null, names.size);
      else settled(new DistributaryError('ERR_CLOSED', 'the hub was closed before other processes were heard'));
    }, (error) => {
      // Others of the hub's names are others' concern.
      if (error instanceof NotHeardError && !error.names.includes(name)) settled(null, names.size);
      else settled(error);
    });
  }
}

/** @param {Map<string, Listener>} names @param {string} name */
function part(names, name) {
  names.get(name)?.off();
  names.delete(name);
}

exports.HubClient = HubClient;
