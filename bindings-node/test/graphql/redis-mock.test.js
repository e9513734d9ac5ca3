'use strict';

// RedisPubSub with clients that are plain objects: what it calls and when, and what it makes of messages.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { PubSubEngine, RedisPubSub, withFilter } = require('../../graphql');
const { DONE, drained, MockClient, resultOf, settle, stateOf } = require('./rig');

function mocked(options = {}) {
  const client = new MockClient();
  return { client, pubsub: new RedisPubSub({ publisher: client, subscriber: client, ...options }) };
}

test('ids count from 0; the client is called in the same turn, once for a name', async () => {
  const { client, pubsub } = mocked();
  assert.ok(pubsub instanceof PubSubEngine);
  assert.equal(pubsub.getSubscriber(), client);
  assert.equal(pubsub.getPublisher(), client);
  const ids = [pubsub.subscribe('a', () => {}), pubsub.subscribe('a', () => {}), pubsub.subscribe('b', () => {})];
  assert.deepEqual(client.calls, [['subscribe', 'a'], ['subscribe', 'b']]);
  assert.deepEqual(await Promise.all(ids), [0, 1, 2]);
  assert.notEqual(pubsub.subscriptionMap[1], undefined);
  const [trigger, listener] = pubsub.subscriptionMap[1];
  assert.deepEqual([trigger, typeof listener], ['a', 'function']);
  assert.equal(pubsub.unsubscribe(1), undefined);
  assert.equal(pubsub.subscriptionMap[1], undefined);
  assert.throws(() => pubsub.unsubscribe(1), { message: 'There is no subscription of id "1"' });
  assert.deepEqual(client.called('unsubscribe', 'punsubscribe'), []);
  pubsub.unsubscribe(0);
  assert.deepEqual(client.called('unsubscribe', 'punsubscribe'), [['unsubscribe', 'a'], ['punsubscribe', 'a']]);
});

test('one listener each for messages and patterns, whoever subscribes', async () => {
  const { client, pubsub } = mocked({ messageEventName: 'messageBuffer', pmessageEventName: 'pmessageBuffer' });
  assert.deepEqual([...client.listeners.keys()].sort(), ['messageBuffer', 'pmessageBuffer']);
  const seen = [];
  pubsub.subscribe('a', (message) => seen.push(message));
  pubsub.subscribe('a*', (message) => seen.push(message), { pattern: true });
  const bytes = Buffer.from('{"id":1}');
  client.listeners.get('messageBuffer')(Buffer.from('a'), bytes);
  client.listeners.get('pmessageBuffer')(Buffer.from('a*'), Buffer.from('abc'), bytes);
  assert.deepEqual(seen, [bytes, bytes]);
});

test('who asks while a name is being subscribed shares the outcome', async () => {
  const { client, pubsub } = mocked();
  client.answer = null;
  const seen = [];
  const both = [pubsub.subscribe('a', (m) => seen.push(`0 ${m}`)), pubsub.subscribe('a', (m) => seen.push(`1 ${m}`))];
  assert.equal(await stateOf(both[1]), 'pending');
  client.waiting[0](null, 1);
  assert.deepEqual(await Promise.all(both), [0, 1]);
  client.message('a', '"m"');
  assert.deepEqual(seen, ['0 m', '1 m']);

  const refused = [pubsub.subscribe('b', () => {}), pubsub.subscribe('b', () => {})];
  const error = new Error('no b');
  client.waiting[1](error);
  for (const promise of refused) await assert.rejects(promise, error);
  assert.deepEqual(Object.keys(pubsub.subscriptionMap), ['0', '1']);
  assert.deepEqual(client.called('unsubscribe'), []);
  client.answer = (callback) => callback(null, 1);
  assert.equal(await pubsub.subscribe('b', () => {}), 4);
});

