'use strict';

// Topics that move to another name or another server while they are in use.

const assert = require('node:assert/strict');
const { after, before, describe, it } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');

const { DistributaryError, Hub, MigrationError, Moving } = require('../..');
const { inTime, until } = require('../hub/rig');
const { startServer } = require('../rig/redis');

const TOPIC = 'documents';

/** @type {Awaited<ReturnType<typeof startServer>>[]} */
let servers = [];
before(async () => {
  servers = await Promise.all([startServer(), startServer()]);
});
after(() => Promise.all(servers.map((server) => server.stop())));

/** A hub that takes part, hears all of the topic, and publishes when it is told to. */
class Node {
  heard = [];
  published = [];
  #name;
  #timer;

  constructor(t, name, course, stage = 'old') {
    this.#name = name;
    const moving = new Moving({ url: servers[0].url, linger: 200 });
    this.hub = new Hub({ redis: moving, budget: { events: 100_000 } });
    this.hub.on(TOPIC, (event) => this.heard.push(event.text()));
    this.migration = moving.begin(course, stage);
    t.after(() => {
      this.rest();
      this.hub.close();
    });
  }

  /** A few hundred events a second. */
  publish() {
    this.#timer = setInterval(() => {
      for (let i = 0; i < 3; i += 1) {
        const text = `${this.#name}:${this.published.length}`;
        this.published.push(text);
        this.hub.publish(TOPIC, text);
      }
    }, 5);
  }

  rest() {
    clearInterval(this.#timer);
  }

  /** Once nothing but time is in the way: what was written just now, or a hub that is about to tell where it is. */
  async enter(stage) {
    const end = Date.now() + 20_000;
    for (;;) {
      try {
        await this.migration.enter(stage);
        assert.equal(this.migration.stage, stage);
        return;
      } catch (error) {
        if (!(error instanceof MigrationError) || Date.now() > end) throw error;
      }
    }
  }

  /** The kind of what is in the way. */
  async refused(stage, options) {
    const before = this.migration.stage;
    const error = await inTime(this.migration.enter(stage, options).then(assert.fail, (thrown) => thrown));
    assert.ok(error instanceof MigrationError && error instanceof DistributaryError, String(error));
    assert.deepEqual([error.code, error.name, this.migration.stage], ['ERR_MIGRATION', 'MigrationError', before]);
    return error;
  }
}

/** Long enough for events of all stages. */
const flow = () => sleep(100);

