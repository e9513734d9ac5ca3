'use strict';

// What graphql-subscriptions and graphql-redis-subscriptions get wrong. Each case holds with ours, and is shown not to
// hold with theirs, so that none of them tests something that was never broken.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const { EventEmitter } = require('node:events');
const { test } = require('node:test');

const ours = require('../../graphql');
const theirs = { ...require('graphql-subscriptions'), ...require('graphql-redis-subscriptions') };
const { DONE, MockClient, settle, stateOf } = require('./rig');

/** What a case has to do with: one of the two, and clients for RedisPubSub. */
function kitOf({ PubSub, RedisPubSub, withFilter }) {
  return {
    PubSub,
    withFilter,
    redis() {
      const client = new MockClient();
      return { client, pubsub: new RedisPubSub({ publisher: client, subscriber: client }) };
    },
  };
}

/** @type {Record<string, (kit: ReturnType<typeof kitOf>) => Promise<void>>} */
const cases = {
  async 'PubSub: return() before next() leaks no subscription'({ PubSub }) {
    const pubsub = new PubSub();
    const iterator = pubsub.asyncIterableIterator('a');
    await iterator.return();
    void iterator.next();
    await settle();
    assert.equal(pubsub.ee.listenerCount('a'), 0);
  },

  async 'PubSub: next() after return() settles'({ PubSub }) {
    const iterator = new PubSub().asyncIterableIterator('a');
    const first = iterator.next();
    await settle();
    await iterator.return();
    assert.deepEqual(await stateOf(first), { value: DONE });
    assert.deepEqual(await stateOf(iterator.next()), { value: DONE });
  },

  async 'PubSub: return() in the turn of the first next() settles it'({ PubSub }) {
    const iterator = new PubSub().asyncIterableIterator('a');
    const first = iterator.next();
    void iterator.return();
    assert.deepEqual(await stateOf(first), { value: DONE });
  },

  async 'PubSub: a listener that throws does not keep the message from others'({ PubSub }) {
    const pubsub = new PubSub();
    const seen = [];
    pubsub.subscribe('a', () => {
      throw new Error('of a listener');
    });
    pubsub.subscribe('a', (message) => seen.push(message));
    assert.throws(() => pubsub.publish('a', 1), { message: 'of a listener' });
    assert.deepEqual(seen, [1]);
  },

  async 'PubSub: who was unsubscribed by a listener gets nothing more'({ PubSub }) {
    const pubsub = new PubSub();
    const seen = [];
    pubsub.subscribe('a', () => pubsub.unsubscribe(2));
    pubsub.subscribe('a', (message) => seen.push(message));
    pubsub.publish('a', 1);
    assert.deepEqual(seen, []);
  },

  async 'PubSub: many subscribers are no reason to warn'({ PubSub }) {
    const warnings = [];
    const hear = (warning) => warnings.push(warning.name);
    process.on('warning', hear);
    const pubsub = new PubSub({ eventEmitter: new EventEmitter() });
    for (let i = 0; i < 11; i++) pubsub.subscribe('a', () => {});
    await settle();
    process.off('warning', hear);
    assert.deepEqual(warnings, []);
  },

  async 'PubSub: an unread iterator does not grow without bound'({ PubSub }) {
    const pubsub = new PubSub();
    const iterator = pubsub.asyncIterableIterator('a');
    const first = iterator.next();
    await settle();
    for (let i = 0; i < 10_002; i++) pubsub.publish('a', i);
    await first;
    await settle();
    assert.equal((await stateOf(iterator.next())).error?.code, 'ERR_SLOW_CONSUMER');
  },

  async 'withFilter: what a closure does not admit is never queued'({ PubSub, withFilter }) {
    const pubsub = new PubSub();
    const asked = [];
    const iterator = await withFilter(() => pubsub.asyncIterableIterator('a'), (n) => asked.push(n) > 0 && n === 0)();
    const first = iterator.next();
    await settle();
    for (let i = 0; i < 3; i++) pubsub.publish('a', i);
    await first;
    assert.deepEqual(asked, [0, 1, 2]);
  },

  async 'withFilter: an iterator function that returns nothing is told of at once'({ withFilter }) {
    await assert.rejects(async () => withFilter(() => undefined, () => true)(), { code: 'ERR_BAD_ITERATOR' });
  },

  async 'RedisPubSub: return() before next() leaks no subscription'({ redis }) {
    const { client, pubsub } = redis();
    const iterator = pubsub.asyncIterator('a');
    await iterator.return();
    void iterator.next();
    await settle();
    assert.deepEqual(client.calls, []);
  },

  async 'RedisPubSub: close() settles who waits'({ redis }) {
    const { pubsub } = redis();
    const next = pubsub.asyncIterator('a').next();
    await settle();
    await pubsub.close();
    assert.deepEqual(await stateOf(next), { value: DONE });
  },

  async 'RedisPubSub: a channel and a pattern of one name are two'({ redis }) {
    const { client, pubsub } = redis();
    await pubsub.subscribe('a*', () => {});
    await pubsub.subscribe('a*', () => {}, { pattern: true });
    assert.deepEqual(client.called('psubscribe'), [['psubscribe', 'a*']]);
  },

  async 'RedisPubSub: a listener that throws does not keep the message from others'({ redis }) {
    const { client, pubsub } = redis();
    const seen = [];
    await pubsub.subscribe('a', () => {
      throw new Error('of a listener');
    });
    await pubsub.subscribe('a', (message) => seen.push(message));
    assert.throws(() => client.message('a', '1'), { message: 'of a listener' });
    assert.deepEqual(seen, [1]);
  },

  async 'RedisPubSub: a listener may unsubscribe everybody'({ redis }) {
    const { client, pubsub } = redis();
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await pubsub.subscribe('a', () => ids.splice(0).forEach((id) => pubsub.unsubscribe(id))));
    client.message('a', '1');
  },

  async 'RedisPubSub: a message that is read together with the confirmation is delivered'({ redis }) {
    const { client, pubsub } = redis();
    client.answer = (callback) => void Promise.resolve().then(() => callback(null, 1));
    const seen = [];
    pubsub.subscribe('a', (message) => seen.push(message));
    client.message('a', '1');
    assert.deepEqual(seen, [1]);
  },

  async 'RedisPubSub: a message that nobody wants is not parsed'({ redis }) {
    const { client, pubsub } = redis();
    await pubsub.subscribe('a', () => {}, { where: { id: 1 } });
    const { parse } = JSON;
    let parsed = 0;
    JSON.parse = (...args) => (parsed++, parse(...args));
    try {
      client.message('a', '{"id":2}');
    } finally {
      JSON.parse = parse;
    }
    assert.equal(parsed, 0);
  },
};

for (const [name, run] of Object.entries(cases)) {
  test(name, async () => {
    await run(kitOf(ours));
    await assert.rejects(run(kitOf(theirs)), undefined, 'the case holds with theirs too: it shows nothing');
  });
}

test('RedisPubSub: a refused UNSUBSCRIBE does not end the process', async () => {
  const program = `
    const { RedisPubSub } = require(process.argv[1]);
    const ok = (name, callback) => callback(null, 1);
    const refuse = () => Promise.reject(new Error('Connection is closed.'));
    const client = { on() {}, subscribe: ok, psubscribe: ok, unsubscribe: refuse, punsubscribe: refuse };
    const pubsub = new RedisPubSub({ publisher: client, subscriber: client });
    pubsub.subscribe('a', () => {}).then((id) => pubsub.unsubscribe(id));
  `;
  const run = (file) =>
    new Promise((resolve) => execFile(process.execPath, ['-e', program, file], (error) => resolve(error?.code ?? 0)));
  assert.equal(await run(require.resolve('../../graphql')), 0);
  assert.equal(await run(require.resolve('graphql-redis-subscriptions')), 1);
});