test('a message that comes before its subscription is confirmed is not lost', async () => {
  const { client, pubsub } = mocked();
  client.answer = null;
  const seen = [];
  pubsub.subscribe('a', (m) => seen.push(m));
  const next = pubsub.asyncIterator('a').next();
  // A client tells of a confirmation by a promise, and of messages that were read with it at once.
  client.message('a', '1');
  client.waiting[0](null, 1);
  assert.deepEqual(seen, [1]);
  assert.deepEqual(await resultOf(next), { value: 1, done: false });
});

test('a client that throws or rejects when it is to subscribe', async () => {
  const { client, pubsub } = mocked();
  client.subscribe = () => {
    throw new Error('thrown');
  };
  await assert.rejects(pubsub.subscribe('a', () => {}), { message: 'thrown' });
  client.subscribe = () => Promise.reject(new Error('rejected'));
  await assert.rejects(pubsub.subscribe('a', () => {}), { message: 'rejected' });
  await assert.rejects(pubsub.asyncIterator('a').next(), { message: 'rejected' });
  assert.deepEqual(pubsub.subscriptionMap, {});
});

test('an iterator subscribes in the turn of its first next() and unsubscribes with return()', async () => {
  const { client, pubsub } = mocked();
  const iterator = pubsub.asyncIterator(['a', 'b'], { pattern: true });
  assert.deepEqual(client.calls, []);
  const next = iterator.next();
  assert.deepEqual(client.calls, [['psubscribe', 'a'], ['psubscribe', 'b']]);
  client.pmessage('b', 'bcd', '{"n":1}');
  assert.deepEqual(await next, { value: { n: 1 }, done: false });
  assert.deepEqual(await iterator.return(), DONE);
  assert.deepEqual(client.called('unsubscribe', 'punsubscribe'), ['a', 'b'].flatMap((name) => [['unsubscribe', name], ['punsubscribe', name]]));
  assert.deepEqual(pubsub.subscriptionMap, {});
});

test('ended before Redis has confirmed: it unsubscribes at once', async () => {
  const { client, pubsub } = mocked();
  client.answer = null;
  const iterator = pubsub.asyncIterator('a');
  const next = iterator.next();
  assert.deepEqual(await iterator.return(), DONE);
  assert.deepEqual(await resultOf(next), DONE);
  assert.deepEqual(client.called('unsubscribe'), [['unsubscribe', 'a']]);
  client.waiting[0](null, 1);
  client.message('a', '1');
  await settle();
  assert.deepEqual(pubsub.subscriptionMap, {});
});

test('iterators whose subscription fails: all who wait are told', async () => {
  const { client, pubsub } = mocked();
  client.answer = null;
  const iterator = pubsub.asyncIterator(['a', 'b']);
  const nexts = [iterator.next(), iterator.next()];
  client.waiting[0](null, 1);
  client.waiting[1](new Error('no b'));
  for (const next of nexts) await assert.rejects(next, { message: 'no b' });
  assert.deepEqual(await resultOf(iterator.next()), DONE);
  assert.deepEqual(pubsub.subscriptionMap, {});
  assert.deepEqual(client.called('unsubscribe'), [['unsubscribe', 'a']]);
});

test('one of two triggers is refused, and the client throws when the other is left: the reader is told, nobody else', async () => {
  const { client, pubsub } = mocked();
  client.answer = null;
  client.unsubscribe = () => {
    throw new Error('of unsubscribe');
  };
  const next = stateOf(pubsub.asyncIterator(['a', 'b']).next());
  client.waiting[0](null);
  client.waiting[1](new Error('refused'));
  assert.equal((await next).error.message, 'refused');
});

test('messages are delivered within the emit of the client, one object for all, in the order of subscribing', () => {
  const { client, pubsub } = mocked();
  const seen = [];
  for (const name of [0, 1, 2]) pubsub.subscribe('a', (message) => seen.push([name, message]), name === 1 ? { where: { id: 1 } } : {});
  client.message('a', '{"id":1}');
  assert.deepEqual(seen.map(([name]) => name), [0, 1, 2]);
  for (const [, message] of seen) assert.equal(message, seen[0][1]);
});

