'use strict';

// The iterators of a PubSub: when they subscribe, what they yield, how they end.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { PubSub, PubSubEngine } = require('../../graphql');
const { DONE, drained, resultOf, settle, stateOf } = require('./rig');

for (const method of ['asyncIterator', 'asyncIterableIterator']) {
  test(`${method} subscribes in the turn of the first next()`, async () => {
    const pubsub = new PubSub();
    const iterator = pubsub[method]('a');
    assert.equal(iterator[Symbol.asyncIterator](), iterator);
    assert.equal(pubsub.ee.listenerCount('a'), 0);
    pubsub.publish('a', 'before');
    const next = iterator.next();
    assert.equal(pubsub.ee.listenerCount('a'), 1);
    pubsub.publish('a', 'after');
    assert.deepEqual(await next, { value: 'after', done: false });
  });
}

test('messages come in order, to readers that wait and to readers that come later', async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator('a');
  const waiting = [iterator.next(), iterator.next(), iterator.next()];
  await settle();
  for (let i = 0; i < 6; i++) pubsub.publish('a', i);
  assert.deepEqual(await Promise.all(waiting), [0, 1, 2].map((value) => ({ value, done: false })));
  assert.deepEqual(await drained(iterator), [3, 4, 5]);
});

test('payloads are handed on as they are', async () => {
  const pubsub = new PubSub();
  const iterators = [pubsub.asyncIterator('a'), pubsub.asyncIterator('a', { where: { id: 1 } })];
  const nexts = iterators.map((iterator) => iterator.next());
  const payload = { id: 1 };
  pubsub.publish('a', payload);
  for (const next of nexts) assert.equal((await next).value, payload);
});

test('several triggers come in one order', async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator(['a', 'b', 'a']);
  const first = iterator.next();
  pubsub.publish('b', 1);
  pubsub.publish('a', 2);
  pubsub.publish('c', 3);
  pubsub.publish('b', 4);
  assert.equal((await first).value, 1);
  assert.deepEqual(await drained(iterator), [2, 2, 4]);
  await iterator.return();
  assert.deepEqual(pubsub.ee.eventNames(), []);
  assert.deepEqual(pubsub.subscriptions, {});
});

test('a for await loop ends its subscription when it is left', async () => {
  const pubsub = new PubSub();
  const seen = [];
  const loop = (async () => {
    for await (const payload of pubsub.asyncIterator('a')) {
      seen.push(payload);
      if (payload === 2) break;
    }
  })();
  for (let i = 0; i < 5; i++) pubsub.publish('a', i);
  await loop;
  assert.deepEqual(seen, [0, 1, 2]);
  assert.equal(pubsub.ee.listenerCount('a'), 0);
});

test('return() gives up what waits, and settles who waits', async () => {
  const pubsub = new PubSub();
  const full = pubsub.asyncIterator('a');
  const waiting = pubsub.asyncIterator('a');
  const first = full.next();
  const nexts = [waiting.next(), waiting.next(), waiting.next()];
  for (let i = 0; i < 2; i++) pubsub.publish('a', i);
  assert.equal((await first).value, 0);
  await settle();
  assert.deepEqual(await full.return(), DONE);
  assert.deepEqual(await full.next(), DONE);
  assert.deepEqual(await waiting.return(), DONE);
  assert.deepEqual(await waiting.return(), DONE);
  assert.deepEqual((await Promise.all(nexts)).map(({ value }) => value), [0, 1, undefined]);
  assert.equal(pubsub.ee.listenerCount('a'), 0);
});

test('an iterator that is ended in the turn of its first next() ends without a message', async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator('a');
  const nexts = [iterator.next(), iterator.next()];
  pubsub.publish('a', 1);
  iterator.return();
  pubsub.publish('a', 2);
  for (const next of nexts) assert.deepEqual(await resultOf(next), DONE);
});

test('throw() rejects with its error and ends', async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator('a');
  const next = iterator.next();
  const error = new Error('enough');
  await assert.rejects(iterator.throw(error), error);
  assert.deepEqual(await resultOf(next), DONE);
  assert.deepEqual(await resultOf(iterator.next()), DONE);
  assert.equal(pubsub.ee.listenerCount('a'), 0);
});

