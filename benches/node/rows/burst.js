'use strict';

const v8 = require('node:v8');

const bytes = require('../contenders/bytes');
const objects = require('../contenders/objects');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { documentEvent } = require('../load/documents');
const { Heartbeat } = require('../load/heartbeat');
const { Tally, byDocument, consume, turn, until } = require('../load/subscribers');

const MESSAGES = 1_000;
const GROWTH = 'heap';
const BLOCK = 'longest block';

/** Memory that V8 counts: its heap, and what lies outside but is held from there. */
const used = () => {
  const { used_heap_size: heap, external_memory: external } = v8.getHeapStatistics();
  return heap + external;
};

/**
 * @param {{ name: string, open: () => any }} contender
 * @param {{ subscribers: number, bursts?: number, encode?: (event: any) => any, warm?: number, rounds?: number }} load
 */
const contender = ({ name, open }, { subscribers, bursts = 5, encode = (event) => event, warm = 5_000, rounds }) => ({
  name,
  rounds,
  flags: ['--max-old-space-size=4096'],
  async run() {
    const world = open();
    const { parsed = (/** @type {any} */ event) => event } = world;
    const tally = new Tally((taken) => parsed(taken).serial);
    for (const subscriber of byDocument(subscribers)) void consume(world.iterate(subscriber), subscriber, tally);
    await turn();
    const expected = new Tally();
    const ids = Array.from({ length: MESSAGES }, (_, place) => (place * 7_919) % subscribers);
    const events = ids.map((id, serial) => encode(documentEvent(id, serial, 1_000)));
    const publish = (/** @type {number} */ place) => {
      expected.take({ number: ids[place] }, { serial: place });
      world.publish(events[place]);
    };
    const settled = () =>
      until(
        () => tally.count >= expected.count,
        () => `${tally.count} of ${expected.count} deliveries`,
      );
    // A server that has run for a while, not one that compiles.
    for (let place = 0; place < warm; place += 1) {
      publish(place % MESSAGES);
      if (place % 10 === 9) await settled();
    }
    await settled();
    globalThis.gc?.();
    await turn();
    globalThis.gc?.();
    const before = used();
    let peak = before;
    const heartbeat = new Heartbeat(() => (peak = Math.max(peak, used())));
    const burst = async () => {
      await turn();
      heartbeat.begin();
      for (let place = 0; place < MESSAGES; place += 1) publish(place);
      peak = Math.max(peak, used());
      await settled();
      await turn();
      return heartbeat.longest;
    };
    // What is collected just before makes the growth plain; but the next events then pay for new pages.
    const blocks = [await burst()];
    const growth = peak - before;
    while (blocks.length < bursts) blocks.push(await burst());
    heartbeat.stop();
    tally.check(expected);
    return [growth, bursts > 1 ? Math.max(...blocks.slice(1)) : blocks[0]];
  },
});

const encode = (/** @type {any} */ event) => Buffer.from(JSON.stringify(event));
const ALL = 10_000;
const FEW = 250;
/** Not all survive 10,000 subscribers. @param {objects.Contender} contender */
const fewer = (contender) => ({ ...contender, name: `${contender.name}, ${FEW} subscribers` });

const graphqlSubscriptions = fewer(objects.graphqlSubscriptions);
const yoga = fewer(objects.yoga);

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'burst',
  question:
    '1,000 messages published in one turn of the event loop, to 10,000 subscribers that filter for their own ids: ' +
    'how much the heap grows until all is delivered, and how long the loop is blocked at most.',
  rounds: 3,
  figures: [
    [GROWTH, Unit.BYTES],
    [BLOCK, Unit.NANOS],
  ],
  contenders: [
    contender(objects.dropIn, { subscribers: ALL }),
    contender(bytes.hub, { subscribers: ALL, encode }),
    contender(graphqlSubscriptions, { subscribers: FEW, bursts: 1, warm: 20, rounds: 2 }),
    contender(yoga, { subscribers: FEW, bursts: 1, warm: 20, rounds: 1 }),
    contender(objects.mqemitter, { subscribers: ALL, bursts: 2, warm: 500 }),
    contender(objects.map, { subscribers: ALL }),
  ],
  lines(of) {
    const lines = (/** @type {{ name: string }} */ { name }, /** @type {string} */ way) => {
      const [growth, block] = [of(name, GROWTH), of(name, BLOCK)];
      const peers = [graphqlSubscriptions, yoga, objects.mqemitter, objects.map];
      return [
        new Line(`${way}: growth of the heap`, growth, { target: target.atMost(20 * 2 ** 20) }),
        ...peers.map((peer) => new Line(`${way}: growth of the heap`, growth, { peer: of(peer.name, GROWTH) })),
        new Line(`${way}: longest block`, block, { target: target.atMost(10e6) }),
        ...peers.map((peer) => new Line(`${way}: longest block`, block, { peer: of(peer.name, BLOCK) })),
      ];
    };
    return [...lines(objects.dropIn, 'drop-in, objects'), ...lines(bytes.hub, 'hub, 1 KB of JSON each')];
  },
};