test('a listener that throws does not stop the others; its error goes where the client emits', () => {
  const { client, pubsub } = mocked();
  const seen = [];
  pubsub.subscribe('a', () => {
    throw new Error('of the listener');
  });
  pubsub.subscribe('a', (m) => seen.push(m));
  assert.throws(() => client.message('a', '1'), { message: 'of the listener' });
  assert.deepEqual(seen, [1]);
});

test('a listener may unsubscribe everybody', async () => {
  const { client, pubsub } = mocked();
  const seen = [];
  const ids = [];
  for (const name of [0, 1, 2]) {
    ids.push(await pubsub.subscribe('a', () => {
      seen.push(name);
      if (name === 1) for (const id of ids) pubsub.unsubscribe(id);
    }));
  }
  client.message('a', '1');
  client.message('a', '2');
  assert.deepEqual(seen, [0, 1]);
});

test('a channel and a pattern of one name are two', async () => {
  const { client, pubsub } = mocked();
  const seen = [];
  const channel = await pubsub.subscribe('a*', (m) => seen.push(`channel ${m}`));
  const pattern = await pubsub.subscribe('a*', (m) => seen.push(`pattern ${m}`), { pattern: true });
  assert.deepEqual(client.calls, [['subscribe', 'a*'], ['psubscribe', 'a*']]);
  client.message('a*', '1');
  client.pmessage('a*', 'abc', '2');
  assert.deepEqual(seen.splice(0), ['channel 1', 'pattern 2']);
  pubsub.unsubscribe(channel);
  assert.deepEqual(client.calls.slice(2), [['unsubscribe', 'a*']]);
  // What Redis sent before it unsubscribed the channel came by the pattern as well.
  client.message('a*', '3');
  client.pmessage('a*', 'a*', '3');
  assert.deepEqual(seen.splice(0), ['pattern 3']);
  pubsub.unsubscribe(pattern);
  assert.deepEqual(client.calls.slice(3), [['unsubscribe', 'a*'], ['punsubscribe', 'a*']]);
});

test('leaving a pattern does not unsubscribe the channel of its name', async () => {
  const { client, pubsub } = mocked();
  await pubsub.subscribe('a', () => {});
  pubsub.unsubscribe(await pubsub.subscribe('a', () => {}, { pattern: true }));
  assert.deepEqual(client.called('unsubscribe', 'punsubscribe'), [['punsubscribe', 'a']]);
});

test('a refused UNSUBSCRIBE is nobody\'s unhandled rejection', async () => {
  const { client, pubsub } = mocked();
  client.unsubscribe = client.punsubscribe = () => Promise.reject(new Error('Connection is closed.'));
  const unhandled = [];
  const hear = (error) => unhandled.push(error);
  process.on('unhandledRejection', hear);
  pubsub.unsubscribe(await pubsub.subscribe('a', () => {}));
  await settle();
  process.off('unhandledRejection', hear);
  assert.deepEqual(unhandled, []);
});

test('an UNSUBSCRIBE that was refused is sent again when a message shows that it has to be, once', async () => {
  const { client, pubsub } = mocked();
  for (const [options, command] of [[{}, 'unsubscribe'], [{ pattern: true }, 'punsubscribe']]) {
    const id = await pubsub.subscribe('a', () => {}, options);
    const { unsubscribe, punsubscribe } = client;
    client.unsubscribe = client.punsubscribe = () => Promise.reject(new Error('Connection is closed.'));
    pubsub.unsubscribe(id);
    await settle();
    Object.assign(client, { unsubscribe, punsubscribe, calls: [] });
    for (let i = 0; i < 2; i++) options.pattern ? client.pmessage('a', 'a', '1') : client.message('a', '1');
    assert.deepEqual(client.calls, [[command, 'a']]);
  }
});

