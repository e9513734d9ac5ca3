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

const FEED =
  'a subscription with a filter has a feed of its own in the hub, which threads and gateways share: it is locked, ' +
  'woken, drained and handed over for one event, and each step meets memory that is in no near cache';
const PARSING = 'both parse each event once, which is most of the work';
const STRINGS = 'its default: the client has made a string of each message, and `RedisPubSub` parses what is wanted';

/**
 * For whom the event at this place is; from 10,000 on it is for nobody here.
 *
 * @param {number} place
 * @param {string} what
 */
function idAt(place, what) {
  const id = (place * 7_919) % SUBSCRIBERS;
  return what === ONE_OF_100 && place % 100 !== 0 ? SUBSCRIBERS + id : id;
}

/**
 * @param {bytes.Contender} contender
 * @param {{ size: number, events: number, batch: number }} load
 */
const contender = ({ name, open }, { size, events, batch }) => ({
  name,
  async run() {
    const figures = [];
    for (const what of [ONE_OF_100, AS_BYTES, PARSED]) {
      const world = open();
      const counted = (what === AS_BYTES && world.bytes) || undefined;
      const tally = new Tally(counted ?? ((taken) => world.parsed(taken).serial));
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
      figures.push(await rate({ publish: world.publish, tally, events: messages, expect, batch, seconds: 0.3 }));
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
 * @returns {import('../harness/rounds').Row}
 */
const row = (name, size, load, least) => ({
  name,
  question:
    `10,000 subscriptions on one topic, each filtering for its own id; messages are ${size} of JSON in a Buffer, ` +
    'published to a hub, or emitted by a client of `RedisPubSub`: events per second. The map knows nothing without ' +
    'parsing, so to it all of them are parsed.',
  rounds: 3,
  figures: [ONE_OF_100, AS_BYTES, PARSED].map((what) => [what, Unit.PER_SECOND]),
  contenders: [bytes.hub, bytes.redisBuffers, bytes.redisStrings, bytes.map].map((one) => contender(one, load)),
  lines(of) {
    const faster = { target: target.ratioAtLeast(least) };
    const line = (
      /** @type {bytes.Contender} */ { name },
      /** @type {string} */ what,
      /** @type {string} */ figure,
      more = {},
    ) => new Line(what, of(name, figure), { peer: of(bytes.map.name, figure), ...more });
    const hub = '`hub.publish`';
    const buffers = '`RedisPubSub`, Buffers';
    const strings = '`RedisPubSub`, strings';
    return [
      line(bytes.hub, `${hub}: one event in 100 is for somebody here, who parses it`, ONE_OF_100, {
        ...faster,
        ifMissed: 'the publish call alone: a copy of the message, locks that other threads share, the index',
      }),
      line(bytes.hub, `${hub}: each is for somebody, who takes it as bytes`, AS_BYTES, { ...faster, ifMissed: FEED }),
      line(bytes.hub, `${hub}: each is for somebody, who parses it`, PARSED, { note: PARSING }),
      line(bytes.redisBuffers, `${buffers}: one event in 100 is for somebody here, who parses it`, ONE_OF_100, faster),
      line(bytes.redisBuffers, `${buffers}: each is for somebody, who takes it as bytes`, AS_BYTES, faster),
      line(bytes.redisBuffers, `${buffers}: each is for somebody, who parses it`, PARSED, { note: PARSING }),
      line(bytes.redisStrings, `${strings}: one event in 100 is for somebody here`, ONE_OF_100, { note: STRINGS }),
      line(bytes.redisStrings, `${strings}: each is for somebody`, PARSED, { note: STRINGS }),
    ];
  },
});

module.exports = [
  row('json-1k', '1 KB', { size: 1_000, events: 1_000, batch: 64 }, 3),
  row('json-64k', '64 KB', { size: 64_000, events: 100, batch: 8 }, 20),
];