describe('a topic that is in use', () => {
  for (const [where, course] of [
    ['another name', () => ({ topic: TOPIC, to: `${TOPIC}.v2`, quiet: 300 })],
    ['another server', () => ({ topic: TOPIC, onto: servers[1].url, quiet: 300 })],
  ]) {
    it(`moves to ${where}: nothing is lost, nothing comes twice, and what is too early is refused`, async (t) => {
      const nodes = [new Node(t, 'one', course()), new Node(t, 'two', course())];
      const [one, two] = nodes;
      await inTime(Promise.all(nodes.map(({ hub }) => hub.joined())));
      await until(() => nodes.every(({ migration }) => migration.peers().length === 1), 'the hubs know each other');
      for (const node of nodes) node.publish();
      await flow();

      await one.enter('dual-read');
      const early = await one.refused('new-write');
      assert.equal(early.kind, 'readers');
      assert.match(early.message, /[0-9a-f]{16} \(old\)/);
      assert.deepEqual(early.peers, one.migration.peers());
      assert.deepEqual(early.peers.map(({ stage, hears }) => [stage, hears]), [['old', ['old']]]);
      await assert.rejects(one.migration.check('new-write'), { kind: 'readers' });
      assert.equal((await one.refused('new')).kind, 'not-next');

      // There and back, and there again.
      await one.enter('old');
      await flow();
      await one.enter('dual-read');
      await two.enter('dual-read');
      await one.enter('new-write');
      await flow();
      const writers = await one.refused('new');
      assert.equal(writers.kind, 'writers');
      assert.match(writers.message, /\(dual-read\)/);
      assert.equal((await two.refused('old')).kind, 'writers');
      await one.enter('dual-read');
      await flow();
      await one.enter('new-write');
      await two.enter('new-write');
      await flow();
      await one.enter('new');
      await flow();
      await two.enter('new');
      await flow();
      // A deploy that runs again finds it where it was to go.
      await two.migration.enter('new');
      await two.migration.check('new');

      for (const node of nodes) node.rest();
      const published = nodes.flatMap((node) => node.published).sort();
      await until(() => nodes.every(({ heard }) => heard.length >= published.length), 'all has come');
      // What came twice would come just behind.
      await flow();
      for (const { heard, migration, hub } of nodes) {
        assert.deepEqual([...heard].sort(), published);
        const { old, new: moved } = migration.counts();
        for (const side of [old, moved]) assert.ok(side.read > 0 && side.written > 0 && side.only > 0, JSON.stringify(side));
        assert.match(hub.prometheus(), /distributary_migration_stage\{topic="documents",stage="new"\} 1/);
      }
    });
  }

  it('is not taken from who listens and takes no part, unless that is forced', async (t) => {
    const node = new Node(t, 'one', { topic: TOPIC, onto: servers[1].url, window: 0 }, 'dual-read');
    const stranger = new Hub({ redis: servers[0].url });
    t.after(() => stranger.close());
    const there = stranger.subscribe(TOPIC);
    await inTime(Promise.all([node.hub.joined(), stranger.joined()]));
    const error = await node.refused('new-write');
    assert.deepEqual([error.kind, error.connections, error.side], ['strangers', 1, 'old']);
    await node.migration.force('new-write');
    assert.equal(node.migration.stage, 'new-write');
    node.hub.publish(TOPIC, 'unheard');
    assert.equal(there.lag, 0);
  });

  it('does not move to a server that is not well, or not there', async (t) => {
    const demands = { replicas: 1, stable: 0, steady: 0 };
    const unsafe = new Node(t, 'one', { topic: TOPIC, onto: servers[1].url, demands }, 'dual-read');
    await inTime(unsafe.hub.joined());
    const error = await unsafe.refused('new-write');
    assert.equal(error.kind, 'unhealthy');
    assert.ok(error.findings.length > 0 && error.findings.every(({ code, text }) => code && text));
    unsafe.hub.close();
    const nowhere = new Node(t, 'two', { topic: TOPIC, onto: 'redis://127.0.0.1:1' });
    assert.equal((await nowhere.refused('dual-read', { timeout: 100 })).kind, 'not-reached');
  });

  it('is entered one stage at a time', async (t) => {
    const node = new Node(t, 'one', { topic: TOPIC, onto: 'redis://127.0.0.1:1' });
    const first = node.migration.enter('dual-read', { timeout: 500 });
    await until(() => node.migration.stage === 'dual-read', 'it is being entered');
    await assert.rejects(node.migration.enter('old'), { kind: 'busy', code: 'ERR_MIGRATION' });
    await assert.rejects(first, { kind: 'not-reached' });
    assert.equal(node.migration.stage, 'old');
  });

  it('moves no more once its hub is closed', async (t) => {
    const node = new Node(t, 'one', { topic: TOPIC, to: 'x' });
    node.hub.close();
    await assert.rejects(node.migration.enter('dual-read'), { code: 'ERR_CLOSED' });
    assert.deepEqual([node.migration.topic, node.migration.stage], [TOPIC, 'old']);
  });
});