test('triggerTransform is asked on subscribing, not on publishing', async () => {
  const calls = [];
  const { client, pubsub } = mocked({
    triggerTransform(trigger, options) {
      calls.push([trigger, options]);
      return [trigger, options.room].flat().join('.');
    },
  });
  pubsub.subscribe('a', () => {}, { room: 1 });
  pubsub.subscribe(['x', 2], () => {});
  pubsub.asyncIterator('c', { room: 2, where: { id: 1 } }).next();
  assert.deepEqual(calls, [['a', { room: 1 }], [['x', 2], {}], ['c', { room: 2, where: { id: 1 } }]]);
  await pubsub.publish('a', 1);
  assert.equal(calls.length, 3);
  assert.deepEqual(client.calls, [['subscribe', 'a.1'], ['subscribe', 'x.2.'], ['subscribe', 'c.2'], ['publish', 'a', '1']]);
  assert.equal(pubsub.subscriptionMap[0][0], 'a.1');
});

test('a triggerTransform that throws: subscribe() throws, next() rejects', async () => {
  const { pubsub } = mocked({
    triggerTransform() {
      throw new Error('no name');
    },
  });
  assert.throws(() => pubsub.subscribe('a', () => {}), { message: 'no name' });
  await assert.rejects(pubsub.asyncIterator('a').next(), { message: 'no name' });
});

test('publish: a serializer, else a Buffer as it is, else JSON', async () => {
  const { client, pubsub } = mocked();
  const bytes = Buffer.from([1, 2]);
  assert.equal(await pubsub.publish('a', { id: 1 }), undefined);
  await pubsub.publish('a', bytes);
  await pubsub.publish('a', 'text');
  assert.deepEqual(client.calls.map(([, , message]) => message), ['{"id":1}', bytes, '"text"']);
  const own = mocked({ serializer: (payload) => `<${payload.id}>` });
  await own.pubsub.publish('a', { id: 1 });
  assert.deepEqual(own.client.calls, [['publish', 'a', '<1>']]);
  await assert.rejects(own.pubsub.publish('a', null), TypeError);
  own.client.publish = () => Promise.reject(new Error('no connection'));
  await assert.rejects(own.pubsub.publish('a', { id: 1 }), { message: 'no connection' });
});

test('a deserializer gets a Buffer, the channel and the pattern; what it makes is filtered', () => {
  const calls = [];
  const { client, pubsub } = mocked({
    deserializer(message, context) {
      calls.push([message, context]);
      const text = message.toString();
      if (text === 'bad') throw new Error('unreadable');
      return { id: Number(text) };
    },
  });
  const seen = [];
  pubsub.subscribe('a', (m) => seen.push(m));
  pubsub.subscribe('a', (m) => seen.push(['filtered', m]), { where: { id: 2 } });
  pubsub.subscribe('a*', (m) => seen.push(m), { pattern: true });
  client.message('a', '1');
  client.message('a', Buffer.from('2'));
  client.pmessage('a*', 'abc', '3');
  client.message('a', 'bad');
  assert.deepEqual(seen, [{ id: 1 }, { id: 2 }, ['filtered', { id: 2 }], { id: 3 }, 'bad']);
  assert.deepEqual(calls.map(([message, context]) => [Buffer.isBuffer(message), message.toString(), context]), [
    [true, '1', { pattern: undefined, channel: 'a' }],
    [true, '2', { pattern: undefined, channel: 'a' }],
    [true, '3', { pattern: 'a*', channel: 'abc' }],
    [true, 'bad', { pattern: undefined, channel: 'a' }],
  ]);
});

test('a reviver: filters see what it made', () => {
  const { client, pubsub } = mocked({ reviver: (key, value) => (key === 'id' ? value + 1 : value) });
  const seen = [];
  pubsub.subscribe('a', (m) => seen.push(m), { where: { id: 2 } });
  for (const id of [1, 2]) client.message('a', JSON.stringify({ id }));
  assert.deepEqual(seen, [{ id: 2 }]);
});

test('a reviver and a deserializer are one too many', () => {
  assert.throws(() => mocked({ reviver: () => {}, deserializer: () => {} }), { message: "Reviver and deserializer can't be used together" });
});

