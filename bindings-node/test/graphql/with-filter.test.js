'use strict';

// withFilter(): closures as they were, asked before the queue; and filters as data.

const assert = require('node:assert/strict');
const { AsyncLocalStorage } = require('node:async_hooks');
const { test } = require('node:test');

const { Filter } = require('../../lib/filter');
const { PubSub, PubSubEngine, where, whereArgs, withFilter } = require('../../graphql');
const { DONE, drained, resultOf, settle, stateOf } = require('./rig');

/** Subscribes by a resolver, publishes, and says what came. */
async function through(resolver, payloads, { args = {}, context = {}, pubsub }) {
  const iterator = await resolver(undefined, args, context, {});
  const first = iterator.next();
  await settle();
  for (const payload of payloads) pubsub.publish('a', payload);
  const state = await stateOf(first);
  return state === 'pending' ? [] : [state.value.value, ...(await drained(iterator))];
}

const orders = [{ order: { id: 1, user: 'ann' } }, { order: { id: 2, user: 'bob' } }, { order: { id: 2, user: 'ann' } }];

test('a closure gets payload, args, context and info of its subscription', async () => {
  const pubsub = new PubSub();
  const calls = [];
  const [args, context, info] = [{ id: 1 }, { user: 'ann' }, { fieldName: 'x' }];
  const resolver = withFilter(() => pubsub.asyncIterator('a'), (...given) => {
    calls.push(given);
    return true;
  });
  const iterator = await resolver('root', args, context, info);
  const next = iterator.next();
  const payload = { id: 1 };
  pubsub.publish('a', payload);
  await next;
  assert.equal(calls.length, 1);
  for (const [i, expected] of [payload, args, context, info].entries()) assert.equal(calls[0][i], expected);
});

test('the iterator function gets what the resolver gets', async () => {
  const pubsub = new PubSub();
  const given = ['root', { a: 1 }, { c: 1 }, { i: 1 }];
  let got;
  await withFilter((...args) => {
    got = args;
    return pubsub.asyncIterator('a');
  }, () => true)(...given);
  assert.deepEqual(got, given);
});

test('a closure is asked when a message is published, whether or not somebody reads', async () => {
  const pubsub = new PubSub();
  const asked = [];
  const iterator = await withFilter(() => pubsub.asyncIterator('a'), (payload) => {
    asked.push(payload);
    return payload % 2 === 0;
  })();
  const first = iterator.next();
  await settle();
  for (let i = 0; i < 6; i++) {
    pubsub.publish('a', i);
    assert.equal(asked.length, i + 1);
  }
  assert.equal((await first).value, 0);
  assert.deepEqual(await drained(iterator), [2, 4]);
});

test('only true passes', async () => {
  const pubsub = new PubSub();
  const verdicts = [1, 'yes', {}, [], undefined, null, false, Promise.resolve(1), Promise.resolve('yes'), true, Promise.resolve(true)];
  const resolver = withFilter(() => pubsub.asyncIterator('a'), (payload) => verdicts[payload]);
  assert.deepEqual(await through(resolver, verdicts.keys(), { pubsub }), [9, 10]);
});

test('promises keep the order, and one question of a subscription is open at a time', async () => {
  const pubsub = new PubSub();
  const open = [];
  let most = 0;
  const iterator = await withFilter(() => pubsub.asyncIterator('a'), (payload) => {
    if (payload === 2) return true;
    return new Promise((resolve) => {
      open.push({ payload, resolve });
      most = Math.max(most, open.length);
    });
  })();
  const first = iterator.next();
  await settle();
  for (let i = 0; i < 4; i++) pubsub.publish('a', i);
  assert.deepEqual(open.map(({ payload }) => payload), [0]);
  open.shift().resolve(true);
  assert.equal((await first).value, 0);
  await settle();
  open.shift().resolve(false);
  await settle();
  assert.deepEqual(await drained(iterator), [2]);
  open.shift().resolve(true);
  await settle();
  // drained() left one reader waiting.
  pubsub.publish('a', 2);
  assert.deepEqual(await drained(iterator), [2]);
  assert.equal(most, 1);
});

