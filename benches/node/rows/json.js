'use strict';

const bytes = require('../contenders/bytes');
const { Unit } = require('../harness/rounds');
const { Line, target } = require('../harness/report');
const { documentEvent } = require('../load/documents');
const { rate } = require('../load/rate');
const { SUBSCRIBERS, Tally, byDocument, consume, turn } = require('../load/subscribers');

const ONE_OF_100 = 'one of 100';
const AS_BYTES = 'as bytes';
const PARSED = 'parsed';

/** For whom the event at this place is, or that it is for nobody here. @param {number} place @param {string} what */
const idAt = (place, what) => (what === ONE_OF_100 && place % 100 !== 0 ? SUBSCRIBERS : 0) + ((place * 7_919) % SUBSCRIBERS);

/**
 * @param {bytes.Contender} contender
 * @param {{ size: number, events: number, batch: number }} load
 */
const contender = ({ name, open }, { size, events, batch }) => ({
  name,
  async run() {
    const figures = [];
    for (const what of [ONE_OF_100, AS_BYTES, PARSED]) {
      const world = open(what === AS_BYTES ? 'bytes' : 'parsed');
      const counted = (what === AS_BYTES && world.bytes) || undefined;
      const arrived = new Tally();
      const tally = {
        take: counted
          ? (/** @type {any} */ subscriber, /** @type {any} */ taken) => arrived.take(subscriber, { serial: counted(taken) })
          : (/** @type {any} */ subscriber, /** @type {any} */ taken) => arrived.take(subscriber, world.parsed(taken)),
      };
      for (const subscriber of byDocument(SUBSCRIBERS)) void consume(world.iterate(subscriber), subscriber, tally);
      await turn();
      const messages = Array.from({ length: events }, (_, place) =>
        Buffer.from(JSON.stringify(documentEvent(idAt(place, what), place, size))),
      );
      /** @type {import('../load/rate').Expect} */
      const expect = (place, expected) => {
        const number = idAt(place, what);
        if (number >= SUBSCRIBERS) return;
        expected.take({ number }, { serial: counted ? messages[place].length : place });
      };
      figures.push(await rate({ publish: world.publish, tally: arrived, events: messages, expect, batch, seconds: 0.3 }));
      globalThis.gc?.();
    }
    return figures;
  },
});

/**
 * @param {string} name
 * @param {string} size in words
 * @param {{ size: number, events: number, batch: number }} load
 * @param {number} least times the map's rate
 */
const row = (name, size, load, least) => ({
  name,
  question:
    `10,000 subscriptions on one topic, each filtering for its own id; messages are ${size} of JSON in a Buffer: ` +
    'events per second.',
  rounds: 5,
  figures: [ONE_OF_100, AS_BYTES, PARSED].map((what) => [what, Unit.PER_SECOND]),
  contenders: [bytes.hub, bytes.redis, bytes.map].map((one) => contender(one, load)),
  lines: (/** @type {(contender: string, figure: string) => import('../harness/samples').Samples} */ of) => {
    const least_ = target.ratioAtLeast(least);
    const lines = (/** @type {bytes.Contender} */ { name }, /** @type {string} */ way) => {
      const line = (/** @type {string} */ what, /** @type {string} */ figure, more = {}) =>
        new Line(`${way}: ${what}`, of(name, figure), { peer: of(bytes.map.name, figure), ...more });
      return [
        line('one event in 100 is for somebody here, who parses it', ONE_OF_100, { target: least_ }),
        line('each is for somebody, who takes it as bytes', AS_BYTES, {
          target: least_,
          note: 'the map has parsed it',
        }),
        line('each is for somebody, who parses it', PARSED, { note: 'both parse each event once' }),
      ];
    };
    return [...lines(bytes.hub, '`hub.publish`'), ...lines(bytes.redis, '`RedisPubSub`, from its client\'s event on')];
  },
});

module.exports = [
  row('json-1k', '1 KB', { size: 1_000, events: 1_000, batch: 64 }, 3),
  row('json-64k', '64 KB', { size: 64_000, events: 100, batch: 8 }, 20),
];