test('nothing is parsed unless somebody wants it, and then once', () => {
  const { client, pubsub } = mocked();
  const parse = JSON.parse;
  let parsed = 0;
  JSON.parse = (...args) => {
    parsed++;
    return parse(...args);
  };
  try {
    const seen = [];
    for (let id = 0; id < 10; id++) pubsub.subscribe('a', (m) => seen.push(m), { where: { id: [id, 'all'] } });
    client.message('a', '{"id":77}');
    client.message('a', '{"id":');
    client.message('a', 'no JSON');
    client.message('b', '{"id":1}');
    assert.deepEqual([parsed, seen.length], [0, 0]);
    client.message('a', '{"id":7}');
    assert.deepEqual([parsed, seen], [1, [{ id: 7 }]]);
    client.message('a', '{"id":"all"}');
    assert.deepEqual([parsed, seen.length], [2, 11]);
    for (const message of seen.slice(1)) assert.equal(message, seen[1]);
  } finally {
    JSON.parse = parse;
  }
});

test('numbers beyond what JavaScript tells apart are compared as they came', () => {
  const { client, pubsub } = mocked();
  const seen = [];
  pubsub.subscribe('a', () => seen.push('…992'), { where: { id: 9007199254740992n } });
  pubsub.subscribe('a', () => seen.push('…993'), { where: { id: 9007199254740993n } });
  client.message('a', '{"id":9007199254740993}');
  assert.deepEqual(seen, ['…993']);
});

test('what is not JSON is delivered as it came, to whom asks for nothing', () => {
  const { client, pubsub } = mocked();
  const seen = [];
  pubsub.subscribe('a', (m) => seen.push(['all', m]));
  pubsub.subscribe('a', (m) => seen.push(['with id', m]), { where: { id: [{ exists: true }] } });
  pubsub.subscribe('a', (m) => seen.push(['without id', m]), { where: { id: [{ exists: false }] } });
  client.message('a', 'no JSON');
  client.message('a', '{"id": ');
  assert.deepEqual(seen, [['all', 'no JSON'], ['all', '{"id": ']]);
});

test('bytes are filtered and delivered as they are', () => {
  const { client, pubsub } = mocked();
  const seen = [];
  pubsub.subscribe('a', (m) => seen.push(m), { where: { id: 1 } });
  const wanted = Buffer.from('{"id":1}');
  client.message('a', Buffer.from('{"id":2}'));
  client.message('a', wanted);
  client.message('a', Buffer.from([0xff, 0xfe]));
  assert.equal(seen.length, 1);
  assert.equal(seen[0], wanted);
});

test('a closure and a filter by withFilter', async () => {
  const { client, pubsub } = mocked();
  const asked = [];
  const iterator = await withFilter(() => pubsub.asyncIterator('a', { where: { id: [1, 2] } }), (payload, args) => {
    asked.push(payload.id);
    return payload.id === args.id;
  })({}, { id: 2 }, {}, {});
  const next = iterator.next();
  for (const id of [1, 2, 3]) client.message('a', JSON.stringify({ id }));
  assert.deepEqual(await next, { value: { id: 2 }, done: false });
  assert.deepEqual(asked, [1, 2]);
});

test('close() quits both clients, ends iterators after what waits, and sends nothing else', async () => {
  const { client, pubsub } = mocked();
  const iterators = [pubsub.asyncIterator('a'), pubsub.asyncIterator(['a', 'b'], { where: { id: 1 } })];
  const closures = await withFilter(() => pubsub.asyncIterator('a'), () => true)();
  const nexts = [...iterators, closures].map((iterator) => iterator.next());
  const full = pubsub.asyncIterator('full');
  const first = full.next();
  await settle();
  for (const n of [1, 2, 3]) client.message('full', String(n));
  assert.equal((await first).value, 1);
  const id = await pubsub.subscribe('a', () => {});
  const sent = client.calls.length;
  const closed = pubsub.close();
  assert.deepEqual(client.calls.slice(sent), [['quit'], ['quit']]);
  assert.deepEqual(await closed, ['OK', 'OK']);
  for (const next of nexts) assert.deepEqual(await resultOf(next), DONE);
  assert.deepEqual(await drained(full), [2, 3]);
  for (const iterator of [...iterators, full]) assert.deepEqual(await iterator.return(), DONE);
  pubsub.unsubscribe(id);
  assert.deepEqual(client.called('unsubscribe', 'punsubscribe'), []);
});

