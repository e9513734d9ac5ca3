'use strict';

// The browser client that comes with the package, against the gateway: as a page uses it, but for the WebSocket class.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const { mkdtempSync, readFileSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');
const { it } = require('node:test');
const { pathToFileURL } = require('node:url');

const { WebSocket } = require('ws');

const { Hub } = require('../../lib/hub');
const { becomes, heard, serve } = require('./rig');

const ROOT = path.join(__dirname, '../..');

it('the browser client subscribes, talks, comes back by its ticket and misses nothing', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'distributary-'));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync(process.execPath, [path.join(ROOT, 'scripts/browser.js'), folder]);
  const client = path.join(folder, 'distributary.mjs');
  assert.equal(readFileSync(client, 'utf8'), readFileSync(path.join(ROOT, '../examples/browser/distributary.js'), 'utf8'));
  const { connect } = await import(pathToFileURL(client).href);

  const [asked, opened, messages, events, states, said] = [heard(), heard(), heard(), heard(), heard(), heard()];
  const hub = new Hub({ history: [{ topics: '*', events: 100 }] });
  const server = await serve(t, {
    hub,
    authorize(request) {
      asked(request.searchParams.get('token'));
      return { session: { user: 'ann' }, allow: 'room.*', ticket: 60_000 };
    },
    onOpen: opened,
    onMessage: (it, text) => {
      said(it.session.user, JSON.parse(text));
      it.send({ heard: true });
    },
  });
  const sockets = [];
  class Recorded extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols);
      sockets.push(this);
    }
  }
  const browser = connect(server.ws, { WebSocket: Recorded, token: () => 'secret', base: 10 });
  t.after(() => browser.close());
  browser.on('state', states);
  browser.on('message', messages);
  browser.subscribe({ topics: ['room.1'], where: { kind: 'said' } }, events, { onSubscribed: () => states({ state: 'subscribed' }) });
  const state = async (wanted) => {
    for (;;) if ((await states.next())[0].state === wanted) return;
  };
  await state('subscribed');
  assert.deepEqual(await asked.next(), ['secret']);
  hub.publish('room.1', { kind: 'said', n: 1 });
  hub.publish('room.1', { kind: 'came', n: 2 });
  hub.publish('room.1', { kind: 'said', n: 3 });
  assert.deepEqual((await events.next())[0].data, { kind: 'said', n: 1 });
  assert.deepEqual((await events.next())[0].data, { kind: 'said', n: 3 });
  browser.send({ text: 'hello' });
  assert.deepEqual(await said.next(), ['ann', { text: 'hello' }]);
  assert.deepEqual((await messages.next())[0].data, { heard: true });

  // The connection breaks; meanwhile something is said.
  const [first] = await opened.next();
  sockets[0].terminate();
  hub.publish('room.1', { kind: 'said', n: 4 });
  await state('subscribed');
  assert.deepEqual((await events.next())[0].data, { kind: 'said', n: 4 });
  const [second] = await opened.next();
  assert.notEqual(second, first);
  assert.equal(second.session, first.session);
  assert.equal(asked.waiting(), 0);
  await becomes(() => server.gateway.stats().returned, 1);
});
