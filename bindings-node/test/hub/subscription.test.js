'use strict';

const assert = require('node:assert/strict');
const { getEventListeners } = require('node:events');
const { test } = require('node:test');
const vm = require('node:vm');

const { Hub, LaggedError } = require('../..');
const { drained, inTime, texts, turn } = require('./rig');

test('a for await loop gets what is published, in order, and ends the subscription', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe(['a', 'b']);
  for (let i = 0; i < 500; i += 1) hub.publish(i % 2 ? 'a' : 'b', String(i));
  const found = [];
  for await (const event of subscription) {
    found.push(Number(event.text()));
    if (found.length === 500) break;
  }
  assert.deepEqual(found, Array.from({ length: 500 }, (_, i) => i));
  assert.deepEqual(subscription.closed, { reason: 'closed' });
  assert.equal(hub.stats().subscriptions, 0);
});

test('an event comes once to a subscription that asks for it by several names', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe({ topics: ['a.1', 'a.1', 'a.2'], patterns: ['a.*', '*.1'] });
  assert.deepEqual([subscription.topics, subscription.patterns], [['a.1', 'a.2'], ['*.1', 'a.*']]);
  hub.publish('a.1', 'x');
  hub.publish('b.1', 'y');
  assert.deepEqual(await texts(subscription, 2), ['x', 'y']);
});

test('next settles in order, however many wait', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  const waiting = Array.from({ length: 200 }, () => subscription.next());
  for (let i = 0; i < 300; i += 1) hub.publish('a', String(i));
  const found = await inTime(Promise.all(waiting));
  assert.deepEqual(found.map(({ value }) => value.text()), Array.from({ length: 200 }, (_, i) => String(i)));
  assert.deepEqual(await texts(subscription, 100), Array.from({ length: 100 }, (_, i) => String(i + 200)));
});

test('return before next leaks nothing, and next after it is done', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  assert.deepEqual(await subscription.return('v'), { value: 'v', done: true });
  assert.equal(hub.stats().subscriptions, 0);
  assert.deepEqual(await inTime(subscription.next()), { value: undefined, done: true });
  assert.deepEqual(await inTime(subscription.return()), { value: undefined, done: true });
});

test('close settles all who wait', async () => {
  const hub = new Hub();
  for (const close of ['close', 'return']) {
    const subscription = hub.subscribe('a');
    const waiting = [subscription.next(), subscription.next(), subscription.batches().next()];
    subscription[close]();
    for (const each of waiting) assert.deepEqual(await inTime(each), { value: undefined, done: true });
  }
  const subscription = hub.subscribe('a');
  const waiting = subscription.next();
  await assert.rejects(subscription.throw(new Error('mine')), { message: 'mine' });
  assert.equal((await inTime(waiting)).done, true);
});

test('nothing comes out after close, whatever is on its way', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  for (let i = 0; i < 100; i += 1) hub.publish('a', String(i));
  assert.deepEqual(await texts(subscription, 3), ['0', '1', '2']);
  await turn();
  subscription.close();
  assert.equal(subscription.lag, 0);
  assert.deepEqual(await subscription.next(), { value: undefined, done: true });
  // Slots are used again: nothing of the old one reaches the new one.
  const others = Array.from({ length: 10 }, () => hub.subscribe('b'));
  hub.publish('b', 'new');
  for (const other of others) assert.deepEqual(await texts(other, 1), ['new']);
});

test('a consumer that closes others in the middle of a delivery is obeyed', async () => {
  const hub = new Hub();
  const called = [];
  const listeners = Array.from({ length: 1_000 }, (_, i) => hub.on('a', () => {
    called.push(i);
    if (i === 10) for (let at = 11; at < 1_000; at += 2) listeners[at].off();
  }));
  hub.publish('a', 'x');
  await drained(hub);
  assert.equal(called.length, 11 + 494);
  assert.ok(called.every((i) => i <= 10 || i % 2 === 0));
});

test('batches bring what is there', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe({ topics: 'a', budget: { events: 5_000 } });
  for (let i = 0; i < 2_500; i += 1) hub.publish('a', String(i));
  const found = [];
  for await (const batch of subscription.batches({ max: 100 })) {
    assert.ok(batch.length >= 1 && batch.length <= 100, String(batch.length));
    found.push(...batch.map((event) => Number(event.text())));
    if (found.length === 2_500) break;
  }
  assert.deepEqual(found, Array.from({ length: 2_500 }, (_, i) => i));
  assert.equal(subscription.closed?.reason, 'closed');
});

