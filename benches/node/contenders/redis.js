'use strict';

// Those that get their messages from a real redis-server, through ioredis.

const { filtered } = require('./objects');
const { TOPIC } = require('../load/subscribers');

/**
 * @typedef {import('./objects').World} World
 * @typedef {{ name: string, slow: boolean, open: (clients: { publisher: any, subscriber: any }) => World }} Contender
 */

/** @type {Contender} */
const theirs = {
  name: 'graphql-redis-subscriptions + withFilter',
  slow: true,
  open(clients) {
    const { RedisPubSub } = require('graphql-redis-subscriptions');
    const { withFilter } = require('graphql-subscriptions');
    return filtered(new RedisPubSub(clients), withFilter);
  },
};

/** @type {Contender} */
const strings = {
  name: 'distributary/graphql, `RedisPubSub`',
  slow: false,
  open: (clients) => ours(clients),
};

/** Iterables yield Buffers, which who takes them parses. @type {Contender} */
const buffers = {
  name: 'distributary/graphql, `RedisPubSub`, messageBuffer',
  slow: false,
  open: (clients) =>
    ours(
      { ...clients, messageEventName: 'messageBuffer', pmessageEventName: 'pmessageBuffer' },
      (bytes) => JSON.parse(bytes),
    ),
};

/**
 * @param {object} options
 * @param {(taken: any) => any} [parsed]
 * @returns {World}
 */
function ours(options, parsed) {
  const { RedisPubSub } = require('distributary/graphql');
  const pubsub = new RedisPubSub(options);
  return {
    iterate: ({ where, variables }) => pubsub.asyncIterableIterator(TOPIC, { where, variables }),
    publish() {
      throw new Error('published by others');
    },
    parsed,
  };
}

exports.theirs = theirs;
exports.strings = strings;
exports.buffers = buffers;