describe('what is wrong is refused at the call', () => {
  const hub = () => {
    const moving = new Moving('redis://127.0.0.1:1');
    return { moving, hub: new Hub({ redis: moving }) };
  };

  for (const redis of [undefined, null, 5, '', 'http://a', {}, ['redis://a']]) {
    it(`new Moving(${JSON.stringify(redis)})`, () => {
      assert.throws(() => new Hub({ redis: new Moving(/** @type {any} */ (redis)) }), { name: 'TypeError', code: 'ERR_BAD_OPTION' });
    });
  }

  for (const [course, stage, code, message] of [
    [undefined, 'old', 'ERR_BAD_OPTION', /give a course/],
    ['a', 'old', 'ERR_BAD_OPTION', /not "a"/],
    [{}, 'old', 'ERR_BAD_TOPIC', /topic is a string/],
    [{ topic: '', to: 'b' }, 'old', 'ERR_BAD_TOPIC', /./],
    [{ topic: 'a', to: 5 }, 'old', 'ERR_BAD_TOPIC', /to is a string/],
    [{ topic: 'a' }, 'old', 'ERR_BAD_OPTION', /ends where it begins/],
    [{ topic: 'a', to: 'b' }, undefined, 'ERR_BAD_OPTION', /give a stage/],
    [{ topic: 'a', to: 'b' }, 'dual_read', 'ERR_BAD_OPTION', /stage is one of 'old', 'dual-read'/],
    [{ topic: 'a', onto: 5 }, 'old', 'ERR_BAD_OPTION', /onto is a URL/],
    [{ topic: 'a', onto: { url: 'redis://a', sharded: true } }, 'old', 'ERR_BAD_OPTION', /onto: sharded/],
    [{ topic: 'a', onto: { url: 'redis://a', clientName: 'two words' } }, 'old', 'ERR_BAD_OPTION', /begin\(course, stage\): onto: /],
    [{ topic: 'a', to: 'b', window: -1 }, 'old', 'ERR_BAD_OPTION', /window is a time/],
    [{ topic: 'a', to: 'b', quiet: '1' }, 'old', 'ERR_BAD_OPTION', /quiet is a time/],
    [{ topic: 'a', to: 'b', demands: { replicas: 1.5 } }, 'old', 'ERR_BAD_OPTION', /replicas is a whole number/],
    [{ topic: 'a', to: 'b', demands: { memory: 0 } }, 'old', 'ERR_BAD_OPTION', /memory is a share/],
    [{ topic: 'a', to: 'b', demands: { p99: 1 } }, 'old', 'ERR_BAD_OPTION', /no option "p99"/],
    [{ topic: 'a', to: 'b', colour: 'red' }, 'old', 'ERR_BAD_OPTION', /no option "colour"/],
  ]) {
    it(`begin(${JSON.stringify(course)}, ${JSON.stringify(stage)})`, (t) => {
      const { moving, hub: open } = hub();
      t.after(() => open.close());
      assert.throws(() => moving.begin(/** @type {any} */ (course), /** @type {any} */ (stage)), { name: 'TypeError', code, message });
    });
  }

  it('a stage and a time', async (t) => {
    const { moving, hub: open } = hub();
    t.after(() => open.close());
    const migration = moving.begin({ topic: 'a', to: 'b' }, 'old');
    for (const bad of [undefined, 'cleanup', 5]) await assert.rejects(migration.enter(/** @type {any} */ (bad)), { code: 'ERR_BAD_OPTION' });
    for (const options of [{ timeout: 0 }, { timeout: '1' }, { deadline: 5 }]) {
      await assert.rejects(migration.force('dual-read', /** @type {any} */ (options)), { name: 'TypeError', code: 'ERR_BAD_OPTION' });
    }
    assert.equal(migration.stage, 'old');
  });

  it('names that are taken, and listened to by themselves', (t) => {
    const { moving, hub: open } = hub();
    t.after(() => open.close());
    moving.begin({ topic: 'a', to: 'b' }, 'old');
    for (const course of [{ topic: 'a', to: 'c' }, { topic: 'b', to: 'c' }, { topic: 'c', to: 'b' }]) {
      assert.throws(() => moving.begin(course, 'old'), { name: 'MigrationError', code: 'ERR_MIGRATION', kind: 'taken' });
    }
    assert.throws(() => open.subscribe('b'), { code: 'ERR_BAD_SELECTOR', message: /listen to a/ });
  });

  it('a course whose new side promises something else, and names that are nobody\'s', (t) => {
    const moving = new Moving({ url: 'redis://127.0.0.1:1', modes: { 'doc.*': 'replay' } });
    const open = new Hub({ redis: moving });
    t.after(() => open.close());
    for (const course of [{ topic: 'doc.1', to: 'other.1' }, { topic: 'doc.1', onto: 'redis://127.0.0.1:2' }]) {
      const refused = { name: 'MigrationError', code: 'ERR_MIGRATION', kind: 'modes', message: /replay.*live/ };
      assert.throws(() => moving.begin(course, 'old'), refused);
    }
    for (const course of [{ topic: 'distributary:x', to: 'b' }, { topic: 'a', to: 'distributary:x' }]) {
      assert.throws(() => moving.begin(course, 'old'), { code: 'ERR_BAD_TOPIC', message: /backplane's own/ });
    }
    assert.equal(moving.begin({ topic: 'doc.1', to: 'doc.2' }, 'old').stage, 'old');
  });

  it('a hub too few, a hub too many, and one that is closed', () => {
    const { moving, hub: open } = hub();
    assert.throws(() => new Hub({ redis: moving }), { name: 'TypeError', code: 'ERR_BAD_OPTION', message: /one of its own/ });
    open.close();
    assert.throws(() => moving.begin({ topic: 'a', to: 'b' }, 'old'), { code: 'ERR_CLOSED' });
    assert.throws(() => new Moving('redis://127.0.0.1:1').begin({ topic: 'a', to: 'b' }, 'old'), { code: 'ERR_NO_HUB' });
  });
});
