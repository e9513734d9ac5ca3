'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Hub } = require('../..');
const { inTime, texts } = require('./rig');

const HISTORY = [{ topics: 'kept.*', events: 5 }, { topics: '*', events: 100 }];

test('a subscriber who comes back gets exactly what it missed', async () => {
  const hub = new Hub({ history: HISTORY });
  const first = hub.subscribe('chat');
  for (let i = 0; i < 5; i += 1) hub.publish('chat', String(i));
  let { value } = await inTime(first.next());
  value = (await inTime(first.next())).value;
  first.close();
  hub.publish('chat', '5');
  const second = hub.subscribe('chat', { from: value.position });
  hub.publish('chat', '6');
  assert.deepEqual(await texts(second, 5), ['2', '3', '4', '5', '6']);
});

test('whoever starts at the position of the topic gets what comes from now on', async () => {
  const hub = new Hub({ history: HISTORY });
  hub.publish('chat', 'before');
  const position = hub.position('chat');
  hub.publish('chat', 'after');
  assert.deepEqual(await texts(hub.subscribe({ topics: 'chat', from: position }), 1), ['after']);
  assert.equal(new Hub().position('chat'), null);
});

test('a callback and a filter may start in the past', async () => {
  const hub = new Hub({ history: HISTORY });
  const position = hub.position('a');
  for (let i = 0; i < 10; i += 1) hub.publish('a', { i, odd: i % 2 });
  const found = [];
  await inTime(new Promise((resolve) => {
    hub.on({ topics: 'a', where: { odd: [1] }, from: position }, (event) => {
      found.push(event.json().i);
      if (found.length === 6) resolve(undefined);
    });
    hub.publish('a', { i: 10, odd: 1 });
  }));
  assert.deepEqual(found, [1, 3, 5, 7, 9, 10]);
});

test('several topics resume each at its own position', async () => {
  const hub = new Hub({ history: HISTORY });
  const [a, b] = [hub.position('a'), hub.publish('b', 'b1').position];
  hub.publish('a', 'a1');
  hub.publish('b', 'b2');
  hub.publish('c', 'c1');
  const subscription = hub.subscribe({ topics: ['a', 'b', 'c'], from: { a, b } });
  hub.publish('c', 'c2');
  assert.deepEqual((await texts(subscription, 3)).sort(), ['a1', 'b2', 'c2']);
});

test('a past that cannot be had is an error that says why', () => {
  const hub = new Hub({ history: [{ topics: 'kept.*', events: 2 }] });
  const old = hub.position('kept.1');
  for (let i = 0; i < 5; i += 1) hub.publish('kept.1', String(i));
  const other = new Hub({ history: HISTORY }).position('kept.1');
  const [epoch, offset] = hub.position('kept.1').split('-');
  const future = `${epoch}-${(BigInt(`0x${offset}`) + 9n).toString(16)}`;
  const live = hub.subscribe('other');
  const unkept = hub.publish('other', '').position;
  live.close();
  for (const [selector, from, message] of [
    ['kept.1', old, /no longer held/],
    ['kept.1', other, /another epoch/],
    ['kept.1', future, /not counted that far/],
    ['other', unkept, /option `history` of the hub/],
    [['kept.1', 'kept.2'], old, /`from` as an object/],
    ['kept.1', { 'kept.2': old }, /does not name the topic/],
  ]) {
    assert.throws(() => hub.subscribe(selector, { from }), { code: 'ERR_POSITION', name: 'DistributaryError', message });
  }
  assert.equal(hub.stats().subscriptions, 0);
});
