'use strict';

// Those that get their messages from a real redis-server, through ioredis.

const { filtered } = require('./objects');
const { TOPIC } = require('../load/subscribers');

/**
 * @typedef {import('./objects').World} World
 * @typedef {{ name: string, slow: boolean, open: (connect: () => any) => World }} Contender
 */

/** @type {Contender} */
const theirs = {
  name: 'graphql-redis-subscriptions + withFilter',
  slow: true,
  open(connect) {
    const { RedisPubSub } = require('graphql-redis-subscriptions');
    const { withFilter } = require('graphql-subscriptions');
    return filtered(new RedisPubSub({ publisher: connect(), subscriber: connect() }), withFilter);
  },
};

/** @type {Contender} */
const strings = {
  name: 'distributary/graphql, `RedisPubSub`',
  slow: false,
  open: (connect) => ours({ publisher: connect(), subscriber: connect() }),
};

/** @type {Contender} */
const buffers = {
  name: 'distributary/graphql, `RedisPubSub`, messageBuffer',
  slow: false,
  open: (connect) =>
    ours({
      publisher: connect(),
      subscriber: connect(),
      messageEventName: 'messageBuffer',
      pmessageEventName: 'pmessageBuffer',
      deserializer: (/** @type {any} */ message) => JSON.parse(message),
    }),
};

/** @returns {World} */
function ours(/** @type {object} */ options) {
  const { RedisPubSub } = require('distributary/graphql');
  const pubsub = new RedisPubSub(options);
  return {
    iterate: ({ where, variables }) => pubsub.asyncIterableIterator(TOPIC, { where, variables }),
    publish() {
      throw new Error('published by others');
    },
  };
}

module.exports = { theirs, strings, buffers };
