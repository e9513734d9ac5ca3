'use strict';

// Hubs that a Redis server joins.

const assert = require('node:assert/strict');
const { fork } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const path = require('node:path');
const { after, before, describe, it } = require('node:test');

const Redis = require('ioredis');

const { DistributaryError, ForwardError, Hub, NotHeardError } = require('../..');
const { connect, serve } = require('../gateway/rig');
const { caught, inTime, program, texts, until } = require('../hub/rig');
const { startServer } = require('../rig/redis');

/** Nobody listens there. */
const NOWHERE = 'redis://127.0.0.1:1';

/** @type {Awaited<ReturnType<typeof startServer>>} */
let server;
let url = '';
before(async () => {
  server = await startServer();
  url = `redis://127.0.0.1:${server.port}`;
});
after(() => server?.stop());

/** A hub that ends with the test. */
function open(t, redis = url, options = {}) {
  const hub = new Hub({ redis, ...options });
  t.after(() => hub.close());
  return hub;
}

/** A client of Redis that knows nothing of hubs. */
function plain(t) {
  const client = new Redis(url);
  t.after(() => client.disconnect());
  return client;
}

describe('a hub by itself', () => {
  it('is joined and well', async () => {
    const hub = new Hub();
    assert.equal(await hub.joined(), true);
    assert.equal(hub.publish('a', 'x').forwarding, 'none');
    const seen = [];
    hub.on('a', (event) => seen.push(event.text()));
    const acknowledged = await hub.publishAcknowledged('a', { b: 1 }, { key: 'k', attributes: { c: [1, 2] } });
    assert.equal(acknowledged.heard, 0);
    assert.equal(acknowledged.number, null);
    assert.equal(acknowledged.delivery.subscriptions, 1);
    await until(() => seen.length === 1, 'it is heard');
    assert.deepEqual(hub.health(), {
      condition: 'ok',
      reasons: [],
      lag: { p50: 0, p99: 0, max: 0, late: 0 },
      counts: { arrived: 0, sent: 0, failed: 0, voided: 0, gaps: 0, lost: 0, repaired: 0, duplicates: 0, unreadable: 0, attempts: 0, connections: 0 },
      queuedBytes: 0,
      joining: 0,
    });
    const changes = hub.healthChanges();
    assert.equal((await changes.next()).value?.condition, 'ok');
    const next = changes.next();
    hub.close();
    assert.deepEqual(await inTime(next), { value: undefined, done: true });
    await assert.rejects(hub.publishAcknowledged('a', ''), { code: 'ERR_CLOSED' });
    await assert.rejects(hub.joined(), { code: 'ERR_CLOSED' });
  });

  it('refuses what publish refuses', async () => {
    const hub = new Hub();
    await assert.rejects(hub.publishAcknowledged(/** @type {any} */ (5), ''), { code: 'ERR_BAD_TOPIC' });
    await assert.rejects(hub.publishAcknowledged('', ''), { code: 'ERR_BAD_TOPIC' });
    await assert.rejects(hub.publishAcknowledged('a', () => {}), { code: 'ERR_BAD_PAYLOAD' });
    await assert.rejects(hub.publishAcknowledged('a', '', /** @type {any} */ ({ transfer: true })), { code: 'ERR_BAD_OPTION' });
    await assert.rejects(hub.joined(/** @type {any} */ ({ timeout: '1' })), { code: 'ERR_BAD_OPTION' });
    assert.throws(() => hub.healthChanges(/** @type {any} */ ({ every: 1 })), { code: 'ERR_BAD_OPTION' });
  });
});

