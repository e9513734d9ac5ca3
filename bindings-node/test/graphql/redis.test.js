'use strict';

// RedisPubSub with a real redis-server, by ioredis 6 and by the ioredis 5 that graphql-redis-subscriptions comes with.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { createRequire } = require('node:module');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');

const { RedisPubSub, whereArgs, withFilter } = require('../../graphql');
const { startServer, until, within } = require('../rig/redis');
const { DONE } = require('./rig');

const suite = path.join(path.dirname(require.resolve('graphql-redis-subscriptions')), '..', 'package.json');
const versions = { 'ioredis 6': require('ioredis'), 'ioredis 5': createRequire(suite)('ioredis') };

/** A promise that must settle soon. */
const soon = (promise) => within(promise, () => 'a promise settles');

for (const [version, Redis] of Object.entries(versions)) {
  describe(version, () => {
    /** @type {Awaited<ReturnType<typeof startServer>>} */
    let server;
    const opened = [];
    before(async () => {
      server = await startServer();
    });
    after(async () => {
      for (const client of opened) client.disconnect();
      await server?.stop();
    });

    /** A client whose errors are expected. */
    const connect = (options = {}) => {
      const client = new Redis({ ...server.connection, ...options });
      client.on('error', () => {});
      opened.push(client);
      return client;
    };

    const open = (options = {}, clients = {}) =>
      new RedisPubSub({ publisher: connect(clients), subscriber: connect(clients), ...options });

    test('channels, patterns and filters', async () => {
      const pubsub = open();
      const seen = [];
      const done = new Promise((resolve) => {
        const hear = (name) => (message) => {
          seen.push([name, message]);
          if (message.last && seen.filter(([, m]) => m.last).length === 3) resolve();
        };
        Promise.all([
          pubsub.subscribe('orders.1', hear('channel')),
          pubsub.subscribe('orders.*', hear('pattern'), { pattern: true }),
          pubsub.subscribe('orders.1', hear('filtered'), { where: { id: [{ numeric: ['>', 1] }] } }),
        ]).then(async () => {
          await pubsub.publish('orders.1', { id: 1 });
          await pubsub.publish('orders.2', { id: 2 });
          await pubsub.publish('orders.1', { id: 3, last: true });
        }, assert.fail);
      });
      await soon(done);
      assert.deepEqual(seen, [
        ['channel', { id: 1 }],
        ['pattern', { id: 1 }],
        ['pattern', { id: 2 }],
        ['channel', { id: 3, last: true }],
        ['filtered', { id: 3, last: true }],
        ['pattern', { id: 3, last: true }],
      ]);
      assert.deepEqual(await soon(pubsub.close()), ['OK', 'OK']);
    });

    test('iterators: lazily, once for a channel, and Redis knows when they have left', async () => {
      const pubsub = open();
      const counts = async () => (await pubsub.getPublisher().pubsub('NUMSUB', 'lazy'))[1];
      const iterators = Array.from({ length: 50 }, (_, id) => withFilter(() => pubsub.asyncIterator('lazy'), whereArgs({ id: 'id' }))({}, { id }));
      assert.equal(await counts(), 0);
      const nexts = (await Promise.all(iterators)).map((iterator) => iterator.next());
      await until(async () => (await counts()) === 1, 'the channel is subscribed');
      for (let id = 0; id < 50; id++) await pubsub.publish('lazy', { id });
      assert.deepEqual((await soon(Promise.all(nexts))).map(({ value }) => value.id), [...nexts.keys()]);
      for (const iterator of iterators) await (await iterator).return();
      await until(async () => (await counts()) === 0, 'the channel is left');
      await soon(pubsub.close());
    });

    test('Buffers by messageBuffer', async () => {
      const pubsub = open({ messageEventName: 'messageBuffer', pmessageEventName: 'pmessageBuffer' });
      const channel = pubsub.asyncIterator('bytes', { where: { id: 2 } });
      const pattern = pubsub.asyncIterator('byt*', { pattern: true });
      const nexts = [channel.next(), pattern.next()];
      await until(async () => (await pubsub.getPublisher().pubsub('NUMSUB', 'bytes'))[1] === 1, 'it is subscribed');
      await until(async () => (await pubsub.getPublisher().pubsub('NUMPAT')) === 1, 'the pattern is subscribed');
      await pubsub.publish('bytes', { id: 1 });
      await pubsub.publish('bytes', Buffer.from('{"id":2}'));
      assert.deepEqual((await soon(nexts[0])).value, Buffer.from('{"id":2}'));
      assert.deepEqual((await soon(nexts[1])).value, Buffer.from('{"id":1}'));
      await soon(pubsub.close());
    });

    test('clients of its own', async () => {
      const heard = [];
      // `connection` goes to the ioredis beside this package: the newest.
      const pubsub = new RedisPubSub({ connection: server.connection, connectionListener: (error) => heard.push(error) });
      // Subscribed while it connects.
      const next = pubsub.asyncIterator('own').next();
      await until(async () => (await pubsub.getPublisher().pubsub('NUMSUB', 'own'))[1] === 1, 'it is subscribed');
      await pubsub.publish('own', 1);
      assert.deepEqual(await soon(next), { value: 1, done: false });
      assert.deepEqual(heard, [undefined, undefined]);
      await soon(pubsub.close());
    });

    test('a SUBSCRIBE that Redis refuses rejects for all who wait', async () => {
      const admin = connect();
      await admin.call('ACL', 'SETUSER', 'narrow', 'on', '>secret', '+@all', '~*', 'resetchannels', '&allowed');
      const pubsub = open({}, { username: 'narrow', password: 'secret' });
      const iterator = pubsub.asyncIterator(['allowed', 'forbidden']);
      const nexts = [iterator.next(), iterator.next(), pubsub.subscribe('forbidden', () => {})];
      for (const next of nexts) await assert.rejects(soon(next), /NOPERM/);
      assert.deepEqual(await soon(iterator.next()), DONE);
      assert.deepEqual(pubsub.subscriptionMap, {});
      await soon(pubsub.close());
    });

    test('a server that is killed and comes back: subscriptions go on, and nothing is unhandled', async () => {
      const unhandled = [];
      const hear = (error) => unhandled.push(error);
      process.on('unhandledRejection', hear);
      const server = await startServer();
      try {
        const options = { ...server.connection, retryStrategy: () => 50, maxRetriesPerRequest: 0 };
        const pubsub = open({}, options);
        const iterator = pubsub.asyncIterator('news', { where: { id: 2 } });
        const first = iterator.next();
        const id = await soon(pubsub.subscribe('other', () => {}));
        await until(async () => (await pubsub.getPublisher().pubsub('NUMSUB', 'news'))[1] === 1, 'it is subscribed');
        const down = once(pubsub.getSubscriber(), 'close');
        await server.kill();
        await soon(down);
        await assert.rejects(soon(pubsub.publish('news', { id: 2 })));
        // Unsubscribed while there is no connection, and ended in the turn in which it begins.
        pubsub.unsubscribe(id);
        const lost = pubsub.asyncIterator('lost');
        const ended = lost.next();
        await lost.return();
        assert.deepEqual(await soon(ended), DONE);
        await server.start();
        await until(async () => {
          const count = await pubsub.getPublisher().pubsub('NUMSUB', 'news', 'other', 'lost').catch(() => []);
          return count[1] === 1;
        }, 'it is subscribed again');
        await pubsub.publish('news', { id: 1 });
        await pubsub.publish('news', { id: 2 });
        assert.deepEqual(await soon(first), { value: { id: 2 }, done: false });
        const waiting = iterator.next();
        await soon(pubsub.close());
        assert.deepEqual(await soon(waiting), DONE);
        // Once more for good: what is refused now has nobody who would hear of it.
        for (const client of [pubsub.getPublisher(), pubsub.getSubscriber()]) client.disconnect();
        await iterator.return();
        await new Promise((resolve) => setImmediate(resolve));
      } finally {
        process.off('unhandledRejection', hear);
        await server.stop();
      }
      assert.deepEqual(unhandled, []);
    });

    test('the connection goes while iterators leave: nothing is unhandled', async () => {
      const unhandled = [];
      const hear = (error) => unhandled.push(error);
      process.on('unhandledRejection', hear);
      const server = await startServer();
      try {
        const pubsub = open({}, { ...server.connection, retryStrategy: () => null });
        const iterators = Array.from({ length: 20 }, (_, i) => pubsub.asyncIterator([`a${i}`, 'all'], { pattern: i % 2 === 0 }));
        const nexts = iterators.map((iterator) => iterator.next());
        await until(async () => (await pubsub.getPublisher().pubsub('CHANNELS')).length === 11, 'they are subscribed');
        const down = once(pubsub.getSubscriber(), 'end');
        await server.kill();
        for (const iterator of iterators) await soon(iterator.return());
        for (const next of nexts) assert.deepEqual(await soon(next), DONE);
        await soon(down);
        const late = pubsub.asyncIterator('late');
        await assert.rejects(soon(late.next()), /Connection is closed/);
        assert.deepEqual(await late.return(), DONE);
        await new Promise((resolve) => setImmediate(resolve));
      } finally {
        process.off('unhandledRejection', hear);
        await server.stop();
      }
      assert.deepEqual(unhandled, []);
    });
  });
}
