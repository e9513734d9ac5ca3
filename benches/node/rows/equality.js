'use strict';

const objects = require('../contenders/objects');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { documentEvent } = require('../load/documents');
const { rate } = require('../load/rate');
const { SUBSCRIBERS, Tally, byDocument, consume, turn } = require('../load/subscribers');

const OURS = objects.dropIn.name;

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
    const job = { publish: world.publish, tally, events, expect };
    return [await rate({ ...job, batch: slow ? 1 : 64, seconds: 0.45 })];
  },
});

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'equality',
  question:
    '10,000 subscriptions on one topic, each filtering for its own id; objects published in process, one of the ' +
    '10,000 matches: events per second, each counted by the `for await` loop that it is for.',
  rounds: 5,
  figures: [['rate', Unit.PER_SECOND]],
  contenders: [
    objects.dropIn,
    objects.graphqlSubscriptions,
    objects.yoga,
    objects.mqemitter,
    objects.map,
    objects.dropInClosures,
  ].map(contender),
  lines(of) {
    const ours = of(OURS);
    const beside = (/** @type {objects.Contender} */ { name }, more = {}) =>
      new Line('events per second', ours, { peer: of(name), ...more });
    return [
      beside(objects.graphqlSubscriptions, { target: target.ratioAtLeast(10_000) }),
      beside(objects.yoga),
      beside(objects.mqemitter),
      beside(objects.map, {
        target: target.ratioAtLeast(0.75),
        note: 'the map knows this one equality and no other filter',
      }),
      new Line('events per second, closures in place of `where`', of(objects.dropInClosures.name), {
        peer: of(objects.graphqlSubscriptions.name),
        note: 'each closure is asked, but before anything is queued',
      }),
    ];
  },
};