describe('hubs that are joined', () => {
  it('says which names the server does not let it hear', async (t) => {
    const client = plain(t);
    await client.call('ACL', 'SETUSER', 'narrow', 'on', '>secret', '+@all', '~*', 'resetchannels', '&allowed', '&distributary:*');
    const hub = open(t, url.replace('redis://', 'redis://narrow:secret@'));
    const seen = [];
    hub.on('allowed', (event) => seen.push(event.text()));
    hub.on('forbidden', () => {});
    for (const options of [undefined, { timeout: 20_000 }]) {
      await assert.rejects(hub.joined(options), (error) => {
        assert.ok(error instanceof NotHeardError);
        assert.deepEqual([error.code, error.names], ['ERR_NOT_HEARD', ['forbidden']]);
        return true;
      });
    }
    await client.publish('allowed', 'x');
    await until(() => seen.length === 1, 'it is heard');
  });

  it('hear each other, in order, and nothing twice', async (t) => {
    const [one, other] = [open(t), open(t, { url })];
    const here = one.subscribe('a');
    const there = other.subscribe({ patterns: '?' });
    assert.deepEqual(await inTime(Promise.all([one.joined(), other.joined()])), [true, true]);
    for (let i = 0; i < 100; i += 1) assert.equal(one.publish('a', String(i)).forwarding, 'queued');
    const { heard, number } = await inTime(one.publishAcknowledged('a', 'last'));
    assert.ok(heard >= 1);
    assert.equal(number, null);
    const all = [...Array.from({ length: 100 }, (_, i) => String(i)), 'last'];
    assert.deepEqual(await texts(there, 101), all);
    other.publish('a', 'back');
    assert.deepEqual(await texts(here, 102), [...all, 'back']);
    assert.equal(here.lag, 0);
  });

  it('of other processes as well', async (t) => {
    const child = fork(path.join(__dirname, 'peer.js'), [url]);
    t.after(() => child.kill());
    const said = async (command) => {
      const answer = once(child, 'message');
      if (command !== undefined) child.send(command);
      return (await inTime(answer))[0];
    };
    assert.deepEqual(await said({ subscribe: 'to.*' }), { joined: true });
    const hub = open(t);
    const back = hub.subscribe('back');
    assert.equal(await hub.joined(), true);
    const answer = said();
    hub.publish('to.child', 'häll\u00f6');
    assert.deepEqual(await answer, { topic: 'to.child', data: 'häll\u00f6' });
    assert.deepEqual(await said({ publish: 'back', data: 'yes' }), { heard: 1 });
    assert.deepEqual(await texts(back, 1), ['yes']);
    const exit = once(child, 'exit');
    child.disconnect();
    assert.deepEqual(await inTime(exit), [0, null]);
  });

  it('hear plain clients, and are heard by them', async (t) => {
    const hub = open(t);
    const client = plain(t);
    const found = hub.subscribe({ topics: 'plain', where: { n: [1] } });
    assert.equal(await hub.joined(), true);
    assert.equal(await client.publish('plain', '{"n":2}'), 1);
    assert.equal(await client.publish('plain', '{"n":1}'), 1);
    assert.deepEqual((await inTime(found.next())).value?.json(), { n: 1 });
    const message = once(client, 'message');
    await client.subscribe('objects');
    hub.publish('objects', { id: 7n });
    assert.deepEqual(await inTime(message), ['objects', '{"id":7}']);
  });

  it('are served by joined loops of other threads', async (t) => {
    const hub = open(t);
    const joined = Hub.join(hub.share());
    assert.equal(await joined.joined(), true);
    await until(() => hub.health().condition === 'ok', 'it is connected');
    assert.equal(joined.health().condition, 'ok');
    assert.equal((await joined.publishAcknowledged('nobody', '')).heard, 0);
  });

  it('give a topic up at once that is not to linger', { timeout: 20_000 }, async (t) => {
    const client = plain(t);
    const listeners = async (topic) => (await client.pubsub('NUMSUB', topic))[1];
    const [hasty, patient] = [open(t, { url, linger: 0 }), open(t, { url, linger: 1e12 })];
    const [one, other] = [hasty.subscribe('hasty'), patient.subscribe('patient')];
    await inTime(Promise.all([hasty.joined(), patient.joined()]));
    one.close();
    other.close();
    for (let heard = 1; heard > 0; heard = Number(await listeners('hasty')));
    assert.equal(Number(await listeners('patient')), 1);
  });

  it('have many under way at once', async (t) => {
    const [one, other] = [open(t), open(t, url, { budget: { events: 10_000 } })];
    const there = other.subscribe('many');
    assert.equal(await other.joined(), true);
    const all = await inTime(Promise.all(Array.from({ length: 2000 }, (_, i) => one.publishAcknowledged('many', String(i)))));
    assert.ok(all.every(({ heard }) => heard === 1));
    assert.deepEqual(await texts(there, 2000), Array.from({ length: 2000 }, (_, i) => String(i)));
  });
});