test('batches and next may be mixed', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  const batches = subscription.batches({ max: 2 });
  const waiting = [subscription.next(), batches.next(), subscription.next(), batches.next()];
  for (let i = 0; i < 6; i += 1) hub.publish('a', String(i));
  const found = (await inTime(Promise.all(waiting))).flatMap(({ value }) => value).map((event) => event.text());
  assert.deepEqual(found.slice(0, 2), ['0', '1']);
  const rest = [];
  while (found.length + rest.length < 6) rest.push(...(await inTime(batches.next())).value.map((event) => event.text()));
  assert.deepEqual([...found, ...rest], ['0', '1', '2', '3', '4', '5']);
});

test('topics and patterns come and go', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  assert.equal(subscription.add('b'), 1);
  assert.equal(subscription.add(['b', 'c']), 1);
  assert.equal(subscription.add({ patterns: ['x.*'] }), 1);
  assert.deepEqual([subscription.topics, subscription.patterns], [['a', 'b', 'c'], ['x.*']]);
  for (const topic of ['a', 'b', 'c', 'd', 'x.1']) hub.publish(topic, topic);
  assert.deepEqual(await texts(subscription, 4), ['a', 'b', 'c', 'x.1']);
  assert.equal(subscription.remove({ topics: ['a', 'nobody'], patterns: 'x.*' }), 2);
  for (const topic of ['a', 'b', 'x.1']) hub.publish(topic, topic);
  assert.deepEqual(await texts(subscription, 1), ['b']);
  assert.throws(() => subscription.remove(['b', 'c']), { code: 'ERR_BAD_SELECTOR' });
  assert.deepEqual(subscription.topics, ['b', 'c'], 'one would have to stay, so all do');
  subscription.close();
  assert.throws(() => subscription.add('a'), { code: 'ERR_CLOSED' });
  assert.deepEqual([subscription.topics, subscription.patterns], [[], []]);
});

test('what was on its way of a removed topic does not come', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe(['a', 'b']);
  const first = subscription.next();
  for (let i = 0; i < 400; i += 1) hub.publish(i % 2 ? 'b' : 'a', `${i % 2 ? 'b' : 'a'}${i}`);
  assert.equal((await inTime(first)).value.text(), 'a0');
  // Some wait here, some on the way, some in the engine.
  assert.deepEqual(await texts(subscription, 5), ['b1', 'a2', 'b3', 'a4', 'b5']);
  subscription.remove('b');
  assert.deepEqual(await texts(subscription, 197), Array.from({ length: 197 }, (_, i) => `a${2 * i + 6}`));
  assert.equal(subscription.lag, 0);
});

test('a handler that removes a topic gets nothing more of it', async () => {
  const hub = new Hub();
  const found = [];
  const listener = hub.on({ topics: ['a', 'b'] }, (event) => {
    found.push(event.text());
    if (found.length === 3) assert.equal(listener.remove('b'), 1);
  });
  for (let i = 0; i < 20; i += 1) hub.publish(i % 2 ? 'b' : 'a', String(i));
  await drained(hub);
  assert.deepEqual(found, ['0', '1', '2', '4', '6', '8', '10', '12', '14', '16', '18']);
  assert.deepEqual(listener.topics, ['a']);
});

test('the lag is what waits to be read', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe('a');
  for (let i = 0; i < 100; i += 1) hub.publish('a', String(i));
  assert.equal(subscription.lag, 100);
  await texts(subscription, 40);
  await drained(hub);
  assert.equal(subscription.lag, 60);
  await texts(subscription, 60);
  assert.equal(subscription.lag, 0);
});

test('what a stalled reader does not read stays in the engine', async () => {
  const hub = new Hub({ budget: { events: 10 } });
  const subscription = hub.subscribe({ topics: 'a', onLag: 'skip' });
  const first = subscription.next();
  hub.publish('a', 'first');
  await first;
  await turn();
  for (let i = 0; i < 5_000; i += 1) {
    hub.publish('a', String(i));
    if (i % 1_000 === 0) await turn();
  }
  await drained(hub);
  const found = [];
  while (found.length < 10) found.push((await inTime(subscription.next())).value.text());
  assert.deepEqual(found, Array.from({ length: 10 }, (_, i) => String(4_990 + i)));
  assert.equal(subscription.missed, 4_990);
});

