'use strict';

const contenders = require('../contenders/redis');
const { Unit } = require('../harness/rounds');
const { Line } = require('../harness/report');
const { documentEvent } = require('../load/documents');
const { rate } = require('../load/rate');
const redis = require('../load/redis');
const { SUBSCRIBERS, TOPIC, Tally, byDocument, consume, turn } = require('../load/subscribers');

/** @param {contenders.Contender} contender */
const contender = ({ name, slow, open }) => ({
  name,
  async run() {
    const { Redis } = require('ioredis');
    const socket = await redis.start();
    const { publish } = await redis.publisher(socket);
    const clients = { publisher: new Redis(socket), subscriber: new Redis(socket) };
    const { iterate, parsed = (event) => event } = open(clients);
    const tally = new Tally((taken) => parsed(taken).serial);
    for (const subscriber of byDocument(SUBSCRIBERS)) void consume(iterate(subscriber), subscriber, tally);
    await turn();
    // Answered after the subscription that was asked for before.
    await clients.subscriber.ping();
    await turn();
    const ids = Array.from({ length: 1_000 }, (_, place) => (place * 7_919) % SUBSCRIBERS);
    const messages = ids.map((id, serial) => JSON.stringify(documentEvent(id, serial, 1_000)));
    const commands = messages.map((message) => redis.publishCommand(TOPIC, message));
    /** @type {import('../load/rate').Expect} */
    const expect = (place, expected) => expected.take({ number: ids[place] }, { serial: place });
    return [await rate({ publish, tally, events: commands, expect, batch: slow ? 1 : 64, seconds: 0.5 })];
  },
});

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'redis',
  question:
    'The same from a redis-server: messages of 1 KB of JSON, 10,000 iterators on one channel, each filtering for its ' +
    'own id, ioredis and its parser included: events per second.',
  rounds: 3,
  figures: [['rate', Unit.PER_SECOND]],
  contenders: [contenders.strings, contenders.buffers, contenders.theirs].map(contender),
  lines(of) {
    const peer = of(contenders.theirs.name);
    return [
      new Line('events per second', of(contenders.strings.name), { peer }),
      new Line('events per second, messages as Buffers', of(contenders.buffers.name), { peer }),
    ];
  },
};
