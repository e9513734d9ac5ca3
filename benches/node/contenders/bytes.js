'use strict';

// Those that are given messages as bytes. Each gives a subscriber an async iterable, takes Buffers, and knows how
// to read what its iterables yield: how many bytes, and which event.

const { EventEmitter } = require('node:events');
const { TOPIC } = require('../load/subscribers');
const { Channel } = require('./channel');

/**
 * @typedef {import('../load/subscribers').Subscriber} Subscriber
 * @typedef {object} World
 * @property {(subscriber: Subscriber) => any} iterate
 * @property {(message: Buffer) => void} publish
 * @property {((taken: any) => number)} [bytes] of what was taken, where it is bytes
 * @property {(taken: any) => { serial: number }} parsed
 *
 * @typedef {{ name: string, open: () => World }} Contender
 * @typedef {Map<unknown, import('./channel').Channel<any>>} Channels
 */

/** @type {Contender} */
const hub = {
  name: 'distributary, `hub.publish`',
  open() {
    const { Hub } = require('distributary');
    const hub = new Hub();
    return {
      iterate: ({ where, variables }) => hub.subscribe({ topics: [TOPIC], where, variables }),
      publish: (message) => hub.publish(TOPIC, message),
      bytes: (event) => event.data.length,
      parsed: (event) => event.json(),
    };
  },
};

/**
 * As a client of ioredis hands its messages over, without a socket: what is measured is all that comes after. Who
 * takes a Buffer parses it himself.
 *
 * @type {Contender}
 */
const redisBuffers = {
  name: '`RedisPubSub`, messageBuffer',
  open() {
    const { iterate, client } = redis({ messageEventName: 'messageBuffer', pmessageEventName: 'pmessageBuffer' });
    const channel = Buffer.from(TOPIC);
    return {
      iterate,
      publish: (message) => client.emit('messageBuffer', channel, message),
      bytes: (message) => message.length,
      parsed: (message) => JSON.parse(message),
    };
  },
};

/**
 * The same as it is without any option: the client makes strings, and what somebody wants is parsed.
 *
 * @type {Contender}
 */
const redisStrings = {
  name: '`RedisPubSub`',
  open() {
    const { iterate, client } = redis({});
    return {
      iterate,
      publish: (message) => client.emit('message', TOPIC, message.toString()),
      parsed: (event) => event,
    };
  },
};

/** @param {object} options */
function redis(options) {
  const { RedisPubSub } = require('distributary/graphql');
  const client = new FakeClient();
  const pubsub = new RedisPubSub({ publisher: client, subscriber: client, ...options });
  return {
    client,
    iterate: (/** @type {Subscriber} */ { where, variables }) =>
      pubsub.asyncIterableIterator(TOPIC, { where, variables }),
  };
}

/** @type {Contender} */
const map = {
  name: '`Map` behind `JSON.parse`',
  open() {
    /** @type {Channels} */
    const channels = new Map();
    return {
      iterate({ variables }) {
        const channel = new Channel();
        channels.set(variables.id, channel);
        return channel;
      },
      publish(message) {
        const event = JSON.parse(message.toString());
        channels.get(event.document.id)?.push(event);
      },
      parsed: (event) => event,
    };
  },
};

class FakeClient extends EventEmitter {
  /** @param {string} _channel @param {(error: null, count: number) => void} done */
  subscribe(_channel, done) {
    queueMicrotask(() => done(null, 1));
  }

  psubscribe() {}
  unsubscribe() {}
  punsubscribe() {}
  publish() {}
  quit() {}
}

exports.hub = hub;
exports.redisBuffers = redisBuffers;
exports.redisStrings = redisStrings;
exports.map = map;