test('a hub that closes lets subscriptions read what has come, and ends them', async () => {
  const hub = new Hub();
  const [reader, batches, waiting] = [hub.subscribe('a'), hub.subscribe('a'), hub.subscribe('b')];
  let told;
  const listener = hub.on('a', () => {}, { onClose: (how) => { told = how; } });
  const end = waiting.next();
  hub.publish('a', '1');
  hub.publish('a', '2');
  hub.close();
  assert.equal(hub.closed, true);
  hub.close();
  assert.deepEqual(await texts(reader, 2), ['1', '2']);
  assert.equal((await inTime(reader.next())).done, true);
  const found = [];
  for await (const batch of batches.batches()) found.push(...batch);
  assert.equal(found.length, 2);
  assert.equal((await inTime(end)).done, true);
  for (const { closed } of [reader, batches, waiting, listener]) assert.deepEqual(closed, { reason: 'hub-closed' });
  assert.deepEqual(await waiting.ended, { reason: 'hub-closed' });
  assert.deepEqual(told, { reason: 'hub-closed' });
  assert.throws(() => hub.publish('a', ''), { code: 'ERR_CLOSED', message: /make a new one/ });
  assert.throws(() => hub.subscribe('a'), { code: 'ERR_CLOSED' });
  assert.throws(() => hub.on('a', () => {}), { code: 'ERR_CLOSED' });
});

test('a signal ends a subscription with its reason, once', async () => {
  const hub = new Hub();
  const controller = new AbortController();
  const subscription = hub.subscribe('a', { signal: controller.signal });
  hub.publish('a', 'x');
  assert.deepEqual(await texts(subscription, 1), ['x']);
  const [waiting, other] = [subscription.next(), subscription.next()];
  const ended = subscription.ended;
  controller.abort();
  await assert.rejects(inTime(waiting), { name: 'AbortError' });
  assert.equal((await inTime(other)).done, true);
  assert.equal((await inTime(subscription.next())).done, true);
  assert.deepEqual(await ended, { reason: 'aborted' });
  assert.equal(hub.stats().subscriptions, 0);

  const idle = hub.subscribe({ topics: 'a', signal: AbortSignal.timeout(1) });
  await inTime(idle.ended);
  await assert.rejects(idle.next(), { name: 'TimeoutError' });
  assert.equal((await idle.next()).done, true);

  assert.throws(() => hub.subscribe('a', { signal: AbortSignal.abort(new Error('before')) }), { message: 'before' });
  const closed = hub.subscribe('a', { signal: controller.signal.aborted ? new AbortController().signal : controller.signal });
  closed.close();
  assert.deepEqual(closed.closed, { reason: 'closed' });
});

test('using and await using end a subscription', async () => {
  const hub = new Hub();
  for (const symbol of [Symbol.dispose, Symbol.asyncDispose]) {
    if (symbol === undefined) continue;
    const subscription = hub.subscribe('a');
    await subscription[symbol]();
    assert.deepEqual(subscription.closed, { reason: 'closed' });
    const batches = hub.subscribe('a').batches();
    await batches[symbol]();
    assert.equal((await batches.next()).done, true);
    const listener = hub.on('a', () => {});
    await listener[symbol]();
    assert.deepEqual(listener.closed, { reason: 'closed' });
  }
  assert.equal(hub.stats().subscriptions, 0);
  await hub[Symbol.asyncDispose]?.();
  assert.equal(hub.closed, Symbol.asyncDispose !== undefined);
});

test('an error of onLag reaches who reads', async () => {
  const hub = new Hub({ budget: { events: 1 } });
  const subscription = hub.subscribe('a', { onLag: () => { throw new Error('mine'); } });
  hub.publish('a', '1');
  hub.publish('a', '2');
  await assert.rejects(inTime(subscription.next()), { message: 'mine' });
  assert.deepEqual(await texts(subscription, 1), ['2']);
});

test('missed events are an error in their place, after which reading goes on', async () => {
  const hub = new Hub({ budget: { events: 3 } });
  const subscription = hub.subscribe('a');
  for (let i = 0; i < 10; i += 1) hub.publish('a', String(i));
  const error = await inTime(subscription.next().catch((thrown) => thrown));
  assert.ok(error instanceof LaggedError);
  assert.deepEqual([error.name, error.code, error.missed], ['LaggedError', 'ERR_LAGGED', 7]);
  assert.deepEqual(await texts(subscription, 3), ['7', '8', '9']);
  assert.equal(subscription.closed, null);
});

test('what a selector inherits or computes counts, and nothing undefined takes it away', async () => {
  const hub = new Hub();
  class Selector {
    topics = 'a';
    get where() {
      return { user: [1] };
    }
  }
  const subscriptions = [
    hub.subscribe(new Selector()),
    hub.subscribe(Object.create({ topics: 'a', where: { user: [1] } })),
    hub.subscribe('a', Object.create({ where: { user: [1] } })),
    hub.subscribe({ topics: 'a', where: { user: [1] } }, { where: undefined }),
    hub.subscribe({ topics: new Proxy(['a'], {}), where: { user: [1] } }),
    hub.subscribe(vm.runInNewContext("({ topics: 'a', where: { user: [1] } })")),
  ];
  hub.publish('a', { user: 2 });
  hub.publish('a', { user: 1 });
  for (const subscription of subscriptions) {
    assert.deepEqual((await inTime(subscription.next())).value.json(), { user: 1 });
  }
});

