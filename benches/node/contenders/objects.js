'use strict';

// Those that publish objects in process. Each gives a subscriber an async iterable of the events that it asked
// for, and takes events.

const { TOPIC } = require('../load/subscribers');
const { Channel } = require('./channel');

/**
 * @typedef {import('../load/subscribers').Subscriber} Subscriber
 * @typedef {object} World
 * @property {(subscriber: Subscriber) => any} iterate
 * @property {(event: any) => void} publish
 * @property {(taken: any) => any} [parsed] the event, where iterables yield something else
 *
 * @typedef {{ name: string, slow: boolean, open: () => World }} Contender
 * @typedef {Map<unknown, import('./channel').Channel<any>>} Channels
 */

/** @type {Contender} */
const dropIn = {
  name: 'distributary/graphql, `where`',
  slow: false,
  open() {
    const { PubSub } = require('distributary/graphql');
    const pubsub = new PubSub();
    return {
      iterate: ({ where, variables }) => pubsub.asyncIterableIterator(TOPIC, { where, variables }),
      publish: (event) => void pubsub.publish(TOPIC, event),
    };
  },
};

/** @type {Contender} */
const dropInClosures = {
  name: 'distributary/graphql, closures',
  slow: true,
  open() {
    const { PubSub, withFilter } = require('distributary/graphql');
    return filtered(new PubSub(), withFilter);
  },
};

/** @type {Contender} */
const graphqlSubscriptions = {
  name: 'graphql-subscriptions + withFilter',
  slow: true,
  open() {
    const { PubSub, withFilter } = require('graphql-subscriptions');
    return filtered(new PubSub(), withFilter);
  },
};

/** @type {Contender} */
const yoga = {
  name: "graphql-yoga's pubsub + filter",
  slow: true,
  open() {
    const { createPubSub, filter, pipe } = require('@graphql-yoga/subscription');
    const pubsub = createPubSub();
    return {
      iterate: ({ admits }) => pipe(pubsub.subscribe(TOPIC), filter(admits)),
      publish: (event) => pubsub.publish(TOPIC, event),
    };
  },
};

/** @type {Contender} */
const mqemitter = {
  name: 'mqemitter',
  slow: false,
  open() {
    const emitter = require('mqemitter')();
    return {
      iterate({ admits }) {
        const channel = new Channel();
        emitter.on(TOPIC, (message, done) => {
          if (admits(message.event)) channel.push(message.event);
          done();
        });
        return channel;
      },
      publish: (event) => emitter.emit({ topic: TOPIC, event }),
    };
  },
};

/** Knows one equality, `document.id`, and nothing else. @type {Contender} */
const map = {
  name: '`Map` from id to iterator',
  slow: false,
  open() {
    /** @type {Channels} */
    const channels = new Map();
    return {
      iterate({ variables }) {
        const channel = new Channel();
        channels.set(variables.id, channel);
        return channel;
      },
      publish: (event) => channels.get(event.document.id)?.push(event),
    };
  },
};

/**
 * A PubSub behind `withFilter`, as resolvers have it.
 *
 * @returns {World}
 */
function filtered(/** @type {any} */ pubsub, /** @type {any} */ withFilter) {
  const subscribe = withFilter(
    () => pubsub.asyncIterableIterator(TOPIC),
    (/** @type {any} */ event, /** @type {any} */ _args, /** @type {any} */ { admits }) => admits(event),
  );
  return {
    iterate: (subscriber) => subscribe(undefined, {}, subscriber, {}),
    publish: (event) => void pubsub.publish(TOPIC, event),
  };
}

exports.dropIn = dropIn;
exports.dropInClosures = dropInClosures;
exports.graphqlSubscriptions = graphqlSubscriptions;
exports.yoga = yoga;
exports.mqemitter = mqemitter;
exports.map = map;
exports.filtered = filtered;