test('a rejected promise is a no', async () => {
  const pubsub = new PubSub();
  const resolver = withFilter(() => pubsub.asyncIterator('a'), async (payload) => {
    if (payload === 1) throw new Error('dropped');
    return true;
  });
  assert.deepEqual(await through(resolver, [0, 1, 2], { pubsub }), [0, 2]);
});

test('a closure that throws rejects next() in its place, and the iterator goes on', async () => {
  const pubsub = new PubSub();
  const iterator = await withFilter(() => pubsub.asyncIterator('a'), (payload) => {
    if (payload === 1) throw new Error('bad payload');
    return true;
  })();
  const nexts = [iterator.next(), iterator.next(), iterator.next()];
  await settle();
  for (let i = 0; i < 3; i++) assert.doesNotThrow(() => pubsub.publish('a', i));
  assert.equal((await nexts[0]).value, 0);
  await assert.rejects(nexts[1], { message: 'bad payload' });
  assert.equal((await nexts[2]).value, 2);
  pubsub.publish('a', 1);
  pubsub.publish('a', 3);
  await assert.rejects(iterator.next(), { message: 'bad payload' });
  assert.deepEqual(await drained(iterator), [3]);
});

test('a closure runs in the async context of its subscription, whoever publishes', async () => {
  const user = new AsyncLocalStorage();
  for (const closure of [
    (payload) => payload.owner === user.getStore(),
    async (payload) => (await settle(), payload.owner === user.getStore()),
  ]) {
    const pubsub = new PubSub();
    const resolver = withFilter(() => pubsub.asyncIterator('a'), closure);
    const subscribed = (name) => user.run(name, async () => (await resolver()).next());
    const [ann, bob] = [subscribed('ann'), subscribed('bob')];
    await settle();
    user.run('ann', () => pubsub.publish('a', { owner: 'ann' }));
    assert.deepEqual(await ann, { value: { owner: 'ann' }, done: false });
    assert.equal(await stateOf(bob), 'pending');
  }
});

test('a closure is not asked after the end', async () => {
  const pubsub = new PubSub();
  const asked = [];
  let settleFirst;
  const iterator = await withFilter(() => pubsub.asyncIterator('a'), (payload) => {
    asked.push(payload);
    return new Promise((resolve) => (settleFirst = resolve));
  })();
  const next = iterator.next();
  await settle();
  pubsub.publish('a', 1);
  pubsub.publish('a', 2);
  await iterator.return();
  settleFirst(true);
  await settle();
  assert.deepEqual(asked, [1]);
  assert.deepEqual(await resultOf(next), DONE);
});

test('nested: the inner closure is asked first, the outer one about what it admits', async () => {
  const pubsub = new PubSub();
  const asked = [];
  const inner = withFilter(() => pubsub.asyncIterator('a'), async (n) => asked.push(`inner ${n}`) > 0 && n > 1);
  const outer = withFilter(inner, (n) => asked.push(`outer ${n}`) > 0 && n < 3);
  assert.deepEqual(await through(outer, [1, 2, 3], { pubsub }), [2]);
  assert.deepEqual(asked, ['inner 1', 'inner 2', 'outer 2', 'inner 3', 'outer 3']);
});

test('a filter and a closure, two filters: both must hold', async () => {
  const pubsub = new PubSub();
  const asked = [];
  const filtered = () => pubsub.asyncIterator('a', { where: { 'order.id': 2 } });
  const closure = withFilter(filtered, ({ order }) => asked.push(order.id) > 0 && order.user === 'ann');
  assert.deepEqual(await through(closure, orders, { pubsub }), [orders[2]]);
  assert.deepEqual(asked, [2, 2]);
  assert.deepEqual(await through(withFilter(filtered, { 'order.user': 'bob' }), orders, { pubsub }), [orders[1]]);
});