describe('modes', () => {
  const modes = { 'r.*': 'replay', 'd.*': 'durable' };

  it('number what is kept, and carry keys and attributes in envelopes', async (t) => {
    const rules = { url, modes, envelope: ['e.*'], logLength: 100, replicaWait: 20 };
    const [one, other] = [open(t, rules), open(t, rules)];
    const there = other.subscribe({ topics: ['r.1', 'e.1', 'd.1'] });
    assert.equal(await other.joined(), true);
    for (const expected of [1, 2, 3]) {
      const { number, heard } = await inTime(one.publishAcknowledged('r.1', 'kept'));
      assert.deepEqual([number, heard], [expected, 1]);
    }
    assert.equal(one.publish('e.1', 'wrapped', { key: 'k', attributes: { n: [1, 2] } }).forwarding, 'queued');
    // There is no replica.
    const error = await inTime(one.publishAcknowledged('d.1', 'safe').then(assert.fail, (thrown) => thrown));
    assert.deepEqual([error.code, error.kind], ['ERR_FORWARD', 'not-replicated']);
    const events = [];
    while (events.length < 5) events.push((await inTime(there.next())).value);
    assert.deepEqual(events.map((event) => event?.text()), ['kept', 'kept', 'kept', 'wrapped', 'safe']);
    assert.equal(events[3]?.key, 'k');
    assert.deepEqual({ ...events[3]?.attributes }, { n: [1, 2] });
  });

  it('replay what was missed while a connection was cut', async (t) => {
    const rules = { url, modes };
    const [one, other] = [open(t, rules), open(t, { ...rules, clientName: 'to-be-cut' })];
    const there = other.subscribe('r.cut');
    assert.equal(await other.joined(), true);
    const client = plain(t);
    for (let round = 0; round < 5; round += 1) {
      await client.client('KILL', 'TYPE', 'pubsub');
      for (let i = 0; i < 20; i += 1) await inTime(one.publishAcknowledged('r.cut', `${round}.${i}`));
    }
    const expected = Array.from({ length: 100 }, (_, i) => `${Math.floor(i / 20)}.${i % 20}`);
    assert.deepEqual(await texts(there, 100), expected);
    assert.equal(there.missed, 0);
  });

  for (const [rules, code, message] of [
    [{ modes: { '[': 'live' } }, 'ERR_BAD_PATTERN', /redis/],
    [{ envelope: ['['] }, 'ERR_BAD_PATTERN', /redis/],
    [{ modes: { '*': 'live', 'a.*': 'replay' } }, 'ERR_BAD_OPTION', /never asked/],
    [{ cluster: true, url: 'redis://a/1' }, 'ERR_BAD_OPTION', /database/],
    [{ sentinelCredentials: { user: 'a', password: 'b' } }, 'ERR_BAD_OPTION', /sentinel/],
    [{ sentinelCredentials: { user: 'a' } }, 'ERR_BAD_OPTION', /user and a password/],
  ]) {
    it(`${JSON.stringify(rules)} is refused at the call`, () => {
      const redis = /** @type {any} */ ({ url: 'redis://a', ...rules });
      assert.throws(() => new Hub({ redis }), { name: 'TypeError', code, message });
    });
  }
});

describe('the gateway', () => {
  it('brings what other processes publish', async (t) => {
    const [one, other] = [open(t), open(t)];
    const gateway = await serve(t, { hub: other, authorize: () => ({ topics: 'news', session: {} }) });
    const client = await connect(t, gateway.ws);
    assert.equal(await other.joined(), true);
    one.publish('news', { n: 1 });
    assert.equal(await client.next(), '{"n":1}');
  });
});