test('one signal ends as much as one likes, and nobody warns of a leak', async (t) => {
  const hub = new Hub();
  const aborter = new AbortController();
  const { signal } = aborter;
  const warnings = [];
  const warned = (warning) => warnings.push(warning.name);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const subscriptions = Array.from({ length: 30 }, () => hub.subscribe('a', { signal }));
  const listeners = Array.from({ length: 30 }, () => hub.on('a', () => {}, { signal }));
  await turn();
  assert.deepEqual(warnings, []);
  subscriptions[0].close();
  aborter.abort();
  assert.deepEqual(subscriptions.map(({ closed }) => closed.reason), ['closed', ...Array(29).fill('aborted')]);
  assert.ok(listeners.every(({ closed }) => closed.reason === 'aborted'));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('nothing is left at a signal by those who have ended', () => {
  const hub = new Hub();
  const { signal } = new AbortController();
  const subscription = hub.subscribe('a', { signal });
  const listener = hub.on('a', () => {}, { signal });
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  subscription.close();
  assert.equal(getEventListeners(signal, 'abort').length, 1);
  listener.off();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a removal while somebody waits takes nothing from what comes after it', async () => {
  const hub = new Hub();
  /** @type {import('../..').Subscription} */
  let subscription;
  // Called before the reader, in the same stride.
  hub.on('a', () => subscription.remove('a'));
  subscription = hub.subscribe(['a', 'b', 'c']);
  const first = subscription.next();
  hub.publish('a', '1');
  hub.publish('b', '2');
  assert.equal((await inTime(first)).value.text(), '2');
});

test('names are added and removed all or none', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe({ topics: ['a', 'b'], patterns: ['p.*'] });
  assert.throws(() => subscription.remove({ topics: ['a', 'b'], patterns: ['p.*'] }), { code: 'ERR_BAD_SELECTOR' });
  assert.throws(() => subscription.add(['c', '']), { code: 'ERR_BAD_TOPIC' });
  assert.throws(() => subscription.add({ topics: 'c', patterns: '[' }), { code: 'ERR_BAD_PATTERN', message: /"\["/ });
  assert.deepEqual(subscription.topics.sort(), ['a', 'b']);
  assert.deepEqual(subscription.patterns, ['p.*']);
  assert.equal(subscription.remove({ topics: ['a', 'b', 'none'] }), 2);
  assert.throws(() => subscription.remove({ patterns: 'p.*' }), { code: 'ERR_BAD_SELECTOR' });
  assert.equal(subscription.add([]), 0);
  assert.equal(subscription.remove([]), 0);
});

test('names that are too many together with those before are not added', async () => {
  const hub = new Hub();
  const names = Array.from({ length: 9_999 }, (_, i) => `t${i}`);
  const subscription = hub.subscribe([...names, 'a']);
  assert.throws(() => subscription.add({ topics: 'a', patterns: ['p.*', 'q.*'] }), { code: 'ERR_BAD_SELECTOR' });
  subscription.remove('t0');
  assert.throws(() => subscription.add({ topics: ['a', 'b'], patterns: 'p.*' }), { code: 'ERR_BAD_SELECTOR' });
  assert.deepEqual(subscription.topics.sort(), [...names.slice(1), 'a'].sort());
  assert.deepEqual(subscription.patterns, []);
  hub.publish('b', 'not asked for');
  hub.publish('a', 'still there');
  assert.equal((await inTime(subscription.next())).value.text(), 'still there');
});

test('what is taken back of a reader that reads later is not delivered to it', async () => {
  const hub = new Hub();
  const subscription = hub.subscribe(['a', 'b']);
  // Its credit grows while it keeps up, so that several are on their way at once.
  for (let round = 0; round < 8; round += 1) {
    for (let i = 0; i < 50; i += 1) hub.publish('b', String(i));
    await texts(subscription, 50);
  }
  const first = subscription.next();
  for (const topic of ['b', 'a', 'b', 'a', 'b']) hub.publish(topic, topic);
  assert.equal((await inTime(first)).value.topic, 'b');
  await drained(hub);
  subscription.remove('a');
  assert.deepEqual(await texts(subscription, 2), ['b', 'b']);
  assert.equal(subscription.lag, 0);
});
