'use strict';

// Publishing without options: the native half remembers the topic of the call before.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Hub } = require('../..');

test('calls in turns, refused ones between them, each reach their own topic', () => {
  const hub = new Hub();
  const names = ['a', 'b', 'ä€😀', 'long '.repeat(50)];
  const subscriptions = names.map((name) => hub.subscribe(name));
  const other = new Hub();
  for (const payload of [Buffer.from('x'), 'text', { an: 'object' }, new Uint8Array(0), '']) {
    for (const name of [...names, ...names, ...names.flatMap((each) => [each, each])]) {
      assert.equal(hub.publish(name, payload).subscriptions, 1);
      assert.equal(other.publish(name, payload).subscriptions, 0);
      assert.throws(() => hub.publish('', payload), { code: 'ERR_BAD_TOPIC' });
    }
    assert.equal(hub.publish('nobody', payload).subscriptions, 0);
  }
  for (const subscription of subscriptions) assert.equal(subscription.lag, 20);
  const { position, feeds, share } = hub.publish('nobody', 'x');
  assert.deepEqual({ position, feeds, share }, { position: null, feeds: 0, share: 0 });
});

test('a closed hub says so every time', () => {
  const hub = new Hub();
  hub.publish('a', 'x');
  hub.close();
  for (let i = 0; i < 3; i += 1) assert.throws(() => hub.publish('a', 'x'), { code: 'ERR_CLOSED' });
});