describe('a server that is away', () => {
  it('is no error: this process goes on, and health says so', async (t) => {
    const hub = open(t, NOWHERE);
    const own = hub.subscribe('a');
    assert.equal(hub.publish('a', 'x').forwarding, 'queued');
    assert.deepEqual(await texts(own, 1), ['x']);
    await until(() => hub.health().condition === 'away' && hub.health().counts.attempts > 0, 'it is seen');
    assert.ok(hub.health().reasons.length > 0);
    assert.equal(await hub.joined({ timeout: 20 }), false);
  });

  it('has what waits too long given up', async (t) => {
    const hub = open(t, { url: NOWHERE, queueDeadline: 200 });
    const error = await inTime(hub.publishAcknowledged('a', '').then(assert.fail, (thrown) => thrown));
    assert.ok(error instanceof ForwardError && error instanceof DistributaryError);
    assert.deepEqual([error.name, error.code, error.kind], ['ForwardError', 'ERR_FORWARD', 'expired']);
  });

  it('has no more wait than may', async (t) => {
    const hub = open(t, { url: NOWHERE, queueBytes: 1000 });
    let delivery;
    do delivery = hub.publish('a', Buffer.alloc(300));
    while (delivery.forwarding === 'queued');
    assert.equal(delivery.forwarding, 'full');
    await assert.rejects(hub.publishAcknowledged('a', Buffer.alloc(300)), { code: 'ERR_FORWARD', kind: 'full' });
  });

  it('ends what waits with the hub', async (t) => {
    const errors = caught(t);
    const hub = new Hub({ redis: NOWHERE });
    hub.subscribe('a');
    const waiting = [hub.joined(), hub.publishAcknowledged('a', '').catch((error) => error.kind)];
    hub.close();
    assert.deepEqual(await inTime(Promise.all(waiting)), [false, 'closed']);
    assert.deepEqual(errors, []);
  });

  it('is found again when it is back', async (t) => {
    const own = await startServer();
    t.after(() => own.stop());
    const address = `redis://127.0.0.1:${own.port}`;
    const [one, other] = [open(t, address), open(t, address)];
    const there = other.subscribe('a');
    assert.equal(await other.joined(), true);
    const changes = one.healthChanges();
    const becomes = async (isSo) => {
      for (;;) {
        const { value, done } = await inTime(changes.next(), 'a change of health');
        assert.ok(!done);
        if (isSo(value.condition)) return;
      }
    };
    await becomes((condition) => condition === 'ok');
    await own.kill();
    await becomes((condition) => condition !== 'ok');
    await own.start();
    await becomes((condition) => condition === 'ok');
    await inTime(Promise.all([one.joined(), other.joined()]));
    assert.equal((await one.publishAcknowledged('a', 'after')).heard, 1);
    for (;;) {
      const next = await inTime(there.next().catch((error) => error));
      if (next.value?.text() === 'after') break;
    }
  });
});

describe('changes of the health', () => {
  it('are told, and not looked for', { timeout: 20_000 }, async (t) => {
    const own = await startServer();
    t.after(() => own.stop());
    const hub = open(t, own.url);
    assert.equal(await hub.joined(), true);
    const changes = hub.healthChanges();
    while ((await inTime(changes.next())).value?.condition !== 'ok');
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    let next = changes.next();
    await own.kill();
    while ((await next).value?.condition === 'ok') next = changes.next();
  });

  it('end with the hub, with the signal and with the loop that reads them', async (t) => {
    const hub = open(t, NOWHERE);
    await until(() => hub.health().condition === 'away', 'it is seen');
    const stop = new AbortController();
    const [one, two, three] = [hub.healthChanges({ signal: stop.signal }), hub.healthChanges(), hub.healthChanges()];
    for (const changes of [one, two, three]) assert.equal((await changes.next()).done, false);
    const ends = (changes) => (async () => {
      for await (const _ of changes);
    })();
    const aborted = ends(one);
    stop.abort();
    await inTime(aborted);
    const waiting = [two.next(), two.next()];
    await two.return();
    await inTime(Promise.all(waiting));
    assert.equal((await two.next()).done, true);
    const closed = ends(three);
    hub.close();
    await inTime(closed);
    assert.deepEqual(await three.next(), { value: undefined, done: true });
  });
});

