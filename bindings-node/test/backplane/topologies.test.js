'use strict';

// Hubs that Sentinels or a cluster join.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');

const { Hub } = require('../..');
const { RedisPubSub } = require('../../graphql');
const { inTime, texts, until } = require('../hub/rig');
const { startCluster, startWatched } = require('../rig/redis');

function open(t, redis) {
  const hub = new Hub({ redis });
  t.after(() => hub.close());
  return hub;
}

describe('Sentinel', () => {
  /** @type {Awaited<ReturnType<typeof startWatched>>} */
  let watched;
  before(async () => {
    watched = await startWatched();
  });
  after(() => watched?.stop());

  it('the master dies: what was acknowledged is heard, once and in order, and so is what comes after', async (t) => {
    const rules = { ...watched.options, modes: { 'r.*': 'replay' }, queueDeadline: 30_000 };
    const [one, other] = [open(t, rules), open(t, rules)];
    const there = other.subscribe('r.1');
    assert.equal(await inTime(other.joined()), true);
    for (let i = 0; i < 50; i += 1) await inTime(one.publishAcknowledged('r.1', String(i)));
    await watched.master.kill();
    const under = [];
    for (let i = 50; i < 100; i += 1) under.push(one.publishAcknowledged('r.1', String(i)));
    await inTime(Promise.all(under), 'what was published meanwhile');
    assert.match(await watched.replica.ask('INFO', 'replication'), /role:master/);
    for (let i = 100; i < 150; i += 1) await inTime(one.publishAcknowledged('r.1', String(i)));
    assert.deepEqual(await texts(there, 150), Array.from({ length: 150 }, (_, i) => String(i)));
    assert.equal(there.missed, 0);
    await until(() => other.health().condition !== 'away', 'all is well again');
  });
});

describe('a cluster', () => {
  /** @type {Awaited<ReturnType<typeof startCluster>>} */
  let cluster;
  before(async () => {
    cluster = await startCluster(3);
  });
  after(() => cluster?.stop());

  /** Of all slots: their keys have no common part in braces. */
  const topics = Array.from({ length: 60 }, (_, i) => `topic.${i}`);

  for (const sharded of [false, true]) {
    it(`${sharded ? 'sharded' : 'classic'}: topics of all slots are heard, in order, and logs are replayed`, async (t) => {
      const rules = { ...cluster.options, sharded, modes: { 'topic.*': 'replay' } };
      const [one, other] = [open(t, rules), open(t, rules)];
      const there = topics.map((topic) => other.subscribe(topic));
      assert.equal(await inTime(other.joined()), true);
      for (let i = 0; i < 20; i += 1) {
        if (i === 10) for (const server of cluster.servers) await server.ask('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await inTime(other.joined());
        await inTime(Promise.all(topics.map((topic) => one.publishAcknowledged(topic, String(i)))));
      }
      const all = Array.from({ length: 20 }, (_, i) => String(i));
      for (const subscription of there) assert.deepEqual(await texts(subscription, 20), all);
      const channels = (server) => server.ask('PUBSUB', sharded ? 'SHARDCHANNELS' : 'CHANNELS', 'topic.*');
      const heard = await Promise.all(cluster.servers.map(async (server) => (await channels(server)).length));
      assert.equal(heard.reduce((sum, count) => sum + count), topics.length);
      if (sharded) assert.ok(heard.every((count) => count > 0), `each node has its own: ${heard}`);
      if (sharded) assert.throws(() => other.subscribe({ patterns: 'a.*' }), { code: 'ERR_BAD_SELECTOR' });
    });
  }

  it('in the place of ioredis: a RedisPubSub on it', async (t) => {
    const [one, other] = [0, 1].map(() => new RedisPubSub({ redis: cluster.options }));
    t.after(() => Promise.all([one.close(), other.close()]));
    const seen = [];
    await inTime(other.subscribe('room.*', (message) => seen.push(message), { pattern: true }));
    const filtered = other.asyncIterator('room.2', { where: { id: 2 } });
    const next = filtered.next();
    await inTime(other.subscribe('probe', () => {}));
    for (const [room, id] of [['room.1', 1], ['room.2', 1], ['room.2', 2]]) await inTime(one.publish(room, { id }));
    assert.deepEqual(await inTime(next), { value: { id: 2 }, done: false });
    await until(() => seen.length === 3, 'all have come');
  });
});
