'use strict';

const { Channel } = require('../contenders/channel');
const objects = require('../contenders/objects');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { median } = require('../harness/samples');
const { documentEvent } = require('../load/documents');
const { Heartbeat } = require('../load/heartbeat');
const { SUBSCRIBERS, TOPIC, Tally, byDocument, consume, turn, until } = require('../load/subscribers');

/** @typedef {import('../load/subscribers').Subscriber} Subscriber */

const LAST = 'last delivery';
const BLOCK = 'longest block';

/** One who wants everything. @type {Subscriber} */
const ALL = { number: 0, where: {}, variables: {}, admits: () => true };

/** The hub's default slice, in nanoseconds. */
const SLICE = 4e6;

/** Events, and those before them that warm up; fewer for those that take a tenth of a second for one. */
const EVENTS = { quick: 15, slow: 3 };
const WARM = { quick: 25, slow: 4 };

/**
 * @typedef {object} World
 * @property {() => any} iterate
 * @property {(event: any) => void} publish
 * @property {(event: any) => any} [encode] what is published of an event
 * @property {(taken: any) => any} [parsed] the event again
 *
 * @typedef {{ name: string, slow?: boolean, open: () => World }} Contender
 */

/** @type {Contender} */
const hub = {
  name: 'distributary, `hub.subscribe`',
  open() {
    const { Hub } = require('distributary');
    const hub = new Hub();
    return {
      iterate: () => hub.subscribe(TOPIC),
      publish: (message) => hub.publish(TOPIC, message),
      encode: (event) => Buffer.from(JSON.stringify(event)),
      parsed: (event) => event.json(),
    };
  },
};

/** @type {Contender} */
const dropIn = {
  name: 'distributary/graphql',
  open() {
    const { PubSub } = require('distributary/graphql');
    return plain(new PubSub());
  },
};

/** @type {Contender} */
const graphqlSubscriptions = {
  name: 'graphql-subscriptions',
  slow: true,
  open() {
    const { PubSub } = require('graphql-subscriptions');
    return plain(new PubSub());
  },
};

/** As most users of it have it, for each iterator has its own arguments. @type {Contender} */
const withFilter = {
  name: 'graphql-subscriptions + withFilter of all',
  slow: true,
  open() {
    const { iterate, publish } = objects.graphqlSubscriptions.open();
    return { iterate: () => iterate(ALL), publish };
  },
};

/** @type {Contender} */
const yoga = {
  name: "graphql-yoga's pubsub",
  slow: true,
  open() {
    const { createPubSub } = require('@graphql-yoga/subscription');
    const pubsub = createPubSub();
    return { iterate: () => pubsub.subscribe(TOPIC), publish: (event) => pubsub.publish(TOPIC, event) };
  },
};

/** @type {Contender} */
const mqemitter = {
  name: 'mqemitter',
  open() {
    const { iterate, publish } = objects.mqemitter.open();
    return { iterate: () => iterate(ALL), publish };
  },
};

/** @type {Contender} */
const set = {
  name: '`Set` of iterators',
  open() {
    /** @type {Set<Channel<any>>} */
    const channels = new Set();
    return {
      iterate() {
        const channel = new Channel();
        channels.add(channel);
        return channel;
      },
      publish(event) {
        for (const channel of channels) channel.push(event);
      },
    };
  },
};

/** @returns {World} */
function plain(/** @type {any} */ pubsub) {
  return {
    iterate: () => pubsub.asyncIterableIterator(TOPIC),
    publish: (event) => void pubsub.publish(TOPIC, event),
  };
}

/** @param {Contender} contender */
const contender = ({ name, slow, open }) => ({
  name,
  async run() {
    const pace = slow ? 'slow' : 'quick';
    const { iterate, publish, encode = (event) => event, parsed = (event) => event } = open();
    const arrived = new Tally((taken) => parsed(taken).serial);
    const expected = new Tally();
    let last = 0;
    const tally = {
      take(/** @type {Pick<Subscriber, 'number'>} */ subscriber, /** @type {any} */ taken) {
        arrived.take(subscriber, taken);
        if (arrived.count === expected.count) last = performance.now();
      },
    };
    const subscribers = byDocument(SUBSCRIBERS);
    for (const subscriber of subscribers) void consume(iterate(), subscriber, tally);
    await turn();
    await turn();
    const count = WARM[pace] + EVENTS[pace];
    const events = Array.from({ length: count }, (_, serial) => documentEvent(serial, serial, 1_000));
    const heartbeat = new Heartbeat();
    const times = [];
    let longest = 0;
    for (const event of events) {
      for (const subscriber of subscribers) expected.take(subscriber, event);
      const encoded = encode(event);
      await turn();
      heartbeat.begin();
      const started = performance.now();
      publish(encoded);
      await until(
        () => arrived.count >= expected.count,
        () => `${arrived.count} of ${expected.count} deliveries`,
      );
      await turn();
      if (event.serial < WARM[pace]) continue;
      times.push((last - started) * 1e6);
      longest = Math.max(longest, heartbeat.longest);
    }
    heartbeat.stop();
    arrived.check(expected);
    return [median(times), longest];
  },
});

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'fanout',
  question:
    'One event to 10,000 iterators without a filter: from publish until the last `for await` loop has it, and how ' +
    'long the loop is blocked at most.',
  rounds: 5,
  figures: [
    [LAST, Unit.NANOS],
    [BLOCK, Unit.NANOS],
  ],
  contenders: [hub, dropIn, graphqlSubscriptions, withFilter, yoga, mqemitter, set].map(contender),
  lines(of) {
    const peers = [graphqlSubscriptions, withFilter, yoga, mqemitter, set];
    const beside = (/** @type {Contender} */ ours, /** @type {string} */ way) => [
      ...peers.map(({ name }) => {
        const sooner = name === graphqlSubscriptions.name ? { target: target.ratioAtMost(1 / 5) } : {};
        return new Line(`${way}: last delivery`, of(ours.name, LAST), { peer: of(name, LAST), ...sooner });
      }),
      new Line(`${way}: longest block`, of(ours.name, BLOCK), {
        target: target.atMost(1.5 * SLICE),
        note: 'one and a half times the slice of 4 ms',
      }),
      ...peers.map(({ name }) => new Line(`${way}: longest block`, of(ours.name, BLOCK), { peer: of(name, BLOCK) })),
    ];
    return [...beside(hub, 'hub'), ...beside(dropIn, 'drop-in')];
  },
};
