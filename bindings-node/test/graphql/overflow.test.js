'use strict';

// Iterators that are not read: what waits for them is bounded, and nothing is lost silently.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { PubSub, PubSubEngine, withFilter } = require('../../graphql');
const { DONE, drained, resultOf, settle, stateOf } = require('./rig');

/** Collects the process warnings while something runs. */
async function warningsOf(run) {
  const warnings = [];
  const hear = (warning) => warnings.push(warning);
  process.on('warning', hear);
  try {
    await run();
    await settle();
  } finally {
    process.off('warning', hear);
  }
  return warnings;
}

/** An iterator that has begun and that nobody reads. */
async function unread(pubsub, options, triggers = 'a') {
  const iterator = pubsub.asyncIterator(triggers, options);
  const first = iterator.next();
  await settle();
  pubsub.publish('a', 'first');
  assert.equal((await first).value, 'first');
  return iterator;
}

test('by default 10,000 messages wait, and one more ends the iterator with an error', async () => {
  const warnings = await warningsOf(async () => {
    const pubsub = new PubSub();
    const iterator = await unread(pubsub);
    for (let i = 0; i < 10_000; i++) pubsub.publish('a', i);
    assert.equal(pubsub.ee.listenerCount('a'), 1);
    pubsub.publish('a', 10_000);
    assert.equal(pubsub.ee.listenerCount('a'), 0);
    assert.deepEqual(pubsub.subscriptions, {});
    await assert.rejects(iterator.next(), { name: 'DistributaryError', code: 'ERR_SLOW_CONSUMER', message: /10000 messages/ });
    assert.deepEqual(await resultOf(iterator.next()), DONE);
    assert.deepEqual(await iterator.return(), DONE);
  });
  assert.deepEqual(warnings.map(({ name, code }) => [name, code]), [['DistributaryWarning', 'DISTRIBUTARY_OVERFLOW']]);
  assert.match(warnings[0].message, /an iterator of a .*ERR_SLOW_CONSUMER/);
});

test('end: the iterator is done without an error, and that is reported too', async () => {
  const told = [];
  const warnings = await warningsOf(async () => {
    const pubsub = new PubSub({ overflow: 'end', budget: { events: 2 }, onOverflow: (info) => told.push(info) });
    const plain = await unread(pubsub);
    const asked = await withFilter(() => pubsub.asyncIterator('a'), () => new Promise(() => {}))();
    void asked.next();
    await settle();
    for (let i = 0; i < 5; i++) pubsub.publish('a', i);
    assert.equal(pubsub.ee.listenerCount('a'), 0);
    for (const iterator of [plain, asked]) assert.deepEqual(await resultOf(iterator.next()), DONE);
  });
  assert.deepEqual(told.map(({ overflow, events }) => [overflow, events]), [['end', 2], ['end', 2]]);
  assert.match(warnings[0].message, /as if there were no more/);
});

test('a for await loop that falls behind ends by the error', async () => {
  await warningsOf(async () => {
    const pubsub = new PubSub({ budget: { events: 3 } });
    const seen = [];
    const loop = (async () => {
      for await (const payload of pubsub.asyncIterator('a')) seen.push(payload);
    })();
    await settle();
    for (let i = 0; i < 5; i++) pubsub.publish('a', i);
    await assert.rejects(loop, { code: 'ERR_SLOW_CONSUMER' });
    assert.deepEqual(seen, [0]);
  });
});

test('the process is warned once for a PubSub, onOverflow is told of each iterator', async () => {
  const told = [];
  const warnings = await warningsOf(async () => {
    const pubsub = new PubSub({ budget: { events: 2 }, onOverflow: (info) => told.push(info) });
    await unread(pubsub);
    await unread(pubsub, { overflow: 'drop-oldest', budget: { events: 1 } }, ['a', 'b']);
    await unread(pubsub, { onOverflow: (info) => told.push(['its own', info.overflow]) });
    for (const n of [10, 11, 12]) pubsub.publish('a', n);
  });
  assert.equal(warnings.length, 1);
  assert.deepEqual(told.map((info) => (Array.isArray(info) ? info : [info.overflow, info.triggers, info.events])), [
    // The first iterator was still there when the second and third one began.
    ['disconnect', ['a'], 2],
    ['drop-oldest', ['a', 'b'], 2],
    ['its own', 'disconnect'],
  ]);
});

test('drop-oldest keeps the newest, drop-newest the oldest; both go on, and tell of each time they fell behind', async () => {
  for (const [overflow, kept] of [['drop-oldest', [7, 8, 9]], ['drop-newest', [0, 1, 2]]]) {
    const told = [];
    await warningsOf(async () => {
      const pubsub = new PubSub();
      const iterator = await unread(pubsub, { overflow, budget: { events: 3 }, onOverflow: (info) => told.push(info) });
      for (let round = 1; round <= 2; round++) {
        for (let i = 0; i < 10; i++) pubsub.publish('a', i);
        assert.equal(told.length, round);
        const values = [];
        for (let i = 0; i < 3; i++) values.push((await iterator.next()).value);
        assert.deepEqual(values, kept);
      }
    });
  }
});