describe('the process', () => {
  it('waits for what is awaited, and for nothing else', async () => {
    const waits = await program(`
      const hub = new Hub({ redis: ${JSON.stringify(url)} });
      hub.subscribe('a');
      hub.joined().then(async (joined) => console.log(joined, (await hub.publishAcknowledged('a', 'x')).heard >= 0));`);
    assert.deepEqual([waits.code, waits.out, waits.err], [0, 'true true\n', '']);
    const ends = await program(`
      const hub = new Hub({ redis: ${JSON.stringify(NOWHERE)} });
      hub.on('a', () => {});
      hub.healthChanges().next().then(() => console.log('seen'));`);
    assert.deepEqual([ends.code, ends.out, ends.err], [0, 'seen\n', '']);
  });

  it('sends what was published before it closed the hub', async (t) => {
    const other = open(t);
    const there = other.subscribe('late');
    assert.equal(await other.joined(), true);
    const done = await program(`
      const hub = new Hub({ redis: ${JSON.stringify(url)} });
      hub.publishAcknowledged('other', '').then(() => {
        for (let i = 0; i < 500; i += 1) hub.publish('late', String(i));
        hub.close();
      });`);
    assert.deepEqual([done.code, done.err], [0, '']);
    assert.deepEqual(await texts(there, 500), Array.from({ length: 500 }, (_, i) => String(i)));
  });

  it('is not held up by a server that does not answer', async () => {
    const sockets = new Set();
    const silent = net.createServer((socket) => sockets.add(socket));
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = /** @type {import('node:net').AddressInfo} */ (silent.address());
    const hub = new Hub({ redis: `redis://127.0.0.1:${port}` });
    const outcome = hub.publishAcknowledged('a', 'x').then(
      () => 'acknowledged',
      ({ kind }) => kind,
    );
    const since = performance.now();
    const closing = hub.close();
    const held = performance.now() - since;
    assert.ok(held < 500, `${held} ms`);
    assert.equal(await inTime(closing), undefined);
    assert.equal(await outcome, 'closed');
    assert.equal(await hub.close(), undefined);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});

describe('options', () => {
  const cases = [
    ['127.0.0.1:6379', /redis/],
    ['http://127.0.0.1', /redis/],
    ['redis://', /host/],
    ['redis://127.0.0.1/x', /database/],
    ['redis://127.0.0.1?db=1', /db/],
    ['', /cannot be read/],
    [5, /redis is a URL or an object of options, not 5/],
    [null, /not null/],
    [['redis://a'], /not an array/],
    [{}, /give a `url`/],
    [{ url: 'redis://a', urls: ['redis://b'] }, /not both/],
    [{ urls: [] }, /no server/],
    [{ urls: 'redis://a' }, /urls is a list of URLs/],
    [{ urls: ['redis://a', 'redis://b'] }, /several URLs/],
    [{ url: 'redis://a', sentinel: '' }, /sentinel is ""/],
    [{ url: 'redis://a', sentinel: 'm', cluster: true }, /no Sentinels/],
    [{ url: 'redis://a', sharded: true }, /sharded is for a cluster/],
    [{ url: 'redis://a', cluster: 1 }, /cluster is a boolean/],
    [{ url: 'redis://a', modes: ['a'] }, /modes is an object/],
    [{ url: 'redis://a', modes: { a: 'safe' } }, /modes\["a"\] is one of 'live', 'replay', 'durable'/],
    [{ url: 'redis://a', envelope: 'a' }, /envelope is a list of patterns/],
    [{ url: 'redis://a', logLength: -1 }, /logLength is a whole number/],
    [{ url: 'redis://a', queueBytes: 1.5 }, /queueBytes is a whole number/],
    [{ url: 'redis://a', queueDeadline: -1 }, /queueDeadline is a time/],
    [{ url: 'redis://a', linger: '1' }, /linger is a time/],
    [{ url: 'redis://a', fleet: 2 ** 32 }, /fleet is a whole number/],
    [{ url: 'redis://a', rootCertificates: 'nothing' }, /rediss/],
    [{ url: 'redis://a', colour: 'red' }, /no option "colour"/],
  ];
  for (const [redis, message] of cases) {
    it(`${JSON.stringify(redis)} is refused at the call`, () => {
      assert.throws(() => new Hub(/** @type {any} */ ({ redis })), { name: 'TypeError', code: 'ERR_BAD_OPTION', message });
    });
  }

  it('passwords are in no message', () => {
    assert.throws(
      () => new Hub({ redis: 'redis://:secret@127.0.0.1:99999' }),
      (/** @type {Error} */ error) => !error.message.includes('secret'),
    );
  });

  it('attributes need an envelope', (t) => {
    assert.equal(open(t).publish('a', '', { attributes: { b: 1 } }).forwarding, 'unsupported');
  });
});
