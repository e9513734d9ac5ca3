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
 * @typedef {{ name: string, open: (as: 'bytes' | 'parsed') => World }} Contender
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
 * As a client of ioredis hands its messages over, without a socket: what is measured is all that comes after.
 *
 * @type {Contender}
 */
const redis = {
  name: 'distributary/graphql, `RedisPubSub`',
  open(as) {
    const { RedisPubSub } = require('distributary/graphql');
    const client = new FakeClient();
    const pubsub = new RedisPubSub({
      publisher: client,
      subscriber: client,
      messageEventName: 'messageBuffer',
      pmessageEventName: 'pmessageBuffer',
      ...(as === 'parsed' ? { deserializer: (/** @type {any} */ message) => JSON.parse(message) } : {}),
    });
    const channel = Buffer.from(TOPIC);
    return {
      iterate: ({ where, variables }) => pubsub.asyncIterableIterator(TOPIC, { where, variables }),
      publish: (message) => client.emit('messageBuffer', channel, message),
      bytes: (message) => message.length,
      parsed: (event) => event,
    };
  },
};

/** @type {Contender} */
const map = {
  name: '`Map` behind `JSON.parse`',
  open() {
    /** @type {Map<unknown, Channel<any>>} */
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
  subscribe() {
    return Promise.resolve(1);
  }

  psubscribe() {
    return Promise.resolve(1);
  }

  unsubscribe() {
    return Promise.resolve(0);
  }

  punsubscribe() {
    return Promise.resolve(0);
  }

  publish() {
    return Promise.resolve(0);
  }

  quit() {
    return Promise.resolve('OK');
  }
}

module.exports = { hub, redis, map };