test('a filter as an object, as JSON nested in it, and as a Filter', async () => {
  const pubsub = new PubSub();
  for (const filter of [{ 'order.id': 2 }, { order: { id: [2] } }, new Filter('{"order":{"id":[2]}}')]) {
    assert.deepEqual(await through(withFilter(() => pubsub.asyncIterator('a'), filter), orders, { pubsub }), orders.slice(1));
  }
});

test('{ where, variables }: each as it is or as a function, also one that returns a promise', async () => {
  const pubsub = new PubSub();
  const template = { 'order.id': { $var: 'id' } };
  const forms = [
    { where: template, variables: { id: 2 } },
    { where: template, variables: (root, args) => args },
    { where: template, variables: async (root, args) => args },
    { where: (root, args) => ({ 'order.id': args.id }) },
    { where: async (root, args) => ({ 'order.id': args.id }) },
    { where: () => template, variables: (root, args) => args },
    { where: new Filter(template), variables: (root, args) => args },
    where((root, args) => ({ 'order.id': [args.id] })),
    where(async (root, args) => new Filter({ 'order.id': [args.id] })),
  ];
  for (const form of forms) {
    const resolver = withFilter(() => pubsub.asyncIterator('a'), form);
    assert.deepEqual(await through(resolver, orders, { pubsub, args: { id: 2, other: {} } }), orders.slice(1));
  }
});

test('a function that makes the filter is called once for a subscription', async () => {
  const pubsub = new PubSub();
  const calls = [];
  const given = ['root', { id: 2 }, { user: 'ann' }, {}];
  const resolver = withFilter(() => pubsub.asyncIterator('a'), where((...args) => {
    calls.push(args);
    return { 'order.user': args[2].user };
  }));
  const iterator = await resolver(...given);
  const next = iterator.next();
  for (const order of orders) pubsub.publish('a', order);
  assert.equal((await next).value, orders[0]);
  assert.deepEqual(calls, [given]);
});

test('whereArgs: fields that equal arguments', async () => {
  const pubsub = new PubSub();
  const take = (fields, args, context) =>
    through(withFilter(() => pubsub.asyncIterator('a'), whereArgs(fields)), orders, { pubsub, args, context });
  assert.deepEqual(await take({ 'order.id': 'id' }, { id: 2 }), orders.slice(1));
  assert.deepEqual(await take({ 'order.id': 'ids' }, { ids: [1, 3] }), orders.slice(0, 1));
  assert.deepEqual(await take({ 'order.id': 'input.order.id' }, { input: { order: { id: 1 } } }), orders.slice(0, 1));
  assert.deepEqual(await take({ 'order.id': 'id', 'order.user': (root, args, { user }) => user }, { id: 2 }, { user: 'ann' }), [orders[2]]);
  const optional = { 'order.id': { arg: 'id', optional: true }, 'order.user': 'user' };
  assert.deepEqual(await take(optional, { user: 'ann' }), [orders[0], orders[2]]);
  assert.deepEqual(await take(optional, { user: 'ann', id: null }), [orders[0], orders[2]]);
  assert.deepEqual(await take(optional, { user: 'ann', id: 2 }), [orders[2]]);
});

test('whereArgs: an empty list admits nothing, as includes() does', async () => {
  const pubsub = new PubSub();
  const fields = { 'order.id': 'ids', 'order.user': { arg: 'user', optional: true } };
  const resolver = withFilter(() => pubsub.asyncIterator('a'), whereArgs(fields));
  assert.deepEqual(await through(resolver, [...orders, {}, { id: 1 }, { id: null }], { pubsub, args: { ids: [] } }), []);
});

