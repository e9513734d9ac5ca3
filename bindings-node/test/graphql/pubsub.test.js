'use strict';

// PubSub: what goes in comes out, in the same turn, as the same object, in the order of subscribing.

const assert = require('node:assert/strict');
const { EventEmitter } = require('node:events');
const { test } = require('node:test');

const { PubSub, PubSubEngine, RedisPubSub, withFilter } = require('../../graphql');
const { drained, MockClient, settle } = require('./rig');

test('ids count from 1, and publish and unsubscribe give nothing', async () => {
  const pubsub = new PubSub();
  assert.ok(pubsub instanceof PubSubEngine);
  assert.equal(await pubsub.subscribe('a', () => {}), 1);
  assert.equal(await pubsub.subscribe('b', () => {}), 2);
  assert.equal(await pubsub.publish('a', 1), undefined);
  assert.equal(pubsub.unsubscribe(1), undefined);
  assert.throws(() => pubsub.unsubscribe(1), { message: 'There is no subscription of id "1"' });
  assert.throws(() => pubsub.unsubscribe('constructor'), { message: 'There is no subscription of id "constructor"' });
});

test('delivery is within publish, of the same object, in the order of subscribing', () => {
  const pubsub = new PubSub();
  const payload = { id: 1, at: new Date(), cyclic: null };
  payload.cyclic = payload;
  const seen = [];
  for (const name of ['first', 'second', 'third']) pubsub.subscribe('a', (got) => seen.push([name, got]));
  pubsub.subscribe('b', () => assert.fail('another trigger'));
  pubsub.publish('a', payload);
  assert.deepEqual(seen.map(([name]) => name), ['first', 'second', 'third']);
  for (const [, got] of seen) assert.equal(got, payload);
});

test('callbacks with and without a filter are served in the order of subscribing', () => {
  const pubsub = new PubSub();
  const seen = [];
  const subscribe = (name, where) => pubsub.subscribe('a', () => seen.push(name), where && { where });
  subscribe('1');
  subscribe('2: x', { kind: 'x' });
  subscribe('3: y', { kind: 'y' });
  subscribe('4');
  subscribe('5: x', { kind: ['x', 'z'] });
  subscribe('6: x', { kind: 'x' });
  subscribe('7');
  subscribe('8: all', {});
  pubsub.publish('a', { kind: 'x' });
  assert.deepEqual(seen.splice(0), ['1', '2: x', '4', '5: x', '6: x', '7', '8: all']);
  pubsub.publish('a', { kind: 'z' });
  assert.deepEqual(seen.splice(0), ['1', '4', '5: x', '7', '8: all']);
  pubsub.publish('a', 'no object');
  assert.deepEqual(seen.splice(0), ['1', '4', '7', '8: all']);
});

test('a listener that throws does not stop the others, and publish throws its error', () => {
  const pubsub = new PubSub();
  const seen = [];
  pubsub.subscribe('a', () => seen.push(1));
  pubsub.subscribe('a', () => {
    throw new Error('first');
  });
  pubsub.subscribe('a', () => {
    throw new Error('second');
  }, { where: { id: 1 } });
  pubsub.subscribe('a', () => seen.push(4), { where: { id: 1 } });
  pubsub.subscribe('a', () => seen.push(5));
  assert.throws(() => pubsub.publish('a', { id: 1 }), { message: 'first' });
  assert.deepEqual(seen, [1, 4, 5]);
});

test('a listener may unsubscribe itself and others: who has left gets nothing', async () => {
  const pubsub = new PubSub();
  const seen = [];
  const ids = [];
  for (const name of [0, 1, 2, 3]) {
    const where = name % 2 === 0 ? undefined : { id: 1 };
    ids.push(
      await pubsub.subscribe('a', () => {
        seen.push(name);
        if (name === 1) for (const id of ids) pubsub.unsubscribe(id);
      }, { where }),
    );
  }
  pubsub.publish('a', { id: 1 });
  assert.deepEqual(seen, [0, 1]);
  pubsub.publish('a', { id: 1 });
  assert.deepEqual(seen, [0, 1]);
  assert.equal(pubsub.ee.listenerCount('a'), 0);
});

