'use strict';

// The promise of the gateway: an event loop that is busy makes nobody wait but newcomers.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { it } = require('node:test');
const { Worker } = require('node:worker_threads');

const { connect, serve, within } = require('./rig');

const EVERY = 5;
const BLOCKED = 500;
const WATCHED = 400;

it('clients have their events and their pings answered while the loop is blocked', async (t) => {
  const server = await serve(t, { authorize: () => ({ topics: 'a' }), onMessage() {} });
  const publisher = new Worker(path.join(__dirname, 'publisher.js'), {
    workerData: { token: server.hub.share(), every: EVERY },
  });
  t.after(() => publisher.terminate());
  await within('publisher', once(publisher, 'message'));
  const watcher = fork(path.join(__dirname, 'watcher.js'), [server.ws, String(WATCHED)]);
  t.after(() => watcher.kill('SIGKILL'));
  await within('watcher', once(watcher, 'message'));

  const told = once(watcher, 'message');
  await new Promise((resolve) => watcher.send('watch', resolve));
  const until = performance.now() + BLOCKED;
  while (performance.now() < until);

  const [seen] = await within('report', told);
  // On an idle machine: about 75 events, 35 pings, a gap of 7 ms and pings of 1 ms.
  assert.ok(seen.events > 15, `${seen.events} events`);
  assert.ok(seen.pings > 5, `${seen.pings} pings`);
  assert.ok(seen.longestGap < BLOCKED / 2, `no event for ${seen.longestGap} ms`);
  assert.ok(seen.longestPing < BLOCKED / 2, `a ping took ${seen.longestPing} ms`);
  t.diagnostic(JSON.stringify(seen));
  // And the loop is back.
  await connect(t, server.ws);
});
