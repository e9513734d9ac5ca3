'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');

const { Hub } = require('../..');
const { PACKAGE, collect, drained, inTime, program, texts, turn, until } = require('./rig');

/** Lets a worker live until it is told something. */
const STAYS = "parentPort.on('message', () => process.exit());";

/**
 * A worker that has joined a hub; `hub` and `parentPort` are at hand.
 *
 * @param {Hub} hub
 * @param {string} source
 * @returns {Promise<Worker & { ended: Promise<any> }>}
 */
async function joined(hub, source) {
  const head = `const { parentPort, workerData } = require('node:worker_threads');
    const { Hub } = require(${JSON.stringify(PACKAGE)});
    const hub = Hub.join(workerData);`;
  const worker = new Worker(`${head}\n${source}\nparentPort.postMessage('ready');`, { eval: true, workerData: hub.share() });
  const ended = new Promise((resolve) => {
    worker.on('exit', resolve);
  });
  const failed = once(worker, 'error').then(([error]) => { throw error; });
  failed.catch(() => {});
  await inTime(Promise.race([once(worker, 'message'), failed]), 'the worker');
  return Object.assign(worker, { ended });
}

test('payloads go both ways between threads that share a hub', async () => {
  const hub = new Hub();
  const worker = await joined(hub, `
    hub.on('question', (event) => {
      hub.publish('answer', event.data, { key: event.key, attributes: { ...event.attributes, from: 'worker' } });
    });
    ${STAYS}
  `);
  const answers = hub.subscribe({ topics: 'answer', budget: { events: 5_000 } });
  const sizes = [0, 1, 100, 4_096, 5_000, 65_535, 65_536, 300_000];
  for (const size of sizes) hub.publish('question', Buffer.alloc(size, 'q'), { key: `k${size}`, attributes: { size } });
  for (const size of sizes) {
    const { value } = await inTime(answers.next());
    assert.ok(value.data.equals(Buffer.alloc(size, 'q')), String(size));
    assert.equal(value.key, `k${size}`);
    assert.deepEqual({ ...value.attributes }, { size, from: 'worker' });
  }
  // And many, as fast as may be.
  for (let i = 0; i < 1_000; i += 1) hub.publish('question', String(i));
  assert.deepEqual(await texts(answers, 1_000), Array.from({ length: 1_000 }, (_, i) => String(i)));
  worker.postMessage('end');
  await inTime(worker.ended);
  hub.close();
});

test('large payloads are the same memory in all threads', async () => {
  const hub = new Hub();
  const worker = await joined(hub, `
    hub.on('a', (event) => {
      // Nobody may do this. Here it shows whose memory it is.
      event.data[0] = 9;
      hub.publish('b', '');
    });
    ${STAYS}
  `);
  const [a, b] = [hub.subscribe('a').next(), hub.subscribe('b').next()];
  hub.publish('a', Hub.allocate(100_000), { transfer: true });
  const { value } = await inTime(a);
  await inTime(b);
  assert.equal(value.data[0], 9);
  worker.postMessage('end');
  await inTime(worker.ended);
  // The memory outlives the thread that read it.
  assert.equal(value.data[1], 0);
});

test('memory that a worker gave away outlives it', async () => {
  const hub = new Hub({ history: [{ topics: '*', events: 10 }] });
  const start = hub.position('a');
  const worker = await joined(hub, `
    const memory = Hub.allocate(1_000_000).fill('w');
    hub.publish('a', memory, { transfer: true });
  `);
  await inTime(worker.terminate());
  await collect();
  const { value } = await inTime(hub.subscribe('a', { from: start }).next());
  assert.ok(value.data.equals(Buffer.alloc(1_000_000, 'w')));
});