test('Symbol.asyncDispose ends it', { skip: Symbol.asyncDispose === undefined }, async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator('a');
  const next = iterator.next();
  await iterator[Symbol.asyncDispose]();
  assert.deepEqual(await resultOf(next), DONE);
  assert.equal(pubsub.ee.listenerCount('a'), 0);
});

test('where: what is not wanted is not queued, and payloads of any kind are judged', async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator('a', { where: { 'order.id': { $var: 'id' } }, variables: { id: 2 } });
  const next = iterator.next();
  const payloads = [undefined, null, 0, 'order', [], new Date(), { order: { id: 1 } }, { order: { id: 2 }, at: 1 }, { order: [{ id: 2 }] }];
  for (const payload of payloads) pubsub.publish('a', payload);
  pubsub.publish('a', { order: { get id() { throw new Error('unreadable'); } } });
  assert.deepEqual(await next, { value: { order: { id: 2 }, at: 1 }, done: false });
  assert.deepEqual(await drained(iterator), [{ order: [{ id: 2 }] }]);
});

test('where: a filter that is wrong is an error of asyncIterator()', () => {
  const pubsub = new PubSub();
  assert.throws(() => pubsub.asyncIterator('a', { where: { id: [{ like: 'x' }] } }), { code: 'ERR_BAD_FILTER' });
  assert.throws(() => pubsub.asyncIterator('a', { where: { id: { $var: 'id' } } }), { code: 'ERR_BAD_VARIABLE' });
  assert.throws(() => pubsub.asyncIterator('a', { where: { id: { $var: 'id' } }, variables: { id: {} } }), { code: 'ERR_BAD_VARIABLE' });
  assert.throws(() => pubsub.asyncIterator('a', { variables: { id: 1 } }), { code: 'ERR_BAD_VARIABLE' });
  assert.throws(() => pubsub.asyncIterator(undefined), { name: 'TypeError', code: 'ERR_BAD_TOPIC' });
  assert.throws(() => pubsub.asyncIterator(['a', null]), { name: 'TypeError', code: 'ERR_BAD_TOPIC' });
});

test('a misspelt option is an error, and no iterator without a filter', async () => {
  const wrong = { name: 'TypeError', code: 'ERR_BAD_OPTION', message: /"wher"/ };
  assert.throws(() => new PubSub().asyncIterator('a', { wher: { id: 1 } }), wrong);
  assert.throws(() => new PubSub().asyncIterableIterator('a', { wher: { id: 1 } }), wrong);
  assert.throws(() => new PubSub().subscribe('a', () => {}, { wher: { id: 1 } }), wrong);
  assert.doesNotThrow(() => new PubSub().asyncIterator('a', { pattern: true }));
  // A `subscribe` of the application's may have options of its own.
  class Rooms extends PubSub {
    subscribe(trigger, onMessage, options) {
      return super.subscribe(`${options.room}.${trigger}`, onMessage, options);
    }
  }
  const pubsub = new Rooms();
  const next = pubsub.asyncIterator('a', { room: 'x' }).next();
  await settle();
  pubsub.publish('x.a', 1);
  assert.equal((await next).value, 1);
});

test('a subclass that maps messages and hands its options on: filters see the mapped ones', async () => {
  class Unwrapping extends PubSub {
    subscribe(trigger, onMessage, options) {
      return super.subscribe(trigger, (envelope) => onMessage(envelope.data), options);
    }
  }
  const pubsub = new Unwrapping();
  const next = pubsub.asyncIterator('a', { where: { id: { $var: 'id' } }, variables: { id: 1 } }).next();
  await settle();
  pubsub.publish('a', { data: { id: 2 } });
  pubsub.publish('a', { data: { id: 1 } });
  assert.deepEqual(await resultOf(next), { value: { id: 1 }, done: false });
});

