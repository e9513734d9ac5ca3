'use strict';

const contenders = require('../contenders/redis');
const { Unit } = require('../harness/rounds');
const { Line } = require('../harness/report');
const { documentEvent } = require('../load/documents');
const { rate } = require('../load/rate');
const redis = require('../load/redis');
const { SUBSCRIBERS, TOPIC, Tally, byDocument, consume } = require('../load/subscribers');

/** @param {contenders.Contender} contender */
const contender = ({ name, slow, open }) => ({
  name,
  async run() {
    const Redis = require('ioredis');
    const socket = await redis.start();
    const { publish } = await redis.publisher(socket);
    const world = open(() => new Redis(socket));
    const tally = new Tally();
    for (const subscriber of byDocument(SUBSCRIBERS)) void consume(world.iterate(subscriber), subscriber, tally);
    await subscribed(new Redis(socket));
    const ids = Array.from({ length: 1_000 }, (_, place) => (place * 7_919) % SUBSCRIBERS);
    const commands = ids.map((id, serial) => redis.publishCommand(TOPIC, JSON.stringify(documentEvent(id, serial, 1_000))));
    /** @type {import('../load/rate').Expect} */
    const expect = (place, expected) => expected.take({ number: ids[place] }, { serial: place });
    return [await rate({ publish, tally, events: commands, expect, batch: slow ? 1 : 64, seconds: 0.5 })];
  },
});

/** The server says when the subscription is there. @param {any} client */
async function subscribed(client) {
  const deadline = performance.now() + 10_000;
  while ((await client.pubsub('NUMSUB', TOPIC))[1] === 0) {
    if (performance.now() > deadline) throw new Error('nobody has subscribed to the channel');
  }
  client.disconnect();
}

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
      new Line("events per second, the client's messageBuffer events", of(contenders.buffers.name), { peer }),
    ];
  },
};
