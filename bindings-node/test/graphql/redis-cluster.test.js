'use strict';

// RedisPubSub with two Clusters of ioredis, on six real nodes.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');

const Redis = require('ioredis');

const { RedisPubSub, withFilter } = require('../../graphql');
const { startCluster, until, within } = require('../rig/redis');
const { DONE } = require('./rig');

const soon = (promise) => within(promise, () => 'a promise settles');

/** @type {Awaited<ReturnType<typeof startCluster>>} */
let cluster;
before(async () => {
  cluster = await startCluster();
});
after(() => cluster?.stop());

test('channels, patterns, filters and the end', async () => {
  const connect = () => new Redis.Cluster(cluster.nodes).on('error', () => {});
  const pubsub = new RedisPubSub({ publisher: connect(), subscriber: connect() });
  const received = [];
  await soon(pubsub.subscribe('room.1', (message) => received.push(['channel', message])));
  await soon(pubsub.subscribe('room.*', (message) => received.push(['pattern', message]), { pattern: true }));
  const filtered = pubsub.asyncIterator('room.2', { where: { id: 2 } });
  const closure = await withFilter(() => pubsub.asyncIterator(['room.1', 'room.2']), ({ id }, args) => id === args.id)({}, { id: 3 });
  const nexts = [filtered.next(), closure.next()];
  // Channels go to all nodes; a probe of its own tells when the subscriptions of the iterators have got there.
  await soon(pubsub.subscribe('probe', () => {}));
  for (const [channel, id] of [['room.1', 1], ['room.2', 1], ['room.2', 2], ['room.1', 3]]) await pubsub.publish(channel, { id });
  assert.deepEqual(await soon(Promise.all(nexts)), [{ value: { id: 2 }, done: false }, { value: { id: 3 }, done: false }]);
  await until(() => received.length === 6, 'all have come');
  // Two publishers' messages have no order among different nodes, so only what came is compared.
  const count = (kind, id) => received.filter(([name, message]) => name === kind && message.id === id).length;
  assert.deepEqual([count('channel', 1), count('channel', 3), count('pattern', 1), count('pattern', 2), count('pattern', 3)], [1, 1, 2, 1, 1]);
  const waiting = filtered.next();
  assert.deepEqual(await soon(pubsub.close()), ['OK', 'OK']);
  assert.deepEqual(await soon(waiting), DONE);
});

test('the node that a subscriber is connected to goes: it is subscribed again elsewhere', async () => {
  const connect = () => new Redis.Cluster(cluster.nodes, { clusterRetryStrategy: () => 50 }).on('error', () => {});
  const pubsub = new RedisPubSub({ publisher: connect(), subscriber: connect() });
  const iterator = pubsub.asyncIterator('failover', { where: { last: true } });
  const next = iterator.next();
  await soon(pubsub.subscribe('failover', () => {}));
  const admins = cluster.servers.map((server) => new Redis(server.connection).on('error', () => {}));
  const has = await Promise.all(admins.map(async (admin) => (await admin.pubsub('NUMSUB', 'failover'))[1]));
  const at = has.indexOf(1);
  assert.notEqual(at, -1);
  await cluster.servers[at].kill();
  const others = admins.filter((_, i) => i !== at);
  await until(async () => {
    const counts = await Promise.all(others.map(async (admin) => (await admin.pubsub('NUMSUB', 'failover'))[1]));
    return counts.includes(1);
  }, 'another node has the subscription');
  // Any node hands a message on to all others.
  await others[0].publish('failover', '{"last":false}');
  await others[0].publish('failover', '{"last":true}');
  assert.deepEqual(await soon(next), { value: { last: true }, done: false });
  for (const admin of admins) admin.disconnect();
  for (const client of [pubsub.getPublisher(), pubsub.getSubscriber()]) client.disconnect();
  assert.deepEqual(await iterator.return(), DONE);
});
