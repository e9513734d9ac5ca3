'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Event, Hub } = require('../..');
const { drained, inTime } = require('./rig');

/**
 * The event that a publish brings.
 *
 * @param {Hub} hub
 * @param {...any} args
 * @returns {Promise<any>}
 */
async function sent(hub, ...args) {
  const subscription = hub.subscribe(args[0]);
  hub.publish(...args);
  const { value } = await inTime(subscription.next());
  subscription.close();
  return value;
}

const PAYLOADS = [
  ['a string', 'grüße', 'grüße'],
  ['an empty string', '', ''],
  ['a lone surrogate', '\ud800', '\ufffd'],
  ['a Buffer', Buffer.from('bytes'), 'bytes'],
  ['an empty Buffer', Buffer.alloc(0), ''],
  ['a stretch of a Buffer', Buffer.from('abcdef').subarray(2, 4), 'cd'],
  ['a Uint8Array', new Uint8Array([104, 105]), 'hi'],
  ['a Uint16Array', new Uint16Array([0x6968, 0x6a6a]).subarray(0, 1), 'hi'],
  ['a DataView', new DataView(Uint8Array.of(120, 104, 105).buffer, 1), 'hi'],
  ['an ArrayBuffer', Uint8Array.of(104, 105).buffer, 'hi'],
  ['a SharedArrayBuffer', new SharedArrayBuffer(2), '\0\0'],
  ['an object', { a: [1, 'x', null], b: undefined }, '{"a":[1,"x",null]}'],
  ['a list', [1, undefined], '[1,null]'],
  ['a number', 12.5, '12.5'],
  ['a BigInt', 2n ** 64n, '18446744073709551616'],
  ['a BigInt inside', { id: 9007199254740993n }, '{"id":9007199254740993}'],
  ['a boolean', false, 'false'],
  ['null', null, 'null'],
  ['a Date', new Date(0), '"1970-01-01T00:00:00.000Z"'],
];

for (const [name, payload, expected] of PAYLOADS) {
  test(`publishes ${name}`, async () => {
    const event = await sent(new Hub(), 'a', payload);
    assert.equal(event.text(), expected);
    assert.equal(event.byteLength, event.data.length);
    assert.equal(event.data.toString(), expected);
  });
}

test('an event has what it was published with', async () => {
  const before = Date.now();
  const hub = new Hub();
  const event = await sent(hub, 'größe.7', { id: 7 }, {
    key: 'schlüssel',
    attributes: {
      text: 'x"\u0001é', number: 1.5, whole: -3, big: 2n ** 63n, low: -(2n ** 63n), small: 5n, yes: true, none: null,
      list: ['a', 1n],
    },
  });
  assert.ok(event instanceof Event);
  assert.equal(event.topic, 'größe.7');
  assert.equal(event.key, 'schlüssel');
  assert.deepEqual({ ...event.attributes }, {
    text: 'x"\u0001é', number: 1.5, whole: -3, big: 2n ** 63n, low: -(2n ** 63n), small: 5, yes: true, none: null,
    list: ['a', 1],
  });
  assert.equal(event.json(), event.json());
  assert.deepEqual(event.json(), { id: 7 });
  assert.equal(event.data, event.data);
  assert.match(event.position, /^[0-9a-f]+-[0-9a-f]+$/);
  assert.ok(event.publishedAt >= before - 1 && event.publishedAt <= Date.now() + 1, String(event.publishedAt));
  hub.close();
});

test('an event without key and attributes has none', async () => {
  const event = await sent(new Hub(), 'a', 'x');
  assert.equal(event.key, undefined);
  assert.deepEqual({ ...event.attributes }, {});
  const empty = await sent(new Hub(), 'a', 'x', { key: '' });
  assert.equal(empty.key, '');
});

test('a payload that is no JSON is told with its reason', async () => {
  const event = await sent(new Hub(), 'a', '{"open');
  const check = { code: 'ERR_NOT_JSON', name: 'DistributaryError', message: /"a" is not JSON/ };
  assert.throws(() => event.json(), check);
  assert.throws(() => event.json(), check);
});

