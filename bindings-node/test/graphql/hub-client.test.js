'use strict';

// RedisPubSub on a hub, beside graphql-redis-subscriptions as it is published.

const assert = require('node:assert/strict');
const { after, before, describe, test } = require('node:test');

const published = require('graphql-redis-subscriptions');

const { Hub } = require('../..');
const { RedisPubSub, whereArgs, withFilter } = require('../../graphql');
const { startServer, until, within } = require('../rig/redis');

/** @type {Awaited<ReturnType<typeof startServer>>} */
let server;
let redis = '';
const opened = [];
before(async () => {
  server = await startServer();
  redis = `redis://127.0.0.1:${server.port}`;
});
after(async () => {
  await Promise.all(opened.map((pubsub) => pubsub.close()));
  await server?.stop();
});

function kept(pubsub) {
  opened.push(pubsub);
  return pubsub;
}

const ours = (options = {}) => kept(new RedisPubSub({ redis, ...options }));
const theirs = () => kept(new published.RedisPubSub({ connection: { ...server.connection, connectionName: 'theirs' } }));
const soon = (promise) => within(promise, () => 'a promise settles');

describe('RedisPubSub on a hub', () => {
  for (const [from, to] of /** @type {const} */ ([['ours', 'ours'], ['ours', 'theirs'], ['theirs', 'ours']])) {
    test(`${from} publishes, ${to} hears`, async () => {
      const make = { ours, theirs };
      const [publisher, subscriber] = [make[from](), make[to]()];
      const seen = [];
      const name = `${from}.${to}`;
      await soon(subscriber.subscribe(name, (message) => seen.push(['channel', message])));
      await soon(subscriber.subscribe(`${from}.*`, (message) => seen.push(['pattern', message]), { pattern: true }));
      const payload = { changed: { id: 1, name: 'häll\u00f6', list: [1, null] } };
      await soon(publisher.publish(name, payload));
      await until(() => seen.length === 2, () => 'both have it');
      assert.deepEqual(seen.sort(), [['channel', payload], ['pattern', payload]]);
    });
  }

  test('a message reaches each subscriber of the publishing process once', async () => {
    const pubsub = ours();
    const seen = [];
    await soon(pubsub.subscribe('own', (message) => seen.push(message)));
    for (let i = 0; i < 50; i += 1) await soon(pubsub.publish('own', i));
    await soon(theirs().publish('own', 'end'));
    await until(() => seen.includes('end'), () => 'the last has come');
    assert.deepEqual(seen, [...Array.from({ length: 50 }, (_, i) => i), 'end']);
  });

  test('filters, iterators and texts that are no JSON', async () => {
    const pubsub = ours();
    const iterator = await withFilter(() => pubsub.asyncIterator('orders'), whereArgs({ id: 'id' }))({}, { id: 2 });
    const next = iterator.next();
    const raw = [];
    await soon(pubsub.subscribe('raw', (message) => raw.push(message)));
    const other = theirs();
    await soon(other.publish('orders', { id: 1 }));
    await soon(other.publish('orders', { id: 2 }));
    assert.deepEqual((await soon(next)).value, { id: 2 });
    await soon(pubsub.getPublisher().publish('raw', 'no JSON'));
    await until(() => raw.length === 1, () => 'it is heard');
    assert.deepEqual(raw, ['no JSON']);
  });

  test('who has left is not heard of any more, by Redis neither', async () => {
    const pubsub = ours({ redis: { url: redis, linger: 10 } });
    const id = await soon(pubsub.subscribe('left', () => assert.fail('it has left')));
    pubsub.unsubscribe(id);
    const other = theirs();
    await soon(pubsub.publish('left', 1));
    const counts = async () => (await other.getPublisher().pubsub('NUMSUB', 'left'))[1];
    const end = Date.now() + 20_000;
    while ((await counts()) !== 0) assert.ok(Date.now() < end, 'Redis knows that nobody listens');
  });

  test('buffers, by the events that are named for them', async () => {
    const pubsub = ours({ messageEventName: 'messageBuffer', pmessageEventName: 'pmessageBuffer' });
    const seen = [];
    await soon(pubsub.subscribe('bytes', (message) => seen.push(message)));
    await soon(pubsub.subscribe('byte?', (message) => seen.push(message), { pattern: true }));
    await soon(pubsub.publish('bytes', Buffer.from([0, 255])));
    await until(() => seen.length === 2, () => 'both have it');
    assert.deepEqual(seen, [Buffer.from([0, 255]), Buffer.from([0, 255])]);
  });

  test('a hub that is given is used, and stays open', async () => {
    const hub = new Hub({ redis });
    const pubsub = new RedisPubSub({ redis: hub });
    const events = hub.subscribe('shared');
    await soon(hub.joined());
    await soon(pubsub.publish('shared', { a: 1 }));
    assert.deepEqual((await soon(events.next())).value?.json(), { a: 1 });
    assert.deepEqual(await soon(pubsub.close()), ['OK', 'OK']);
    assert.equal(hub.closed, false);
    hub.close();
  });

  test('what cannot be is refused at the call', () => {
    for (const options of [
      { redis: 5 },
      { redis: 'localhost' },
      { redis: { urls: [] } },
      { redis, connection: server.connection },
      { redis, publisher: {} },
      { redis, connectionListener: () => {} },
    ]) {
      assert.throws(() => new RedisPubSub(/** @type {any} */ (options)), { code: 'ERR_BAD_OPTION' });
    }
  });
});
