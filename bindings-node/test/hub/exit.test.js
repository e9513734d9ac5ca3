'use strict';

// How a process ends that has live subscriptions: by itself, without a word, and without losing what was published.

const assert = require('node:assert/strict');
const { test } = require('node:test');

const { program } = require('./rig');

const SUBSCRIBED = `
  const hub = new Hub({ history: [{ topics: '*', events: 10 }] });
  globalThis.held = [];
  for (let i = 0; i < 1000; i += 1) {
    const subscription = hub.subscribe({ topics: 'a', where: { id: [i] } });
    held.push(subscription, subscription.next());
    hub.on({ topics: 'a' }, () => { globalThis.got = (globalThis.got ?? 0) + 1; });
  }
  (async () => { for await (const event of hub.subscribe('a')); })();
  (async () => { for await (const batch of hub.subscribe('a').batches()); })();
`;

const ENDS = [
  ['by itself', '', 0],
  ['by itself, with events under way', 'for (let i = 0; i < 1000; i += 1) hub.publish("a", Buffer.alloc(1000));', 0],
  ['by process.exit', 'process.exit(3);', 3],
  ['by process.exit with events under way', 'hub.publish("a", "{}"); process.exit(3);', 3],
  ['by process.exit in a handler', 'hub.on("b", () => process.exit(3)); hub.publish("b", ""); hub.publish("a", "{}");', 3],
  ['by process.exit in a microtask of a reader', 'hub.subscribe("b").next().then(() => process.exit(3)); hub.publish("b", "");', 3],
  ['by process.exit while large payloads are held', `
    const events = [];
    hub.on('b', (event) => { events.push(event, event.data); if (events.length > 20) process.exit(3); });
    for (let i = 0; i < 20; i += 1) hub.publish('b', Hub.allocate(1e6), { transfer: true });`, 3],
  ['by process.exit in its own exit handler', 'process.on("exit", () => { hub.publish("a", "{}"); hub.close(); });', 0],
  ['after the hub was closed', 'hub.close();', 0],
  ['by an uncaught exception', 'setTimeout(() => { throw new Error("mine"); }, 1);', 1],
];

for (const [name, source, expected] of ENDS) {
  test(`ends ${name}`, async () => {
    const { code, signal, err } = await program(SUBSCRIBED + source);
    assert.deepEqual([code, signal], [expected, null], err);
    if (expected !== 1) assert.equal(err, '');
  });
}

test('what was published is delivered before the process ends', async () => {
  const { code, out } = await program(`
    const hub = new Hub();
    let got = 0;
    hub.on('a', () => { got += 1; });
    process.on('exit', () => console.log(got));
    for (let i = 0; i < 1000; i += 1) hub.publish('a', '');
  `);
  assert.deepEqual([code, out.trim()], [0, '1000']);
});