test('whereArgs: as makes of an argument what the payload has', async () => {
  const pubsub = new PubSub();
  const field = (as) => whereArgs({ 'order.id': { arg: 'id', as, optional: true } });
  const take = (as, id) => through(withFilter(() => pubsub.asyncIterator('a'), field(as)), orders, { pubsub, args: { id } });
  for (const as of [Number, BigInt, parseInt]) {
    assert.deepEqual(await take(as, '2'), orders.slice(1));
    assert.deepEqual(await take(as, ['1', 3]), orders.slice(0, 1));
    assert.deepEqual(await take(as, null), orders);
  }
  assert.deepEqual(await take(String, 2), []);
  const wrong = { name: 'TypeError', code: 'ERR_BAD_VARIABLE', message: /argument "id": a(n integer| number) is expected/ };
  for (const as of [Number, BigInt]) for (const id of ['two', ' ', {}, ['1', 'x']]) await assert.rejects(take(as, id), wrong);
  await assert.rejects(take(Number, true), wrong);
  await assert.rejects(take(String, {}), { code: 'ERR_BAD_VARIABLE' });
  assert.throws(() => field('number'), { name: 'TypeError', code: 'ERR_BAD_FILTER' });
});

test('whereArgs: a lone surrogate in an argument is what it is in a payload', async () => {
  const pubsub = new PubSub();
  const resolver = withFilter(() => pubsub.asyncIterator('a'), whereArgs({ id: 'id' }));
  for (const id of ['\ud800', ['\ud800']]) {
    assert.deepEqual(await through(resolver, [{ id: 'x' }, { id: '\ud800' }], { pubsub, args: { id } }), [{ id: '\ud800' }]);
  }
});

test('a Buffer as payload: one verdict, with the index and without', async () => {
  class Handing extends PubSub {
    subscribe(trigger, onMessage) {
      return super.subscribe(trigger, (payload) => onMessage(payload));
    }
  }
  const payloads = ['{"id":1}', '{"id":2}', '{"type":"Buffer"}'].map((text) => Buffer.from(text));
  for (const pubsub of [new PubSub(), new Handing()]) {
    const take = (filter) => through(withFilter(() => pubsub.asyncIterator('a'), filter), payloads, { pubsub });
    assert.deepEqual(await take({ id: 1 }), payloads.slice(0, 1));
    assert.deepEqual(await take({ type: 'Buffer' }), payloads.slice(2));
  }
});

test('whereArgs: a missing argument is an error, and never matches a missing field', async () => {
  const pubsub = new PubSub();
  const resolver = withFilter(() => pubsub.asyncIterator('a'), whereArgs({ 'order.id': 'id' }));
  await assert.rejects(resolver({}, {}, {}, {}), { code: 'ERR_BAD_VARIABLE' });
  await assert.rejects(resolver({}, undefined, {}, {}), { code: 'ERR_BAD_VARIABLE' });
});

test('what a client sends never becomes an operator', async () => {
  const pubsub = new PubSub();
  const forms = [whereArgs({ 'order.id': 'id' }), { where: { 'order.id': { $var: 'id' } }, variables: (root, args) => args }];
  for (const form of forms) {
    const resolver = withFilter(() => pubsub.asyncIterator('a'), form);
    await assert.rejects(resolver({}, { id: { exists: true } }, {}, {}), { code: 'ERR_BAD_VARIABLE' });
    await assert.rejects(resolver({}, { id: [{ exists: true }] }, {}, {}), { code: 'ERR_BAD_VARIABLE' });
  }
});

test('mistakes are found when withFilter() is called, where that is possible', () => {
  const fn = () => new PubSub().asyncIterator('a');
  const wrong = [[undefined, 'ERR_BAD_FILTER'], [null, 'ERR_BAD_FILTER'], ['{', 'ERR_BAD_FILTER'], [[1], 'ERR_BAD_FILTER'], [{ id: [{ like: 1 }] }, 'ERR_BAD_FILTER'],
    [{ where: { id: 1 }, vars: {} }, 'ERR_BAD_OPTION'], [{ where: 5 }, 'ERR_BAD_FILTER']];
  for (const [filter, code] of wrong) assert.throws(() => withFilter(fn, filter), { code }, JSON.stringify(filter));
  assert.throws(() => withFilter(undefined, () => true), { code: 'ERR_BAD_ITERATOR' });
  assert.throws(() => where({ id: 1 }), { code: 'ERR_BAD_FILTER' });
  assert.throws(() => whereArgs(['id']), { code: 'ERR_BAD_FILTER' });
  assert.throws(() => whereArgs({ id: 5 }), { code: 'ERR_BAD_FILTER' });
});

