'use strict';

// The queues of iterators, and the estimate of what stands in them.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Latest, Ring } = require('../../lib/graphql/backlog');
const { Message } = require('../../lib/graphql/message');
const { weigh } = require('../../lib/graphql/weight');

test('a ring is a queue', () => {
  const ring = new Ring();
  const model = [];
  let random = 1;
  for (let step = 0; step < 20_000; step++) {
    random = (random * 48_271) % 2_147_483_647;
    // Longer and shorter in turns, so that it grows, wraps around and empties.
    if (random % 100 < (Math.floor(step / 1_000) % 2 === 0 ? 60 : 40)) {
      ring.push(step);
      model.push(step);
    } else {
      assert.equal(ring.shift(), model.shift());
    }
    assert.equal(ring.size, model.length);
  }
  ring.clear();
  assert.equal(ring.size, 0);
  assert.equal(ring.shift(), undefined);
});

test('the latest of each key: what is replaced is given back', () => {
  const latest = new Latest((payload) => payload.key);
  const messages = ['x', 'y', 'x', undefined, undefined].map((key) => new Message({ key }));
  assert.deepEqual(messages.map((message) => latest.push(message)), [undefined, undefined, messages[0], undefined, undefined]);
  assert.equal(latest.size, 4);
  for (const message of [messages[1], messages[2], messages[3], messages[4], undefined]) assert.equal(latest.shift(), message);
});

test('the weight of small values is near what they keep, of large ones estimated from a sample', () => {
  const between = (value, least, most) => {
    const weight = weigh(value);
    assert.ok(weight >= least && weight <= most, `${weight} is not between ${least} and ${most}`);
  };
  for (const value of [undefined, null, true, 5, 5n, Symbol('x'), () => {}]) between(value, 8, 8);
  between('x'.repeat(1_000), 2_000, 2_100);
  between(Buffer.alloc(1_000_000), 1_000_000, 1_000_100);
  between(new Float64Array(1_000), 8_000, 8_100);
  between({ id: 1, name: 'abc' }, 40, 120);
  between(Array.from({ length: 100_000 }, () => 'x'.repeat(100)), 20_000_000, 23_000_000);
  between(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`key ${i}`, i])), 150_000, 300_000);
  between(new Map(Array.from({ length: 10_000 }, (_, i) => [i, 'x'.repeat(50)])), 1_000_000, 2_000_000);
  between(new Set(['x'.repeat(1_000)]), 2_000, 2_100);
  between([], 32, 40);
});

test('weighing ends, whatever the payload, and never throws', () => {
  const cyclic = { list: [] };
  cyclic.list.push(cyclic, cyclic, cyclic);
  assert.ok(weigh(cyclic) > 0);
  assert.ok(weigh(new Proxy({}, { ownKeys() { throw new Error('no'); } })) > 0);
  assert.ok(weigh({ get x() { throw new Error('no'); } }) > 0);
  let visits = 0;
  const endless = new Proxy({}, { ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }), get: () => (visits++, endless) });
  assert.ok(weigh(endless) > 0);
  assert.ok(visits <= 256, `${visits} visits`);
});
