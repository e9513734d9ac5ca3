'use strict';

const objects = require('../contenders/objects');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { rate } = require('../load/rate');
const { SHAPES, mixedEvent } = require('../load/shapes');
const { SUBSCRIBERS, Tally, consume, turn } = require('../load/subscribers');

const EVENTS = 250;
const OURS = objects.dropIn.name;

/** @returns {import('../load/subscribers').Subscriber[]} */
function subscribers() {
  return Array.from({ length: SUBSCRIBERS }, (_, number) => {
    const { where, variables, admits } = SHAPES[number % SHAPES.length];
    const values = variables(number);
    return { number, where, variables: values, admits: (event) => admits(event, values) };
  });
}

/** @param {objects.Contender} contender */
const contender = ({ name, slow, open }) => ({
  name,
  rounds: slow ? 3 : undefined,
  async run() {
    const world = open();
    const tally = new Tally();
    const all = subscribers();
    for (const subscriber of all) void consume(world.iterate(subscriber), subscriber, tally);
    await turn();
    const events = Array.from({ length: EVENTS }, (_, serial) => mixedEvent(serial));
    const wanted = events.map((event) => all.filter(({ admits }) => admits(event)));
    /** @type {import('../load/rate').Expect} */
    const expect = (place, expected) => {
      for (const subscriber of wanted[place]) expected.take(subscriber, events[place]);
    };
    const job = { publish: world.publish, tally, events, expect };
    return [await rate({ ...job, batch: slow ? 1 : 64, seconds: 0.45 })];
  },
});

/** How many an event is for, on average. */
function matches() {
  const all = subscribers();
  const events = Array.from({ length: EVENTS }, (_, serial) => mixedEvent(serial));
  const sum = events.reduce((sum, event) => sum + all.filter(({ admits }) => admits(event)).length, 0);
  return (sum / EVENTS).toFixed(1);
}

/** @type {import('../harness/rounds').Row} */
module.exports = {
  name: 'mix',
  question:
    'The same with 20 different shapes of filters, 500 of each: equalities, lists, `$or`, `$not`, ranges, prefixes, ' +
    'suffixes, wildcards, networks, arrays and others.',
  rounds: 5,
  figures: [['rate', Unit.PER_SECOND]],
  contenders: [objects.dropIn, objects.graphqlSubscriptions, objects.yoga, objects.mqemitter].map(contender),
  lines(of) {
    const ours = of(OURS);
    const beside = (/** @type {objects.Contender} */ { name }) =>
      new Line('events per second', ours, { peer: of(name) });
    return [
      new Line('events per second', ours, {
        target: target.atLeast(50_000),
        note: `an event is for ${matches()} subscribers on average`,
      }),
      beside(objects.graphqlSubscriptions),
      beside(objects.yoga),
      beside(objects.mqemitter),
    ];
  },
};
