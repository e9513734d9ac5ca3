'use strict';

// Events per second: batches are published in one turn of the event loop each, and the next one follows when
// the last delivery of the one before has been counted.

const { Tally, turn, until } = require('./subscribers');

/**
 * @typedef {import('./subscribers').Tally} Counts
 * @typedef {(place: number, expected: Counts) => void} Expect
 *
 * @param {object} job
 * @param {(event: any) => void} job.publish
 * @param {Counts} job.tally where consumers count
 * @param {any[]} job.events published one after another, round and round
 * @param {Expect} job.expect adds what the event at this place brings about
 * @param {number} job.batch
 * @param {number} job.seconds at least so long, after a third of it to warm up
 */
async function rate({ publish, tally, events, expect, batch, seconds }) {
  // A tally may have been used before.
  const expected = Object.assign(new Tally(), tally);
  let place = 0;
  const run = async (/** @type {number} */ atLeast) => {
    const started = performance.now();
    let published = 0;
    do {
      for (let i = 0; i < batch; i += 1) {
        publish(events[place]);
        expect(place, expected);
        place = place + 1 === events.length ? 0 : place + 1;
      }
      published += batch;
      await turn();
      if (tally.count < expected.count) {
        await until(() => tally.count >= expected.count, () => `${tally.count} of ${expected.count} deliveries`);
      }
    } while (performance.now() - started < atLeast * 1_000);
    return (published * 1_000) / (performance.now() - started);
  };
  await run(seconds / 3);
  const perSecond = await run(seconds);
  await turn();
  tally.check(expected);
  return perSecond;
}

exports.rate = rate;