test('keep-latest keeps the newest of each key, in the order of coming', async () => {
  const told = [];
  await warningsOf(async () => {
    const pubsub = new PubSub({ overflow: 'keep-latest', key: (payload) => payload.id, budget: { events: 3 }, onOverflow: (i) => told.push(i) });
    const iterator = await unread(pubsub);
    const publish = (...payloads) => payloads.forEach(([id, n]) => pubsub.publish('a', { id, n }));
    publish(['x', 1], ['y', 1], ['x', 2], ['z', 1], ['x', 3]);
    assert.deepEqual(told, []);
    publish(['w', 1]);
    assert.equal(told.length, 1);
    assert.deepEqual((await drained(iterator)).map(({ id, n }) => [id, n]), [['z', 1], ['x', 3], ['w', 1]]);
    // The first one goes to the reader that drained() left waiting.
    publish([undefined, 0], [undefined, 1], [undefined, 2], [null, 3]);
    assert.deepEqual((await drained(iterator)).map(({ n }) => n), [1, 2, 3]);
  });
});

test('an iterator may have a key of its own, and no more', async () => {
  await warningsOf(async () => {
    const pubsub = new PubSub({ overflow: 'keep-latest', key: () => 'one for all' });
    const iterator = pubsub.asyncIterator('a', { key: (payload) => payload.id });
    void iterator.next();
    await settle();
    for (const id of [0, 1, 2, 1]) pubsub.publish('a', { id });
    assert.deepEqual(await drained(iterator), [{ id: 2 }, { id: 1 }]);
  });
});

test('bytes count: a large message may wait alone, and not two of them', async () => {
  const told = [];
  await warningsOf(async () => {
    const pubsub = new PubSub({ budget: { bytes: 1_000 }, onOverflow: (info) => told.push(info) });
    const iterator = await unread(pubsub);
    pubsub.publish('a', Buffer.alloc(5_000));
    assert.deepEqual(told, []);
    pubsub.publish('a', 'one more');
    assert.equal(told.length, 1);
    assert.ok(told[0].bytes >= 5_000 && told[0].bytes < 5_100, String(told[0].bytes));
    await assert.rejects(iterator.next(), { code: 'ERR_SLOW_CONSUMER' });
  });
});

test('drop-oldest by bytes', async () => {
  await warningsOf(async () => {
    const pubsub = new PubSub({ overflow: 'drop-oldest', budget: { bytes: 1_000 } });
    const iterator = await unread(pubsub);
    for (let i = 0; i < 10; i++) pubsub.publish('a', Buffer.alloc(300, i));
    assert.deepEqual((await drained(iterator)).map((buffer) => buffer[0]), [7, 8, 9]);
  });
});

test('a message is weighed once, and only when somebody has to queue it', async () => {
  const pubsub = new PubSub();
  const iterators = Array.from({ length: 5 }, () => pubsub.asyncIterator('a'));
  const nexts = iterators.map((iterator) => iterator.next());
  await settle();
  let reads = 0;
  const payload = {
    get text() {
      reads++;
      return 'x';
    },
  };
  pubsub.publish('a', payload);
  await Promise.all(nexts);
  assert.equal(reads, 0);
  pubsub.publish('a', payload);
  assert.equal(reads, 1);
});

test('what is filtered out does not count', async () => {
  const pubsub = new PubSub({ budget: { events: 2 } });
  const iterator = pubsub.asyncIterator('a', { where: { id: 1 } });
  const first = iterator.next();
  await settle();
  pubsub.publish('a', { id: 1 });
  await first;
  for (let i = 2; i < 1_000; i++) pubsub.publish('a', { id: i });
  pubsub.publish('a', { id: 1 });
  assert.deepEqual(await drained(iterator), [{ id: 1 }]);
});

test('messages that a closure still decides about count', async () => {
  for (const overflow of ['disconnect', 'drop-newest', 'drop-oldest']) {
    const told = [];
    await warningsOf(async () => {
      const pubsub = new PubSub({ overflow, budget: { events: 3 }, onOverflow: (info) => told.push(info) });
      let decide;
      const iterator = await withFilter(() => pubsub.asyncIterator('a'), () => new Promise((resolve) => (decide = resolve)))();
      const next = iterator.next();
      await settle();
      for (let i = 0; i < 3; i++) pubsub.publish('a', i);
      assert.equal(told.length, 0);
      for (let i = 3; i < 100; i++) pubsub.publish('a', i);
      assert.equal(told.length, 1);
      assert.equal(told[0].events, 3);
      if (overflow === 'disconnect') {
        await assert.rejects(next, { code: 'ERR_SLOW_CONSUMER' });
        return;
      }
      const values = [];
      for (let i = 0; i < 3; i++) {
        decide(true);
        await settle();
        if (i === 0) values.push((await next).value);
      }
      values.push(...(await drained(iterator)));
      assert.deepEqual(values, [0, 1, 2]);
    });
  }
});

