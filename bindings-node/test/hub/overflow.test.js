'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Hub } = require('../..');
const { drained, inTime, texts, turn } = require('./rig');

/**
 * What a reader finds that has not kept up: its events, and what it was told is missing where.
 *
 * @param {import('../..').Subscription} subscription
 */
async function found(subscription) {
  const items = [];
  while (subscription.lag > 0) {
    try {
      const { value, done } = await inTime(subscription.next());
      if (done) return [...items, 'done'];
      items.push(value.text());
    } catch (error) {
      items.push(error.code === 'ERR_LAGGED' ? error.missed : error.code);
      if (error.code !== 'ERR_LAGGED') return items;
    }
  }
  return items;
}

test('drop-oldest keeps the newest and counts exactly', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a', { overflow: 'drop-oldest', budget: { events: 4 } });
  for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
  assert.deepEqual(await found(subscription), [6, '6', '7', '8', '9']);
  assert.equal(subscription.missed, 6);
  assert.equal(hub.stats().droppedOldest, 6);
});

test('drop-newest keeps the oldest and says where others would have stood', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a', { overflow: 'drop-newest', budget: { events: 4 } });
  for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
  assert.deepEqual(await texts(subscription, 4), ['0', '1', '2', '3']);
  await drained(hub);
  hub.publish('a', 'after');
  assert.deepEqual(await found(subscription), [6, 'after']);
  assert.equal(hub.stats().droppedNewest, 6);
});

test('disconnect closes a slow reader and says so, once', async () => {
  const hub = new Hub();
  const slow = hub.subscribe('a', { overflow: 'disconnect', budget: { events: 4 } });
  const waiting = hub.subscribe('a', { overflow: 'disconnect', budget: { events: 40 } });
  const first = waiting.next();
  for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
  assert.equal((await inTime(first)).value.text(), '0');
  assert.deepEqual(await inTime(slow.ended), { reason: 'slow-consumer' });
  await assert.rejects(slow.next(), { code: 'ERR_SLOW_CONSUMER', name: 'DistributaryError', message: /larger/ });
  assert.deepEqual(await slow.next(), { value: undefined, done: true });
  assert.deepEqual(await texts(waiting, 9), ['1', '2', '3', '4', '5', '6', '7', '8', '9']);
  assert.equal(hub.stats().slowClosed, 1);
  assert.equal(hub.stats().subscriptions, 1);
});

test('disconnect closes a reader that waits in the middle of a burst that it cannot take', async () => {
  const hub = new Hub();
  const slow = hub.subscribe('a', { overflow: 'disconnect', budget: { events: 4 } });
  const waiting = slow.next();
  for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
  await assert.rejects(inTime(waiting), { code: 'ERR_SLOW_CONSUMER' });
});

test('keep-latest keeps one event of each key', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a', { overflow: 'keep-latest', budget: { events: 3 } });
  for (const [key, text] of [['x', '1'], ['y', '2'], ['x', '3'], ['z', '4'], ['y', '5'], ['x', '6']]) {
    hub.publish('a', text, { key });
  }
  assert.deepEqual(await found(subscription), ['4', '5', '6']);
  assert.equal(hub.stats().conflated, 3);
});

test('the policy and the budget of the hub are the default', async () => {
  const hub = new Hub({ overflow: 'drop-newest', budget: { events: 2 } });
  const subscription = hub.subscribe('a');
  for (let i = 0; i < 5; i += 1) hub.publish('a', String(i));
  assert.deepEqual(await texts(subscription, 2), ['0', '1']);
  const own = hub.subscribe('a', { overflow: 'drop-oldest', budget: { events: 1 } });
  for (let i = 0; i < 5; i += 1) hub.publish('a', String(i));
  assert.deepEqual(await found(own), [4, '4']);
});

test('a part of a budget that is not said is the hub\'s', async () => {
  const hub = new Hub({ budget: { events: 3, bytes: 1_000 } });
  const subscription = hub.subscribe('a', { budget: { events: 100 } });
  for (let i = 0; i < 50; i += 1) hub.publish('a', 'x'.repeat(400));
  assert.ok(subscription.lag > 0);
  const [missed] = await found(subscription);
  assert.ok(missed >= 48, `${missed} are over what may wait in bytes`);
});

test('budgets hold by bytes and by age', async () => {
  const hub = new Hub();
  const bytes = hub.subscribe('a', { budget: { bytes: 3_000 } });
  for (let i = 0; i < 10; i += 1) hub.publish('a', Buffer.alloc(1_000, String(i)));
  const [missed, ...rest] = await found(bytes);
  assert.equal(missed, 10 - rest.length);
  assert.ok(rest.length === 2, String(rest.length));

  const aged = hub.subscribe('b', { budget: { age: 20 } });
  hub.publish('b', 'old');
  await new Promise((resolve) => {
    setTimeout(resolve, 40);
  });
  hub.publish('b', 'new');
  assert.deepEqual(await found(aged), [1, 'new']);
});