test('Symbol.asyncDispose closes it', { skip: Symbol.asyncDispose === undefined }, async () => {
  const { client, pubsub } = mocked();
  await pubsub[Symbol.asyncDispose]();
  assert.deepEqual(client.calls, [['quit'], ['quit']]);
});

test('unsubscribing costs the same however many are subscribed', async () => {
  const { client, pubsub } = mocked();
  const ids = [];
  for (let i = 0; i < 10_000; i++) ids.push(await pubsub.subscribe('a', () => {}));
  // Within one delivery, from the last to the first: whoever searched a list would be seen by the clock, whoever
  // copied one would deliver to those who have left.
  let delivered = 0;
  const last = await pubsub.subscribe('b', () => {
    for (const id of ids.reverse()) pubsub.unsubscribe(id);
    delivered++;
  });
  client.message('b', '1');
  assert.equal(delivered, 1);
  pubsub.unsubscribe(last);
  assert.equal(client.called('unsubscribe').length, 2);
  assert.deepEqual(Object.keys(pubsub.subscriptionMap), []);
});

test('a subclass sees what iterators subscribe', async () => {
  const calls = [];
  class Watched extends RedisPubSub {
    subscribe(trigger, onMessage, options) {
      calls.push([trigger, options]);
      return super.subscribe(trigger, onMessage, options);
    }
  }
  const client = new MockClient();
  const pubsub = new Watched({ publisher: client, subscriber: client });
  const iterator = pubsub.asyncIterator('a', { where: { id: 1 }, room: 'x' });
  const next = iterator.next();
  assert.deepEqual(calls, [['a', { room: 'x' }]]);
  await settle();
  for (const id of [2, 1]) client.message('a', JSON.stringify({ id }));
  assert.deepEqual(await next, { value: { id: 1 }, done: false });
});

test('clients of its own: ioredis is given the connection twice, and the listener', () => {
  const made = [];
  const load = require('node:module')._load;
  require('node:module')._load = (request, ...rest) => {
    if (request !== 'ioredis') return load(request, ...rest);
    return class extends MockClient {
      constructor(...args) {
        super();
        made.push([args, this]);
      }
    };
  };
  try {
    const listener = () => {};
    const pubsub = new RedisPubSub({ connection: 'redis://x', connectionListener: listener, publisher: new MockClient() });
    assert.deepEqual(made.map(([args]) => args), [['redis://x'], ['redis://x']]);
    assert.deepEqual([pubsub.getPublisher(), pubsub.getSubscriber()], made.map(([, client]) => client));
    for (const [, client] of made) for (const event of ['connect', 'error']) assert.equal(client.listeners.get(event), listener);
    new RedisPubSub();
    for (const [, client] of made.slice(2)) assert.equal(client.listeners.get('error'), console.error);
  } finally {
    require('node:module')._load = load;
  }
});

test('without ioredis and without clients: an error that says what to do', () => {
  const load = require('node:module')._load;
  require('node:module')._load = (request, ...rest) => {
    if (request === 'ioredis') throw new Error('Cannot find module');
    return load(request, ...rest);
  };
  try {
    assert.throws(() => new RedisPubSub(), { code: 'ERR_NO_CLIENT', message: /install ioredis/ });
  } finally {
    require('node:module')._load = load;
  }
});

test('options that are wrong are errors', () => {
  const code = 'ERR_BAD_OPTION';
  const wrong = [{ conection: 'x' }, { triggerTransform: 'x' }, { serializer: {} }, { reviver: 1 }, { deserializer: true }, { overflow: 'x' }];
  for (const options of wrong) assert.throws(() => mocked(options), { name: 'TypeError', code }, JSON.stringify(options));
});
