'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { Hub } = require('../..');
const { drained, program } = require('./rig');

test('handlers are called in turn, never inside publish, with the same event', async () => {
  const hub = new Hub();
  const calls = [];
  for (const name of ['x', 'y']) hub.on('a', (event) => calls.push([name, event]));
  hub.publish('a', '1');
  await Promise.resolve();
  assert.equal(calls.length, 0);
  await drained(hub);
  assert.deepEqual(calls.map(([name]) => name), ['x', 'y']);
  assert.equal(calls[0][1], calls[1][1]);
});

test('a handler may publish, subscribe and unsubscribe', async () => {
  const hub = new Hub();
  const found = [];
  const listener = hub.on('a', (event) => {
    found.push(event.text());
    if (found.length < 5) hub.publish('a', String(found.length));
    else listener.off();
    if (found.length === 2) hub.on('a', (other) => found.push(`new ${other.text()}`));
  });
  hub.publish('a', '0');
  await drained(hub);
  hub.publish('a', 'last');
  await drained(hub);
  assert.deepEqual(found.filter((text) => !text.startsWith('new')), ['0', '1', '2', '3', '4']);
  assert.deepEqual(found.filter((text) => text.startsWith('new')), ['new 3', 'new 4', 'new last']);
});

test('an error goes to onError, and nobody suffers from it', async () => {
  const hub = new Hub();
  const errors = [];
  const found = [];
  const bad = hub.on('a', (event) => { throw new Error(event.text()); }, { onError: (error) => errors.push(error.message) });
  hub.on('a', async (event) => { throw new Error(`async ${event.text()}`); }, { onError: (error) => errors.push(error.message) });
  hub.on('a', (event) => found.push(event.text()));
  hub.publish('a', '1');
  hub.publish('a', '2');
  await drained(hub);
  assert.deepEqual(found, ['1', '2']);
  assert.deepEqual(errors.sort(), ['1', '2', 'async 1', 'async 2']);
  assert.equal(bad.closed, null, 'it stays subscribed');
});

test('without onError, an error is an uncaught exception, and the others are served', async () => {
  const { code, out, err } = await program(`
    const hub = new Hub();
    const errors = [];
    process.on('uncaughtException', (error) => errors.push(error.message));
    let served = 0;
    for (let i = 0; i < 500; i += 1) {
      hub.on('a', () => { if (i % 50 === 0) throw new Error('mine ' + i); });
      hub.on('a', () => { served += 1; });
    }
    hub.on('b', () => { console.log(served, errors.length, errors[9]); });
    hub.publish('a', '');
    setTimeout(() => hub.publish('a', ''), 50);
    setTimeout(() => hub.publish('b', ''), 200);
    setTimeout(() => {}, 400);
  `);
  assert.deepEqual([code, out.trim(), err], [0, '1000 20 mine 450', '']);
  const dies = await program(`
    const hub = new Hub();
    hub.on('a', () => { throw new Error('mine'); });
    hub.publish('a', '');
    setTimeout(() => console.log('alive'), 1000);
  `);
  assert.equal(dies.code, 1);
  assert.match(dies.err, /Error: mine/);
  assert.equal(dies.out, '');
});

test('off is told to onClose, and so is the signal; each once', async () => {
  const hub = new Hub();
  const told = [];
  const controller = new AbortController();
  const listener = hub.on('a', () => {}, { onClose: ({ reason }) => told.push(reason) });
  hub.on('a', () => {}, { onClose: ({ reason }) => told.push(reason), signal: controller.signal });
  listener.off();
  listener.off();
  controller.abort();
  hub.close();
  await new Promise((resolve) => {
    setTimeout(resolve, 10);
  });
  assert.deepEqual(told, ['closed', 'aborted']);
  assert.deepEqual(listener.closed, { reason: 'closed' });
});