test('who subscribes within a delivery is served from the next one on', () => {
  const pubsub = new PubSub();
  const seen = [];
  pubsub.subscribe('a', (n) => {
    seen.push(`old ${n}`);
    if (n === 1) {
      pubsub.subscribe('a', (m) => seen.push(`new ${m}`));
      pubsub.subscribe('a', (m) => seen.push(`filtered ${m}`), { where: {} });
    }
  });
  pubsub.publish('a', 1);
  pubsub.publish('a', 2);
  assert.deepEqual(seen, ['old 1', 'old 2', 'new 2', 'filtered 2']);
});

test('a listener may publish: what it publishes is delivered first', () => {
  const pubsub = new PubSub();
  const seen = [];
  const where = { depth: [{ numeric: ['>=', 0] }] };
  pubsub.subscribe('a', ({ depth }) => {
    seen.push(`1: ${depth}`);
    if (depth > 0) pubsub.publish('a', { depth: depth - 1 });
  }, { where });
  pubsub.subscribe('a', ({ depth }) => seen.push(`2: ${depth}`), { where });
  pubsub.publish('a', { depth: 2 });
  assert.deepEqual(seen, ['1: 2', '1: 1', '1: 0', '2: 0', '2: 1', '2: 2']);
});

test('one function subscribed twice is called twice', async () => {
  const pubsub = new PubSub();
  let calls = 0;
  const listener = () => calls++;
  const id = await pubsub.subscribe('a', listener);
  await pubsub.subscribe('a', listener);
  pubsub.publish('a', 1);
  assert.equal(calls, 2);
  pubsub.unsubscribe(id);
  pubsub.publish('a', 1);
  assert.equal(calls, 3);
});

test('a given emitter: what others emit is delivered, with its this and all its arguments', () => {
  const emitter = new EventEmitter();
  const pubsub = new PubSub({ eventEmitter: emitter });
  assert.equal(pubsub.ee, emitter);
  const seen = [];
  pubsub.subscribe('a', function (...args) {
    seen.push([this, args]);
  });
  emitter.emit('a', { id: 1 }, 'more');
  pubsub.publish('a', { id: 2 });
  assert.deepEqual(seen.map(([, args]) => args), [[{ id: 1 }, 'more'], [{ id: 2 }]]);
  for (const [self] of seen) assert.equal(self, emitter);
});

test('what is published goes through the given emitter', () => {
  const emitter = new EventEmitter();
  const seen = [];
  emitter.on('a', (payload) => seen.push(payload));
  new PubSub({ eventEmitter: emitter }).publish('a', 1);
  assert.deepEqual(seen, [1]);
});

test('publishing `error` with nobody listening throws, as emitters do', () => {
  assert.throws(() => new PubSub().publish('error', new Error('nobody listens')), { message: 'nobody listens' });
});

for (const given of [false, true]) {
  test(`listenerCount of ${given ? 'a given' : 'its own'} emitter counts subscriptions`, async () => {
    const emitter = given ? new EventEmitter() : undefined;
    const pubsub = new PubSub({ eventEmitter: emitter });
    const count = (trigger = 'a') => [pubsub.ee.listenerCount(trigger), EventEmitter.listenerCount(pubsub.ee, trigger)];
    const ids = [];
    for (let i = 1; i <= 20; i++) {
      ids.push(await pubsub.subscribe('a', () => {}, i % 2 ? undefined : { where: { id: i } }));
      assert.deepEqual(count(), [i, i]);
    }
    assert.deepEqual(count('b'), [0, 0]);
    pubsub.ee.on('a', () => {});
    assert.deepEqual(count(), [21, 21]);
    for (const id of ids) pubsub.unsubscribe(id);
    assert.deepEqual(count(), [1, 1]);
  });
}

test('two PubSubs on one emitter count together and are both served', () => {
  const emitter = new EventEmitter();
  const seen = [];
  for (const name of ['x', 'y']) {
    const pubsub = new PubSub({ eventEmitter: emitter });
    pubsub.subscribe('a', (n) => seen.push(`${name} ${n}`));
    pubsub.subscribe('a', (n) => seen.push(`${name} ${n}`));
  }
  assert.equal(emitter.listenerCount('a'), 4);
  emitter.emit('a', 1);
  assert.deepEqual(seen, ['x 1', 'x 1', 'y 1', 'y 1']);
});