test('a subscribe of the application may write to its options', async () => {
  const given = [];
  class Tracing extends PubSub {
    subscribe(trigger, onMessage, options) {
      given.push({ ...options });
      options.trace = given.length;
      return super.subscribe(trigger, onMessage);
    }
  }
  const pubsub = new Tracing();
  for (const options of [undefined, Object.freeze({ room: 'x' })]) {
    const next = pubsub.asyncIterator(['a', 'b'], options).next();
    await settle();
    pubsub.publish('b', 1);
    assert.equal((await resultOf(next)).value, 1);
  }
  assert.deepEqual(given, [{}, {}, { room: 'x' }, { room: 'x' }]);
});

/** An engine of an application: it knows nothing of ours but the base class. */
class Own extends PubSubEngine {
  listeners = new Map();
  calls = [];
  last = 10;
  refuse = new Set();

  async publish(trigger, payload) {
    for (const [name, listener] of this.listeners.values()) if (name === trigger) listener(payload);
  }

  subscribe(trigger, listener, options) {
    this.calls.push(['subscribe', trigger, options]);
    if (this.refuse.has(trigger)) return Promise.reject(new Error(`no ${trigger}`));
    const id = ++this.last;
    this.listeners.set(id, [trigger, listener]);
    return new Promise((resolve) => setImmediate(resolve, id));
  }

  unsubscribe(id) {
    this.calls.push(['unsubscribe', id]);
    this.listeners.delete(id);
  }
}

test('an engine of an application: iterators use its three methods', async () => {
  const engine = new Own();
  const iterator = engine.asyncIterableIterator(['a', 'b']);
  const next = iterator.next();
  assert.deepEqual(engine.calls, [['subscribe', 'a', {}], ['subscribe', 'b', {}]]);
  await settle();
  engine.publish('b', 1);
  assert.deepEqual(await next, { value: 1, done: false });
  assert.deepEqual(await iterator.return(), DONE);
  assert.deepEqual(engine.calls.slice(2), [['unsubscribe', 11], ['unsubscribe', 12]]);
});

test('an engine of an application: filters hold, and its options get through', async () => {
  const engine = new Own();
  const options = { where: { id: 1 }, room: 'x' };
  const iterator = engine.asyncIterator('a', options);
  const next = iterator.next();
  assert.deepEqual(engine.calls, [['subscribe', 'a', { room: 'x' }]]);
  for (const payload of ['text', null, { id: 2 }, { id: 1 }, { id: 3 }, { id: 1, again: true }]) engine.publish('a', payload);
  await settle();
  assert.deepEqual(await next, { value: { id: 1 }, done: false });
  assert.deepEqual(await drained(iterator), [{ id: 1, again: true }]);
});

test('an engine of an application: where one trigger fails the others are left and next() rejects', async () => {
  const engine = new Own();
  engine.refuse.add('b');
  const iterator = engine.asyncIterator(['a', 'b', 'c']);
  await assert.rejects(iterator.next(), { message: 'no b' });
  await settle();
  assert.equal(engine.listeners.size, 0);
  assert.deepEqual(await resultOf(iterator.next()), DONE);
});

test('an engine of an application: ended while it subscribes, it leaves when the ids are known', async () => {
  const engine = new Own();
  const iterator = engine.asyncIterator('a');
  const next = iterator.next();
  const ended = iterator.return();
  assert.deepEqual(await next, DONE);
  assert.deepEqual(await ended, DONE);
  assert.equal(engine.listeners.size, 0);
});

test('an engine whose unsubscribe throws: return() rejects, and the iterator has ended', async () => {
  class Broken extends Own {
    unsubscribe(id) {
      super.unsubscribe(id);
      throw new Error(`cannot leave ${id}`);
    }
  }
  const iterator = new Broken().asyncIterator(['a', 'b']);
  const next = iterator.next();
  await settle();
  await assert.rejects(iterator.return(), { message: 'cannot leave 11' });
  assert.deepEqual(await resultOf(next), DONE);
  assert.deepEqual(await stateOf(iterator.next()), { value: DONE });
});

test('both entries give the same classes, by their names and as the default', async () => {
  const { default: all, ...named } = await import('../../graphql.mjs');
  assert.equal(all, require('../../graphql'));
  assert.deepEqual({ ...all }, { ...named });
});