test('a listener that is given later is not kept from its message by an iterator that gives up', async () => {
  await warningsOf(async () => {
    const pubsub = new PubSub({ budget: { events: 1 } });
    const seen = [];
    await unread(pubsub);
    pubsub.subscribe('a', (n) => seen.push(n));
    pubsub.publish('a', 1);
    pubsub.publish('a', 2);
    assert.deepEqual(seen, [1, 2]);
  });
});

test('an onOverflow that throws is warned of: publish goes on, and all are served', async () => {
  const warnings = await warningsOf(async () => {
    const pubsub = new PubSub({
      budget: { events: 1 },
      onOverflow() {
        throw new Error('of onOverflow');
      },
    });
    const iterator = await unread(pubsub);
    const seen = [];
    pubsub.subscribe('a', (n) => seen.push(n));
    pubsub.publish('a', 1);
    pubsub.publish('a', 2);
    assert.deepEqual(seen, [1, 2]);
    await assert.rejects(iterator.next(), { code: 'ERR_SLOW_CONSUMER' });
  });
  assert.deepEqual(warnings.map(({ code }) => code), ['DISTRIBUTARY_OVERFLOW', 'DISTRIBUTARY_ON_OVERFLOW']);
  assert.match(warnings[1].detail, /of onOverflow/);
});

test('an onOverflow that throws costs no room', async () => {
  await warningsOf(async () => {
    const pubsub = new PubSub({
      budget: { events: 2 },
      overflow: 'drop-oldest',
      onOverflow() {
        throw new Error('of onOverflow');
      },
    });
    const iterator = await withFilter(() => pubsub.asyncIterator('a'), async () => true)();
    void iterator.next();
    await settle();
    for (let i = 0; i < 6; i++) {
      pubsub.publish('a', i);
      await settle();
    }
    assert.deepEqual(await drained(iterator), [4, 5]);
  });
});

test('a key that throws is none, also behind a closure that promises', async () => {
  const pubsub = new PubSub({ overflow: 'keep-latest', key: (payload) => payload.of.id });
  for (const open of [() => pubsub.asyncIterator('a'), withFilter(() => pubsub.asyncIterator('a'), async () => true)]) {
    const iterator = await open();
    void iterator.next();
    await settle();
    const messages = [{}, { of: { id: 1 } }, {}, { of: { id: 1 } }, {}];
    for (const message of messages) pubsub.publish('a', message);
    await settle();
    assert.deepEqual(await drained(iterator), [{}, { of: { id: 1 } }, {}]);
    await iterator.return();
  }
});

test('an engine of an application: iterators have options of their own', async () => {
  class Own extends PubSubEngine {
    left = [];
    async publish(trigger, payload) {
      this.listener(payload);
    }
    async subscribe(trigger, listener) {
      this.listener = listener;
      return 7;
    }
    unsubscribe(id) {
      this.left.push(id);
    }
  }
  await warningsOf(async () => {
    const pubsub = new Own();
    const iterator = await unread(pubsub, { budget: { events: 2 } });
    for (let i = 0; i < 3; i++) pubsub.publish('a', i);
    await settle();
    assert.deepEqual(pubsub.left, [7]);
    await assert.rejects(iterator.next(), { code: 'ERR_SLOW_CONSUMER' });
  });
});

test('who waits is not touched by the budget', async () => {
  const pubsub = new PubSub({ budget: { events: 1, bytes: 1 } });
  const iterator = pubsub.asyncIterator('a');
  for (let i = 0; i < 100; i++) {
    const next = iterator.next();
    if (i === 0) await settle();
    pubsub.publish('a', { i, text: 'longer than a byte' });
    assert.equal((await next).value.i, i);
  }
});

test('options that are wrong are errors', () => {
  const wrong = [
    { overflow: 'dropAll' },
    { budget: 5 },
    { budget: { events: 0 } },
    { budget: { bytes: -1 } },
    { budget: { event: 5 } },
    { overflow: 'keep-latest' },
    { overflow: 'keep-latest', key: 'id' },
    { key: (payload) => payload.id },
    { onOverflow: true },
  ];
  for (const options of wrong) {
    assert.throws(() => new PubSub(options), { name: 'TypeError', code: 'ERR_BAD_OPTION' }, JSON.stringify(options));
    assert.throws(() => new PubSub().asyncIterator('a', options), { name: 'TypeError', code: 'ERR_BAD_OPTION' });
  }
});

test('an iterator that is ended while a message waits for a verdict stays ended', async () => {
  const pubsub = new PubSub();
  let decide;
  const iterator = await withFilter(() => pubsub.asyncIterator('a'), () => new Promise((resolve) => (decide = resolve)))();
  const next = iterator.next();
  await settle();
  pubsub.publish('a', 1);
  await iterator.return();
  decide(true);
  assert.deepEqual(await stateOf(iterator.next()), { value: DONE });
  assert.deepEqual(await next, DONE);
});