test('after removeAllListeners on the emitter nothing is delivered, and who subscribes anew is served', async () => {
  const pubsub = new PubSub();
  const seen = [];
  const old = await pubsub.subscribe('a', () => seen.push('old'));
  await pubsub.subscribe('a', () => seen.push('old'));
  pubsub.ee.removeAllListeners();
  pubsub.publish('a', 1);
  assert.deepEqual(seen, []);
  assert.equal(pubsub.ee.listenerCount('a'), 0);
  pubsub.subscribe('a', () => seen.push('new'));
  assert.equal(pubsub.ee.listenerCount('a'), 1);
  pubsub.publish('a', 1);
  assert.deepEqual(seen, ['new']);
  pubsub.unsubscribe(old);
  assert.equal(pubsub.ee.listenerCount('a'), 1);
});

test('after removeAllListeners, others that listen are not taken for ours', async () => {
  const emitter = new EventEmitter();
  const pubsub = new PubSub({ eventEmitter: emitter });
  const seen = [];
  for (let i = 0; i < 3; i++) pubsub.subscribe('a', () => seen.push('old'));
  emitter.removeAllListeners('a');
  emitter.on('a', () => seen.push('other'));
  assert.equal(emitter.listenerCount('a'), 1);
  pubsub.subscribe('a', () => seen.push('new'));
  assert.equal(emitter.listenerCount('a'), 2);
  pubsub.publish('a', 1);
  assert.deepEqual(seen, ['other', 'new']);
});

test('asked about one function, the emitter counts that one', () => {
  const emitter = new EventEmitter();
  const pubsub = new PubSub({ eventEmitter: emitter });
  for (let i = 0; i < 3; i++) pubsub.subscribe('a', () => {});
  const other = () => {};
  emitter.on('a', other);
  assert.equal(emitter.listenerCount('a'), 4);
  assert.equal(emitter.listenerCount('a', other), 1);
});

test('a filter that asks for what a class hides from JSON is warned of, once, and no getter runs', async () => {
  class Order {
    get id() {
      throw new Error('of a getter');
    }
  }
  const warnings = [];
  const hear = ({ code, message }) => warnings.push([code, message]);
  process.on('warning', hear);
  const pubsub = new PubSub();
  for (const id of [1, 2]) pubsub.subscribe('a', () => {}, { where: { 'order.id': id } });
  pubsub.subscribe('b', () => {}, { where: { 'order.id': 1, constructor: 'x' } });
  for (let i = 0; i < 5; i++) {
    pubsub.publish('a', { order: new Order() });
    for (const payload of [{ order: { id: 2 } }, { order: {} }, { order: [] }, null, 'text', {}]) pubsub.publish('b', payload);
  }
  await settle();
  process.off('warning', hear);
  assert.equal(warnings.length, 1);
  assert.equal(warnings[0][0], 'DISTRIBUTARY_HIDDEN_FIELD');
  assert.match(warnings[0][1], /on a asks for order\.id/);
});

test('no emitter warns of many listeners', async () => {
  const warnings = [];
  const hear = (warning) => warnings.push(warning);
  process.on('warning', hear);
  for (const options of [undefined, { eventEmitter: new EventEmitter() }]) {
    const pubsub = new PubSub(options);
    for (let i = 0; i < 100; i++) await pubsub.subscribe('a', () => {});
    for (let i = 0; i < 100; i++) pubsub.asyncIterator('a').next();
  }
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', hear);
  assert.deepEqual(warnings, []);
});

test('unsubscribing costs the same however many are subscribed', async () => {
  // Counted, not timed: with a listener of its own for each, the emitter would search its list.
  class Counting extends EventEmitter {
    calls = 0;
    addListener(...args) {
      this.calls++;
      return super.addListener(...args);
    }
    removeListener(...args) {
      this.calls++;
      return super.removeListener(...args);
    }
  }
  const emitter = new Counting();
  const pubsub = new PubSub({ eventEmitter: emitter });
  const ids = [];
  for (let i = 0; i < 10_000; i++) ids.push(await pubsub.subscribe('a', () => {}, i % 2 ? undefined : { where: { i } }));
  for (const id of ids) pubsub.unsubscribe(id);
  assert.equal(emitter.calls, 2);
  assert.deepEqual(emitter.eventNames(), []);
  assert.deepEqual(Object.keys(pubsub.subscriptions), []);
});