test('a publish says whom it reached', () => {
  const hub = new Hub();
  const nobody = hub.publish('a', '1');
  assert.deepEqual([nobody.subscriptions, nobody.feeds, nobody.share, nobody.position], [0, 0, 0, null]);
  const held = [hub.subscribe('a'), hub.subscribe('a'), hub.subscribe({ patterns: 'a*' }), hub.subscribe('b')];
  const some = hub.publish('a', '2');
  assert.deepEqual([some.subscriptions, some.feeds, some.share], [3, 2, 0.75]);
  assert.match(some.position ?? '', /^[0-9a-f]+-[0-9a-f]+$/);
  held.forEach((subscription) => subscription.close());
});

test('the position of a publish is that of its event, and rises by one', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  const [first, second] = [hub.publish('a', '1'), hub.publish('a', '2')];
  const events = [(await subscription.next()).value, (await subscription.next()).value];
  assert.deepEqual(events.map((event) => event.position), [first.position, second.position]);
  const [epoch, offset] = String(first.position).split('-');
  assert.equal(second.position, `${epoch}-${(BigInt(`0x${offset}`) + 1n).toString(16)}`);
});

test('filters look at the attributes where there are any, and at the payload otherwise', async () => {
  const hub = new Hub();
  const found = [];
  hub.on({ topics: 'a', where: { id: [2n ** 63n] } }, (event) => found.push(event.text()));
  hub.publish('a', '{"id":9223372036854775808,"n":1}');
  hub.publish('a', '{"id":9223372036854775807,"n":2}');
  hub.publish('a', { id: 2n ** 63n, n: 3 });
  hub.publish('a', '{"id":0,"n":4}', { attributes: { id: 2n ** 63n } });
  hub.publish('a', '{"id":9223372036854775808,"n":5}', { attributes: { id: 1 } });
  hub.publish('a', '{"n":6}', { attributes: { id: [1, 2n ** 63n] } });
  await drained(hub);
  assert.deepEqual(found.map((text) => JSON.parse(text).n), [1, 3, 4, 6]);
});

test('bytes that are published may be used again', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  for (const size of [10, 5_000, 100_000]) {
    const bytes = Buffer.alloc(size, 1);
    hub.publish('a', bytes);
    bytes.fill(2);
    const { value } = await inTime(subscription.next());
    assert.ok(value.data.equals(Buffer.alloc(size, 1)), String(size));
  }
});

test('a large payload comes as the engine\'s own memory, or as a copy', async () => {
  for (const [options, shared] of [[{}, true], [{ shareFrom: Infinity }, false], [{ shareFrom: 200_001 }, false]]) {
    const hub = new Hub(options);
    const waiting = Promise.all([hub.subscribe('a').next(), hub.subscribe('a').next()]);
    const late = hub.subscribe('a');
    const memory = Hub.allocate(200_000).fill('x');
    hub.publish('a', memory, { transfer: true });
    const events = (await inTime(waiting)).map(({ value }) => value);
    assert.equal(events[0], events[1], 'one object for all subscribers');
    assert.equal(events[0].data.length, 200_000);
    assert.ok(events[0].data.equals(Buffer.alloc(200_000, 'x')));
    // A reader who comes later has another Buffer. Nobody may write to them; if one does, that shows whose memory it is.
    const { value: again } = await inTime(late.next());
    assert.notEqual(again.data, events[0].data);
    events[0].data[7] = 1;
    assert.equal(again.data[7] === 1, shared);
    hub.close();
  }
});

test('memory that is given away is gone here, and arrives unchanged', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe({ topics: 'a', where: { kind: ['x'] } });
  for (const [size, from, to] of [[16, 0, 16], [16, 4, 8], [1_000_000, 0, 1_000_000], [1_000_000, 999_999, 1_000_000]]) {
    const memory = Hub.allocate(size);
    assert.ok(memory.every((byte) => byte === 0));
    for (let at = 0; at < size; at += 1) memory[at] = at % 251;
    const expected = Buffer.from(memory.subarray(from, to));
    const part = memory.subarray(from, to);
    const delivery = hub.publish('a', part, { transfer: true, key: 'k', attributes: { kind: 'x' } });
    assert.equal(delivery.subscriptions, 1);
    assert.deepEqual([memory.length, part.length], [0, 0], 'detached');
    const { value } = await inTime(subscription.next());
    assert.ok(value.data.equals(expected));
    assert.equal(value.key, 'k');
  }
});