test('lags are counted exactly, however reading and publishing interleave', async () => {
  for (const overflow of ['drop-oldest', 'drop-newest']) {
    const hub = new Hub({ overflow, budget: { events: 8 } });
    let missed = 0;
    const subscription = hub.subscribe('a', { onLag: (count) => { missed += count; } });
    let [sent, got, last] = [0, 0, -1];
    for (let round = 0; round < 200; round += 1) {
      const burst = (round * 7) % 23;
      for (let i = 0; i < burst; i += 1) hub.publish('a', String(sent++));
      if (round % 5 === 0) await turn();
      for (let i = (round * 5) % 11; i > 0 && subscription.lag > 0; i -= 1) {
        // What waits may be missed events alone: then the next one comes with a later publish.
        const pending = subscription.next();
        hub.publish('a', String(sent++));
        const { value } = await inTime(pending);
        assert.ok(Number(value.text()) > last);
        last = Number(value.text());
        got += 1;
      }
    }
    hub.close();
    for await (const event of subscription) {
      assert.ok(Number(event.text()) > last);
      last = Number(event.text());
      got += 1;
    }
    assert.equal(subscription.missed, missed);
    assert.equal(got + missed, sent, overflow);
    assert.ok(missed > 0);
  }
});

test('a handler that cannot be called in time is told what it missed', async () => {
  const hub = new Hub({ budget: { events: 10 } });
  const calls = [];
  const listener = hub.on('a', (event) => calls.push(event.text()), { onLag: (missed) => calls.push(missed) });
  for (let i = 0; i < 25; i += 1) hub.publish('a', String(i));
  await drained(hub);
  assert.deepEqual(calls, [15, ...Array.from({ length: 10 }, (_, i) => String(15 + i))]);
  assert.equal(listener.missed, 15);
});

test('a handler without onLag makes the process warn, once', async () => {
  const warnings = [];
  const listen = (warning) => {
    if (warning.name === 'DistributaryWarning') warnings.push(warning);
  };
  process.on('warning', listen);
  const hub = new Hub({ budget: { events: 2 } });
  const listener = hub.on('a', () => {});
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 5; i += 1) hub.publish('a', String(i));
    await drained(hub);
  }
  process.off('warning', listen);
  assert.equal(listener.missed, 9);
  assert.deepEqual(warnings.map(({ code }) => code), ['ERR_LAGGED']);
});

test('what a reader of batches does not read stays in the engine, under its budget', async () => {
  const hub = new Hub({ budget: { events: 10 } });
  const subscription = hub.subscribe('a', { onLag: 'skip' });
  const batches = subscription.batches({ max: 1_000 });
  const first = batches.next();
  hub.publish('a', 'first');
  assert.deepEqual((await inTime(first)).value.map((event) => event.text()), ['first']);
  for (let i = 0; i < 500; i += 1) {
    hub.publish('a', String(i));
    if (i % 10 === 0) await drained(hub);
  }
  await drained(hub);
  const { value } = await inTime(batches.next());
  assert.deepEqual(value.map((event) => event.text()), Array.from({ length: 10 }, (_, i) => String(490 + i)));
  assert.equal(subscription.missed, 490);
});

test('a reader that was quick and stops takes no more than what it was given at once', async () => {
  const hub = new Hub({ budget: { events: 20 } });
  const subscription = hub.subscribe('a', { onLag: 'skip' });
  const reading = texts(subscription, 500);
  // It empties its queue in the slice that fills it, so that its credit grows.
  for (let i = 0; i < 500; i += 20) {
    for (let j = i; j < i + 20; j += 1) hub.publish('a', String(j));
    await drained(hub);
  }
  await inTime(reading);
  for (let i = 0; i < 500; i += 1) {
    hub.publish('a', String(i));
    await drained(hub);
  }
  let count = 0;
  for (let text = ''; text !== '499'; count += 1) [text] = await texts(subscription, 1);
  // Of one that it was given credit for, of those that wait under its budget.
  assert.ok(count <= 1 + 20, `${count} were there`);
  assert.equal(subscription.missed, 500 - count);
});

test('who is told of a lag may ask for the next event', async () => {
  const hub = new Hub();
  for (const waits of [false, true]) {
    let inner;
    const subscription = hub.subscribe('a', {
      budget: { events: 2 },
      onLag() {
        inner ??= subscription.next();
      },
    });
    let outer = waits ? subscription.next() : undefined;
    for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
    outer ??= subscription.next();
    const found = [(await inTime(outer)).value.text()];
    if (inner === undefined) found.push((await inTime(subscription.next())).value.text());
    found.push((await inTime(inner, 'the inner one')).value.text());
    assert.deepEqual(found.slice(-2), ['8', '9']);
    assert.equal(subscription.lag, 0);
  }
});

test('who is told of a lag may end the subscription', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a', { budget: { events: 2 }, onLag: () => subscription.close() });
  for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
  const waiting = [subscription.next(), subscription.next(), subscription.next()];
  for (const result of await inTime(Promise.all(waiting))) assert.equal(result.done, true);
});

test('very many who wait are answered in time that grows as they do', async () => {
  const hub = new Hub({ budget: { events: 200_000 } });
  const timeFor = async (count) => {
    const subscription = hub.subscribe('a');
    const began = performance.now();
    const waiting = Array.from({ length: count }, () => subscription.next());
    for (let i = 0; i < count; i += 1) hub.publish('a', String(i));
    const results = await inTime(Promise.all(waiting));
    assert.ok(results.every(({ value }, i) => value.text() === String(i)));
    const ends = Array.from({ length: count }, () => subscription.next());
    subscription.close();
    assert.ok((await inTime(Promise.all(ends))).every(({ done }) => done));
    return performance.now() - began;
  };
  await timeFor(1_000);
  const few = await timeFor(10_000);
  const many = await timeFor(100_000);
  assert.ok(many < 40 * few + 500, `${many} ms for 100,000 and ${few} ms for 10,000`);
});