test('each thread publishes in its own order', async () => {
  const hub = new Hub({ budget: { events: 100_000 } });
  const subscription = hub.subscribe('a');
  const workers = await Promise.all([0, 1, 2].map((id) => joined(hub, `
    parentPort.once('message', () => {
      for (let i = 0; i < 2_000; i += 1) hub.publish('a', '${id} ' + i);
    });
  `)));
  workers.forEach((worker) => worker.postMessage('go'));
  for (let i = 0; i < 2_000; i += 1) hub.publish('a', `3 ${i}`);
  const next = [0, 0, 0, 0];
  for (let i = 0; i < 8_000; i += 1) {
    const [id, at] = (await inTime(subscription.next())).value.text().split(' ').map(Number);
    assert.equal(at, next[id]);
    next[id] += 1;
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test('a bell from another thread is never lost', async () => {
  const hub = new Hub();
  // Event by event, so that both lanes fall asleep and are rung for each.
  const worker = await joined(hub, `${STAYS} hub.on('ping', (event) => hub.publish('pong', event.text()));`);
  const pongs = hub.subscribe('pong');
  for (let i = 0; i < 3_000; i += 1) {
    const pong = pongs.next();
    hub.publish('ping', String(i));
    assert.equal((await inTime(pong, `pong ${i}`)).value.text(), String(i));
    if (i % 100 === 0) await turn();
  }
  await worker.terminate();
});

test('a worker that is terminated leaves the hub, whatever it was doing', async () => {
  const hub = new Hub();
  for (const doing of [
    '',
    'setInterval(() => hub.publish("b", ""), 0);',
    'setImmediate(function again() { for (let i = 0; i < 100; i++) hub.publish("a", "x".repeat(i)); setImmediate(again); });',
    'hub.on("a", () => { for (;;); });',
    'hub.on("a", () => process.exit());',
    'hub.on("a", () => { throw new Error("mine"); });',
  ]) {
    const worker = await joined(hub, `
      (async () => { for await (const event of hub.subscribe('a')); })();
      const held = Array.from({ length: 100 }, () => hub.subscribe({ topics: 'a', where: { id: [1] } }));
      for (const one of held) one.next();
      hub.on('a', () => {});
      ${STAYS}
      ${doing}
    `);
    worker.on('error', () => {});
    assert.ok(hub.stats().subscriptions >= 102);
    for (let i = 0; i < 10; i += 1) hub.publish('a', Buffer.alloc(i * 10_000));
    await turn();
    await inTime(worker.terminate(), 'its end');
    await until(() => hub.stats().subscriptions === 0, 'its subscriptions are gone');
    assert.equal(hub.publish('a', '').subscriptions, 0);
  }
});

test('closing a hub ends it in all threads', async () => {
  const hub = new Hub();
  const worker = await joined(hub, `
    (async () => {
      let count = 0;
      for await (const event of hub.subscribe('a')) count += 1;
      parentPort.postMessage([count, hub.closed]);
      parentPort.off('message', stay);
    })();
    const stay = () => {};
    parentPort.on('message', stay);
  `);
  for (let i = 0; i < 100; i += 1) hub.publish('a', '');
  const told = once(worker, 'message');
  hub.close();
  assert.deepEqual((await inTime(told))[0], [100, true]);
  // Nothing keeps it alive now.
  await inTime(worker.ended, 'the end of the worker');
});

test('a token holds nothing alive', async () => {
  const hub = new Hub();
  const token = hub.share();
  assert.equal(hub.share(), token);
  const other = Hub.join(token);
  const subscription = other.subscribe('a');
  const next = subscription.next();
  hub.publish('a', 'x');
  assert.equal((await inTime(next)).value.text(), 'x');
  subscription.close();
  other.close();
  assert.equal(hub.closed, true);

  const lost = (() => new Hub().share())();
  // Not by asking again and again: whoever joins holds it, too.
  for (let i = 0; i < 5; i += 1) await collect();
  assert.throws(() => Hub.join(lost), { code: 'ERR_NO_HUB' });
});

test('two shares in one engine on one thread serve each other', async () => {
  const hubs = [new Hub()];
  hubs.push(Hub.join(hubs[0].share()), Hub.join(hubs[0].share()));
  let got = 0;
  for (const hub of hubs) {
    hub.on('a', () => { got += 1; });
    hub.on(`to.${hubs.indexOf(hub)}`, () => { got += 1; });
  }
  for (let round = 0; round < 50; round += 1) {
    for (const hub of hubs) {
      got = 0;
      hub.publish('a', '');
      await until(() => got === 3, 'all of them');
      for (let i = 0; i < 3; i += 1) {
        got = 0;
        hub.publish(`to.${i}`, '');
        await until(() => got === 1, 'one of them');
      }
    }
  }
  const waiting = hubs.map((hub) => hub.subscribe('b').next());
  hubs[1].close();
  for (const next of waiting) assert.equal((await inTime(next)).done, true);
});

test('a worker ends by itself while it is subscribed', async () => {
  const hub = new Hub();
  const worker = await joined(hub, `
    hub.on('a', () => {});
    hub.subscribe('a').next();
  `);
  await inTime(worker.ended, 'its end');
  await drained(hub);
  assert.equal(hub.stats().subscriptions, 0);
});

test('threads come and go while the process ends', async () => {
  const { code, signal, err } = await program(`
    const { Worker } = require('node:worker_threads');
    const hub = new Hub();
    const source = \`
      const { workerData } = require('node:worker_threads');
      const { Hub } = require(workerData.package);
      const hub = Hub.join(workerData.token);
      for (let i = 0; i < 1000; i += 1) hub.subscribe('a').next();
      hub.on('a', () => {});
      setInterval(() => { for (let i = 0; i < 100; i += 1) hub.publish('a', Buffer.alloc(70000)); }, 1);
    \`;
    hub.on('a', () => {});
    let up = 0;
    for (let i = 0; i < 4; i += 1) {
      const worker = new Worker(source, { eval: true, workerData: { token: hub.share(), package: ${JSON.stringify(PACKAGE)} } });
      worker.on('online', () => { up += 1; if (up === 4) setTimeout(() => process.exit(0), 100); });
    }
  `);
  assert.deepEqual([code, signal, err], [0, null, '']);
});