test('memory that cannot be published stays', () => {
  const hub = new Hub();
  const memory = Hub.allocate(10);
  assert.throws(() => hub.publish('', memory, { transfer: true }), { code: 'ERR_BAD_TOPIC' });
  assert.throws(() => hub.publish('a', memory, { transfer: true, attributes: { a: NaN } }), { code: 'ERR_BAD_PAYLOAD' });
  assert.equal(memory.length, 10);
  hub.publish('a', memory);
  assert.equal(memory.length, 10, 'copied without transfer');
  hub.publish('a', memory, { transfer: true });
  assert.equal(memory.length, 0);
});

test('events of one topic have its name, however many topics there are', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe({ patterns: 't.*', budget: { events: 20_000 } });
  const names = Array.from({ length: 10_000 }, (_, i) => `t.${i % 5_000}`);
  for (const name of names) hub.publish(name, name);
  for (const name of names) {
    const { value } = await subscription.next();
    assert.equal(value.topic, name);
    assert.equal(value.text(), name);
  }
});

test('payloads of all sizes cross whole, in slabs and beside them', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe({ topics: 'a', budget: { events: 10_000 } });
  const sizes = [0, 1, 4_095, 4_096, 4_097, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537];
  const all = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? sizes[i % sizes.length] : (i * 97) % 5_000));
  all.forEach((size, i) => hub.publish('a', Buffer.alloc(size, i % 256), { key: 'k'.repeat(i), attributes: { i } }));
  for (const [i, size] of all.entries()) {
    const { value } = await inTime(subscription.next());
    assert.ok(value.data.equals(Buffer.alloc(size, i % 256)), `${i}: ${size}`);
    assert.equal(value.key, 'k'.repeat(i));
    assert.equal(value.attributes.i, i);
  }
});

test('memory that events share cannot be moved elsewhere', async () => {
  const hub = new Hub();
  for (const size of [10, 5_000, 100_000]) {
    const { data } = await sent(hub, 'a', Buffer.alloc(size, 1));
    try {
      structuredClone(data, { transfer: [data.buffer] });
    } catch (error) {
      assert.equal(error.name, 'DataCloneError');
    }
    assert.equal(data.length, size);
  }
});

test('a key and attributes that are longer than a slab cross whole', async () => {
  const long = '\u0001'.repeat(50_000);
  const event = await sent(new Hub(), 'a', 'x', { key: long, attributes: { [long]: long } });
  assert.equal(event.key, long);
  assert.equal(event.attributes[long], long);
  assert.equal(event.text(), 'x');
});

test('counters are those of the engine, in numbers and camel case', async () => {
  const hub = new Hub({ topicCounters: 1 });
  hub.countTopic('a');
  const listener = hub.on({ topics: ['a', 'b'], where: { id: [1] } }, () => {});
  hub.publish('a', { id: 1 });
  hub.publish('a', { id: 2 });
  hub.publish('b', 'no JSON');
  await drained(hub);
  const stats = hub.stats();
  assert.equal(stats.subscriptions, 1);
  assert.equal(stats.published, 3);
  assert.equal(stats.unmatched, 2);
  assert.equal(stats.filtersIndexed, 2);
  assert.equal(stats.unreadable, 1);
  assert.equal(stats.drain.count, 1);
  assert.equal(typeof stats.share.max, 'number');
  assert.match(hub.prometheus(), /^distributary_subscriptions 1$/m);
  assert.deepEqual(hub.topicStats(), [{ topic: 'a', published: 2, matched: 1, reached: 1, bytes: 16 }]);
  assert.throws(() => hub.countTopic('b'), { code: 'ERR_TOO_MANY', message: /topicCounters/ });
  hub.uncountTopic('a');
  assert.deepEqual(hub.topicStats(), []);
  listener.off();
  assert.equal(hub.stats().subscriptions, 0);
});

test('what a closed hub does not take is not given away', async () => {
  const closed = new Hub();
  closed.close();
  const memory = Hub.allocate(4);
  memory.write('kept');
  assert.throws(() => closed.publish('a', memory, { transfer: true }), { code: 'ERR_CLOSED' });
  assert.equal(memory.toString(), 'kept');
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  hub.publish('a', memory, { transfer: true });
  assert.equal((await inTime(subscription.next())).value.text(), 'kept');
  assert.throws(() => hub.publish('a', memory, { transfer: true }), { code: 'ERR_BAD_PAYLOAD' });
  assert.equal(subscription.lag, 0, 'no event of nothing');
});