test('mistakes that a subscription makes reject it', async () => {
  const pubsub = new PubSub();
  const subscribe = (filter) => withFilter(() => pubsub.asyncIterator('a'), filter)({}, {}, {}, {});
  await assert.rejects(subscribe(where(() => undefined)), { code: 'ERR_BAD_FILTER' });
  await assert.rejects(subscribe(where(() => true)), { code: 'ERR_BAD_FILTER' });
  await assert.rejects(subscribe(where(() => ({ id: [{ like: 1 }] }))), { code: 'ERR_BAD_FILTER' });
  await assert.rejects(subscribe(where(() => { throw new Error('of its own'); })), { message: 'of its own' });
  await assert.rejects(withFilter(() => { throw new Error('no iterator'); }, () => true)(), { message: 'no iterator' });
});

test('an iterator function that returns none is an error that says so', async () => {
  for (const nothing of [undefined, null, {}, 5, Promise.resolve(undefined)]) {
    for (const filter of [() => true, { id: 1 }]) {
      await assert.rejects(withFilter(() => nothing, filter)(), { name: 'TypeError', code: 'ERR_BAD_ITERATOR', message: /is a `return` missing/ });
    }
  }
});

test('what it returns is a promise and an iterator in one', async () => {
  const pubsub = new PubSub();
  const resolver = withFilter(() => pubsub.asyncIterator('a'), (n) => n > 1);
  const coming = resolver();
  assert.ok(coming instanceof Promise);
  const next = coming.next();
  pubsub.publish('a', 1);
  pubsub.publish('a', 2);
  assert.deepEqual(await next, { value: 2, done: false });
  assert.deepEqual(await (await coming).return(), DONE);
  const promised = withFilter(async () => pubsub.asyncIterator('a'), (n) => n > 1)();
  const first = promised.next();
  await settle();
  pubsub.publish('a', 3);
  assert.deepEqual(await first, { value: 3, done: false });
  assert.deepEqual(await promised.return(), DONE);
  await assert.rejects(promised.throw(new Error('enough')), { message: 'enough' });
  const seen = [];
  const loop = (async () => {
    for await (const n of resolver()) {
      seen.push(n);
      if (n === 3) break;
    }
  })();
  await settle();
  for (const n of [1, 2, 3, 4]) pubsub.publish('a', n);
  await loop;
  assert.deepEqual(seen, [2, 3]);
});

async function* numbers() {
  yield* [1, 2, 3, 4, 5, 6];
}

test('methods that a caller puts on what it returns are on the iterator that it promises', async () => {
  for (const source of [(pubsub) => pubsub.asyncIterator('a'), async (pubsub) => pubsub.asyncIterator('a')]) {
    const pubsub = new PubSub();
    let cancelled = 0;
    const decorated = (...given) => {
      const iterator = withFilter(() => source(pubsub), () => true)(...given);
      const saved = iterator.return;
      iterator.return = () => {
        cancelled++;
        return saved.call(iterator);
      };
      return iterator;
    };
    for (const resolver of [decorated, withFilter(decorated, () => true)]) {
      const iterator = await resolver();
      const next = iterator.next();
      await settle();
      pubsub.publish('a', 1);
      assert.equal((await next).value, 1);
      assert.deepEqual(await iterator.return(), DONE);
      assert.equal(pubsub.ee.listenerCount('a'), 0);
    }
    assert.equal(cancelled, 2);
  }
});

