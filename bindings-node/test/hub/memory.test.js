'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Hub } = require('../..');
const { collect, drained, gc, inTime, program, texts, turn, until } = require('./rig');

test('memory is flat over a million events', async () => {
  const { code, out, err } = await program(`
    const v8 = require('node:v8');
    v8.setFlagsFromString('--expose-gc');
    const gc = require('node:vm').runInNewContext('gc');
    const hub = new Hub({ budget: { events: 4096 } });
    let got = 0;
    const count = async (subscription) => { for await (const event of subscription) got += 1; };
    const batches = async (subscription) => { for await (const batch of subscription.batches()) got += batch.length; };
    hub.on('a', () => { got += 1; });
    count(hub.subscribe('a'));
    count(hub.subscribe({ patterns: '*', where: { id: [7] } }));
    batches(hub.subscribe('a'));
    const stalled = hub.subscribe({ topics: 'a', budget: { events: 16 } });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const marks = [];
    (async () => {
      for (let i = 0; i < 1_000_000; i += 1) {
        const large = i % 50_000 === 0;
        hub.publish(large ? 'large' + i : 'a', large ? Buffer.alloc(200_000) : '{"id":' + (i % 1000) + ',"text":"some text"}', i % 3 ? undefined : { key: 'k' + (i % 10), attributes: { id: i % 1000 } });
        if (i % 500 === 499) while (got % 1 === 0 && hub.stats().bytesHeld > 200_000) await turn();
        if (i % 200_000 === 199_999) {
          for (let n = 0; n < 3; n += 1) { gc(); await turn(); }
          const { rss, heapUsed, external } = process.memoryUsage();
          marks.push({ rss, heapUsed, external });
        }
      }
      console.log(JSON.stringify({ got, marks, held: hub.stats().bytesHeld, subscriptions: hub.stats().subscriptions }));
    })();
  `);
  assert.equal(code, 0, err);
  const { got, marks, held, subscriptions } = JSON.parse(out);
  assert.equal(subscriptions, 5);
  assert.ok(got >= 3 * 999_980, String(got));
  assert.ok(held < 1_000_000, String(held));
  const [, first] = marks;
  const last = marks.at(-1);
  assert.ok(last.heapUsed - first.heapUsed < 2e6, JSON.stringify(marks));
  assert.ok(last.external - first.external < 2e6, JSON.stringify(marks));
  assert.ok(last.rss - first.rss < 30e6, JSON.stringify(marks));
});

test('a subscription that is garbage is unsubscribed', async () => {
  const hub = new Hub();
  const kept = hub.subscribe('a');
  for (let i = 0; i < 1_000; i += 1) hub.subscribe({ topics: 'a', where: { id: [i] } });
  // Some have read, and some have something to read.
  for (let i = 0; i < 10; i += 1) {
    const next = hub.subscribe('a').next();
    hub.publish('a', '{}');
    await inTime(next);
    hub.publish('a', '{}');
  }
  (() => {
    const { signal } = new AbortController();
    hub.subscribe('a', { signal });
  })();
  await until(() => {
    gc();
    return hub.stats().subscriptions === 1;
  }, 'the garbage is gone');
  await texts(kept, 20);
});

test('a subscription that somebody waits for is not garbage', async () => {
  const hub = new Hub();
  const got = [];
  (() => {
    hub.subscribe('a').next().then(({ value }) => got.push(`next ${value.text()}`));
    hub.subscribe('a').batches().next().then(({ value }) => got.push(`batch ${value[0].text()}`));
    (async () => {
      for await (const event of hub.subscribe('a')) got.push(`loop ${event.text()}`);
    })();
    hub.on('a', (event) => got.push(`on ${event.text()}`));
  })();
  await collect();
  await collect();
  assert.equal(hub.stats().subscriptions, 4);
  hub.publish('a', '1');
  await drained(hub);
  assert.deepEqual(got.sort(), ['batch 1', 'loop 1', 'next 1', 'on 1']);
  await until(() => {
    gc();
    return hub.stats().subscriptions === 2;
  }, 'those that have been read are gone');
  hub.publish('a', '2');
  await drained(hub);
  assert.deepEqual(got.slice(4).sort(), ['loop 2', 'on 2']);
});

test('a subscription whose hub nobody holds goes on', async () => {
  const token = await (async () => {
    const hub = new Hub();
    (async () => {
      for await (const event of hub.subscribe('a')) hub.publish('b', event.text());
    })();
    return hub.share();
  })();
  for (let round = 0; round < 5; round += 1) {
    await collect();
    const hub = Hub.join(token);
    const answer = hub.subscribe('b').next();
    hub.publish('a', String(round));
    assert.equal((await inTime(answer)).value.text(), String(round));
  }
});

test('hubs that nobody holds any more are gone', async () => {
  const alive = new FinalizationRegistry(() => { gone += 1; });
  let gone = 0;
  await (async () => {
    for (let i = 0; i < 50; i += 1) {
      const hub = new Hub();
      alive.register(hub, undefined);
      const subscription = hub.subscribe('a');
      const next = subscription.next();
      hub.publish('a', '');
      await inTime(next);
      hub.on('b', () => {}).off();
    }
  })();
  await until(() => {
    gc();
    return gone === 50;
  }, 'all hubs are gone');
});

test('an idle loop holds no event', async () => {
  const hub = new Hub();
  let got = 0;
  for (let i = 0; i < 100; i += 1) hub.on('a', () => { got += 1; });
  for (const size of [10, 10_000, 1_000_000]) for (let i = 0; i < 10; i += 1) hub.publish('a', Buffer.alloc(size));
  await until(() => got === 3_000, 'all deliveries');
  await until(() => {
    gc();
    return hub.stats().bytesHeld === 0;
  }, 'the engine holds nothing');
});

test('a small event that is kept pins no more than a slab', async () => {
  const hub = new Hub({ budget: { events: 100_000 } });
  const kept = [];
  let count = 0;
  hub.on('a', (event) => {
    count += 1;
    if (count % 1_000 === 0) kept.push(event.data);
  });
  for (let round = 0; round < 100; round += 1) {
    for (let i = 0; i < 1_000; i += 1) hub.publish('a', Buffer.alloc(100));
    await turn();
  }
  await drained(hub);
  await collect();
  assert.equal(kept.length, 100);
  for (const data of kept) assert.ok(data.buffer.byteLength <= 16 << 10);
});