test('a subclass sees what iterators subscribe and unsubscribe', async () => {
  const calls = [];
  class Watched extends PubSub {
    subscribe(trigger, onMessage, options) {
      calls.push(['subscribe', trigger]);
      return super.subscribe(trigger, onMessage, options);
    }
    unsubscribe(id) {
      calls.push(['unsubscribe', id]);
      return super.unsubscribe(id);
    }
    listenerCount(trigger) {
      return this.ee.listenerCount(trigger);
    }
  }
  const pubsub = new Watched();
  const iterator = pubsub.asyncIterator(['a', 'b'], { where: { id: 1 } });
  assert.deepEqual(calls, []);
  const next = iterator.next();
  assert.deepEqual(calls, [['subscribe', 'a'], ['subscribe', 'b']]);
  assert.equal(pubsub.listenerCount('a'), 1);
  pubsub.publish('a', { id: 2 });
  pubsub.publish('b', { id: 1 });
  assert.deepEqual(await next, { value: { id: 1 }, done: false });
  await iterator.return();
  assert.deepEqual(calls.slice(2), [['unsubscribe', 1], ['unsubscribe', 2]]);
  assert.equal(pubsub.listenerCount('a'), 0);
});

test('a subclass may change what its iterators get: filters see the changed payload', async () => {
  class Wrapping extends PubSub {
    subscribe(trigger, onMessage) {
      return super.subscribe(trigger, (payload) => onMessage({ wrapped: payload }));
    }
  }
  const pubsub = new Wrapping();
  const iterator = pubsub.asyncIterator('a', { where: { 'wrapped.id': 1 } });
  const next = iterator.next();
  pubsub.publish('a', { id: 2 });
  pubsub.publish('a', { id: 1 });
  assert.deepEqual(await next, { value: { wrapped: { id: 1 } }, done: false });
});

test('a subclass may put another emitter in the place of its own', async () => {
  const emitter = new EventEmitter();
  class Other extends PubSub {
    constructor() {
      super();
      this.ee = emitter;
    }
  }
  const pubsub = new Other();
  const next = pubsub.asyncIterator('a').next();
  emitter.emit('a', 1);
  assert.deepEqual(await next, { value: 1, done: false });
});

test('what stands before a PubSub or an iterator, a Proxy or an object with it as prototype, is as good as itself', async () => {
  for (const before of [(object) => new Proxy(object, {}), (object) => Object.create(object)]) {
    const client = new MockClient();
    for (const real of [new PubSub({ budget: { events: 1 } }), new RedisPubSub({ publisher: client, subscriber: client })]) {
      const pubsub = before(real);
      const seen = [];
      const ids = [await pubsub.subscribe('a', (n) => seen.push(n)), await real.subscribe('a', (n) => seen.push(n))];
      const iterator = before(pubsub.asyncIterator('a', { where: { n: 1 } }));
      const filtered = await withFilter(() => iterator, (payload) => payload.n === 1)();
      assert.equal(filtered, iterator);
      const next = filtered.next();
      await settle();
      pubsub.publish('a', { n: 1 });
      real.publish('a', { n: 2 });
      assert.deepEqual(await next, { value: { n: 1 }, done: false });
      assert.equal(seen.length, 4);
      await filtered.return();
      for (const id of ids) pubsub.unsubscribe(id);
      assert.deepEqual(real.subscriptions ?? real.subscriptionMap, {});
    }
    await before(new RedisPubSub({ publisher: client, subscriber: client })).close();
  }
});

test('the limits of a PubSub hold behind a Proxy', async () => {
  const pubsub = new Proxy(new PubSub({ overflow: 'drop-oldest', budget: { events: 2 } }), {});
  const iterator = pubsub.asyncIterator('a');
  void iterator.next();
  await settle();
  for (let i = 0; i < 5; i++) pubsub.publish('a', i);
  assert.deepEqual(await drained(iterator), [3, 4]);
});

test('options that are wrong are errors', () => {
  const code = 'ERR_BAD_OPTION';
  assert.throws(() => new PubSub({ eventEmiter: new EventEmitter() }), { name: 'TypeError', code, message: /"eventEmiter"/ });
  assert.throws(() => new PubSub({ eventEmitter: {} }), { name: 'TypeError', code });
  assert.throws(() => new PubSub('options'), { name: 'TypeError', code });
  assert.throws(() => new PubSub().subscribe('a', 'no function'), { name: 'TypeError', code: 'ERR_BAD_LISTENER' });
  assert.throws(() => new PubSub().subscribe('a', () => {}, { where: { a: { numric: [] } } }), { code: 'ERR_BAD_FILTER' });
});