test('an iterator that is not ours is filtered as it is read', async () => {
  const forms = [(n) => n % 2 === 0, async (n) => n % 2 === 0, (n) => (n % 2 === 0 ? true : Promise.reject(new Error('odd')))];
  for (const form of forms) assert.deepEqual(await drained(await withFilter(numbers, form)()), [2, 4, 6]);
  async function* objects() {
    for await (const id of numbers()) yield { id };
    yield 'text';
    yield null;
  }
  const filter = { id: [{ numeric: ['>', 4] }] };
  assert.deepEqual(await drained(await withFilter(objects, filter)()), [{ id: 5 }, { id: 6 }]);
  // Of what is no object nothing is known: not even that a field is missing.
  assert.deepEqual(await drained(await withFilter(objects, { id: [{ exists: false }] })()), []);
  assert.equal((await drained(await withFilter(objects, {})())).length, 8);
});

test('an iterator that is not ours: a closure that throws rejects next(), and it goes on', async () => {
  const iterator = await withFilter(numbers, (n) => {
    if (n === 1) throw new Error('one');
    return true;
  })();
  await assert.rejects(iterator.next(), { message: 'one' });
  assert.deepEqual(await iterator.next(), { value: 2, done: false });
});

test('an iterator that is not ours: return and throw reach it, where it has them', async () => {
  const calls = [];
  const source = {
    next: async () => ({ value: 1, done: false }),
    return: async () => (calls.push('return'), DONE),
    throw: async (error) => {
      calls.push('throw');
      throw error;
    },
  };
  const iterator = await withFilter(() => source, () => true)();
  assert.equal(iterator[Symbol.asyncIterator](), iterator);
  assert.deepEqual(await iterator.return(), DONE);
  await assert.rejects(iterator.throw(new Error('enough')), { message: 'enough' });
  assert.deepEqual(calls, ['return', 'throw']);
  const bare = await withFilter(() => ({ next: source.next }), () => true)();
  assert.deepEqual(await bare.return(), DONE);
  await assert.rejects(bare.throw(new Error('enough')), { message: 'enough' });
});

test('an iterable that is no iterator will do', async () => {
  assert.deepEqual(await drained(await withFilter(() => ({ [Symbol.asyncIterator]: numbers }), (n) => n > 4)()), [5, 6]);
});

test('one of ours that has begun, or whose next() was replaced, is read like any other', async () => {
  const pubsub = new PubSub();
  const begun = pubsub.asyncIterator('a');
  const first = begun.next();
  const filtered = await withFilter(() => begun, (n) => n > 2)();
  pubsub.publish('a', 1);
  assert.equal((await first).value, 1);
  const next = filtered.next();
  for (const n of [2, 3]) pubsub.publish('a', n);
  assert.equal((await next).value, 3);
  const replaced = pubsub.asyncIterator('b');
  replaced.next = async () => ({ value: 7, done: false });
  assert.equal((await (await withFilter(() => replaced, (n) => n === 7)()).next()).value, 7);
});

test('the `return` of the iterator that was handed in is called', async () => {
  const pubsub = new PubSub();
  const iterator = pubsub.asyncIterator('a');
  let returned = 0;
  const original = iterator.return;
  iterator.return = function (...args) {
    returned++;
    return original.apply(this, args);
  };
  const filtered = await withFilter(() => iterator, () => true)();
  await filtered.return();
  assert.equal(returned, 1);
});

test('an engine of an application: closures and filters are asked before its queue', async () => {
  class Own extends PubSubEngine {
    listeners = [];
    async publish(trigger, payload) {
      for (const listener of this.listeners) listener(payload);
    }
    async subscribe(trigger, listener) {
      return this.listeners.push(listener);
    }
    unsubscribe() {}
  }
  const pubsub = new Own();
  const asked = [];
  const resolver = withFilter(() => pubsub.asyncIterator('a', { where: { 'order.id': 2 } }), ({ order }) => {
    asked.push(order.user);
    return order.user === 'ann';
  });
  assert.deepEqual(await through(resolver, orders, { pubsub }), [orders[2]]);
  assert.deepEqual(asked, ['bob', 'ann']);
});
