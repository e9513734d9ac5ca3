'use strict';

const objects = require('../contenders/objects');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { documentEvent } = require('../load/documents');
const { rate } = require('../load/rate');
const { SUBSCRIBERS, Tally, byDocument, consume, turn } = require('../load/subscribers');

const OURS = objects.dropIn.name;
const SINGLE = 'one event per turn';
const BURSTS = 'bursts of 64';

/** @param {objects.Contender} contender */
const contender = ({ name, slow, open }) => ({
  name,
  rounds: slow ? 3 : undefined,
  async run() {
    const world = open();
    const tally = new Tally();
    for (const subscriber of byDocument(SUBSCRIBERS)) void consume(world.iterate(subscriber), subscriber, tally);
    await turn();
    // Ids in an order that no cache foresees: 7,919 is prime.
    const ids = Array.from({ length: SUBSCRIBERS }, (_, place) => (place * 7_919) % SUBSCRIBERS);
    const events = ids.map((id, serial) => documentEvent(id, serial, 400));
    /** @type {import('../load/rate').Expect} */
    const expect = (place, expected) => expected.take({ number: ids[place] }, events[place]);
    const job = { publish: world.publish, tally, events, expect, seconds: 0.4 };
    const single = await rate({ ...job, batch: 1 });
    // The slow ones are not any quicker with more at once: their queues only get longer.
    return [single, slow ? single : await rate({ ...job, batch: 64 })];
  },
});

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'equality',
  question:
    '10,000 subscriptions on one topic, each filtering for its own id; objects published in process, one of the ' +
    '10,000 matches: events per second, each counted by the `for await` loop that it is for. One event is published ' +
    'per turn of the event loop, as requests do; or 64, as in a burst.',
  rounds: 5,
  figures: [
    [SINGLE, Unit.PER_SECOND],
    [BURSTS, Unit.PER_SECOND],
  ],
  contenders: [
    objects.dropIn,
    objects.graphqlSubscriptions,
    objects.yoga,
    objects.mqemitter,
    objects.map,
    objects.dropInClosures,
  ].map(contender),
  lines(of) {
    const lines = (/** @type {string} */ figure) => {
      const ours = of(OURS, figure);
      const beside = (/** @type {objects.Contender} */ { name }, more = {}) =>
        new Line(figure, ours, { peer: of(name, figure), ...more });
      return [
        beside(objects.graphqlSubscriptions, { target: target.ratioAtLeast(10_000) }),
        beside(objects.yoga),
        beside(objects.mqemitter),
        beside(objects.map, {
          target: target.ratioAtLeast(0.75),
          note: 'the map knows this one equality and no other filter',
          ifMissed:
            'the map knows this one equality and no other filter, and pays for little but the loops that take the ' +
            'events; ours looks an id up in an index, then at the filter, the subscription and its inbox: of 10,000 ' +
            'none is in the nearest caches, so each costs a miss',
        }),
      ];
    };
    return [
      ...lines(SINGLE),
      ...lines(BURSTS),
      new Line(`${SINGLE}, closures in place of \`where\``, of(objects.dropInClosures.name, SINGLE), {
        peer: of(objects.graphqlSubscriptions.name, SINGLE),
        note: 'each closure is asked, but before anything is queued',
      }),
    ];
  },
};
