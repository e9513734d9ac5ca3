'use strict';

const v8 = require('node:v8');

const bytes = require('../contenders/bytes');
const objects = require('../contenders/objects');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { SUBSCRIBERS, byDocument, turn } = require('../load/subscribers');

const MEMORY = 'memory';
const HEAP = 'heap';
const RESIDENT = 'resident';

/**
 * What the process holds: V8's heap, and all that is resident outside of the pages that V8 keeps for its heap,
 * which is Buffers and what native code allocates.
 */
const held = () => {
  const { used_heap_size: heap, total_physical_size: pages } = v8.getHeapStatistics();
  const rss = process.memoryUsage.rss();
  return { heap, rest: rss - pages, rss };
};

async function collected() {
  for (let i = 0; i < 3; i += 1) {
    await turn();
    globalThis.gc?.();
  }
  return held();
}

/** @param {{ name: string, open: () => { iterate: (subscriber: any) => any } }} contender */
const contender = ({ name, open }) => ({
  name,
  async run() {
    const subscribers = byDocument(SUBSCRIBERS + 100);
    const { iterate } = open();
    const never = () => {
      throw new Error('nothing was published');
    };
    const kept = [];
    const subscribe = async (/** @type {any} */ subscriber) => {
      const iterator = await iterate(subscriber);
      void iterator.next().then(never);
      kept.push(iterator);
    };
    // The first ones compile and allocate what all share.
    for (const subscriber of subscribers.slice(SUBSCRIBERS)) await subscribe(subscriber);
    const before = await collected();
    // They come over time, and what their coming leaves behind is collected between.
    for (let from = 0; from < SUBSCRIBERS; from += 500) {
      for (const subscriber of subscribers.slice(from, from + 500)) void subscribe(subscriber);
      await collected();
    }
    const after = await collected();
    if (kept.length !== SUBSCRIBERS + 100) throw new Error(`${kept.length} subscribed`);
    const heap = after.heap - before.heap;
    return [heap + after.rest - before.rest, heap, after.rss - before.rss].map((sum) => sum / SUBSCRIBERS);
  },
});

const hub = { ...bytes.hub, name: 'distributary, `hub.subscribe`', open: bytes.hub.open };

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'memory',
  question:
    '10,000 subscriptions that filter for their own ids, each with a `next()` that waits: bytes of one, collected ' +
    'garbage aside; what is held is the heap of V8 and all that is resident beside it.',
  rounds: 3,
  figures: [
    [MEMORY, Unit.BYTES],
    [HEAP, Unit.BYTES],
    [RESIDENT, Unit.BYTES],
  ],
  contenders: [objects.dropIn, hub, objects.graphqlSubscriptions, objects.yoga, objects.mqemitter, objects.map].map(
    contender,
  ),
  lines(of) {
    const third = {
      target: target.ratioAtMost(1 / 3),
      ifMissed:
        'a third of it is what waits, the same for all: a promise, what resolves it, what follows it; the rest is ' +
        'the filter in the index, the subscription, its iterator and its inbox',
    };
    const lines = (/** @type {{ name: string }} */ { name }, /** @type {string} */ way) => [
      new Line(`${way}: held`, of(name, MEMORY), { peer: of(objects.graphqlSubscriptions.name, MEMORY), ...third }),
      ...[objects.yoga, objects.mqemitter, objects.map].map(
        (peer) => new Line(`${way}: held`, of(name, MEMORY), { peer: of(peer.name, MEMORY) }),
      ),
      new Line(`${way}: heap of V8 alone`, of(name, HEAP), { peer: of(objects.graphqlSubscriptions.name, HEAP) }),
      new Line(`${way}: resident set, with the pages that V8 keeps`, of(name, RESIDENT), {
        peer: of(objects.graphqlSubscriptions.name, RESIDENT),
      }),
    ];
    return [...lines(objects.dropIn, 'drop-in'), ...lines(hub, 'hub')];
  },
};
