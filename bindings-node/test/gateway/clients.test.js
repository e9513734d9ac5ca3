'use strict';

// What an application does with single clients: sessions, messages, subscriptions of its own, closing.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

const { becomes, connect, heard, serve, stream, until } = require('./rig');

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc');

describe('a client', () => {
  it('is the same in all calls, and has the session by identity', async (t) => {
    const sessions = { '/object': { user: 7 }, '/function': () => 7, '/symbol': Symbol('s'), '/text': 's', '/null': null, '/none': undefined };
    const [opened, said, ended] = [heard(), heard(), heard()];
    const server = await serve(t, {
      authorize: async ({ path }) => ({ topics: 'a', session: sessions[path] }),
      onOpen: opened,
      onMessage: said,
      onEnd: ended,
    });
    for (const [path, session] of Object.entries(sessions)) {
      const { socket } = await connect(t, server.ws + path);
      const [client] = await opened.next();
      assert.equal(client.session, session, path);
      assert.equal(typeof client.id, 'number');
      socket.send('x');
      const [same, text] = await said.next();
      assert.equal(same, client);
      assert.equal(text, 'x');
      socket.close(1000);
      const [gone, why] = await ended.next();
      assert.equal(gone, client);
      assert.deepEqual(why, { reason: 'left', code: 1000 });
    }
  });

  it('says texts and bytes, and hears texts, bytes and values', async (t) => {
    const server = await serve(t, {
      authorize: () => ({}),
      onMessage(client, message) {
        if (message === 'value') client.send({ n: 1n, text: 'x' });
        else client.send(message);
      },
    });
    const client = await connect(t, server.ws);
    const large = 'ü'.repeat(20_000);
    for (const message of ['', 'text', large, Buffer.from([0, 255]), Buffer.alloc(0)]) {
      client.socket.send(message);
      assert.deepEqual(await client.next(), message);
    }
    client.socket.send('value');
    assert.equal(await client.next(), '{"n":1,"text":"x"}');
    await becomes(() => server.gateway.stats().messagesRead, 6);
  });

  it('hears bytes as bytes, whatever holds them', async (t) => {
    const { runInNewContext } = require('node:vm');
    const opened = heard();
    const server = await serve(t, { authorize: () => ({ topics: 'a' }), onOpen: opened });
    const client = await connect(t, server.ws);
    const [it] = await opened.next();
    const { buffer } = Uint8Array.of(1, 2, 3);
    for (const bytes of [buffer, new DataView(buffer, 0, 3), runInNewContext('Uint8Array.of(1, 2, 3)'), new Uint8Array(buffer)]) {
      it.send(bytes);
      assert.deepEqual(await client.next(), Buffer.of(1, 2, 3));
    }
    assert.throws(() => it.send(new Proxy(Buffer.alloc(1), {})), { code: 'ERR_BAD_PAYLOAD' });
  });

  it('that speaks where nobody listens is closed with 1003', async (t) => {
    const server = await serve(t, { authorize: () => ({}) });
    const client = await connect(t, server.ws);
    client.socket.send('hello?');
    assert.equal((await client.closed()).code, 1003);
  });

  it('is subscribed to more, and to less', async (t) => {
    const opened = heard();
    const server = await serve(t, { authorize: () => ({}), onOpen: opened });
    const { next } = await connect(t, server.ws);
    const [client] = await opened.next();
    const first = client.subscribe('a');
    const second = client.subscribe({ patterns: 'b*', where: { n: 2 } });
    assert.notEqual(first, second);
    // What it is told comes after what it was subscribed to before.
    client.send('ready');
    assert.equal(await next(), 'ready');
    server.hub.publish('a', 'one');
    server.hub.publish('bb', { n: 1 });
    server.hub.publish('bb', { n: 2 });
    assert.equal(await next(), 'one');
    assert.equal(await next(), '{"n":2}');
    assert.equal(client.unsubscribe(first), true);
    assert.equal(client.unsubscribe(first), false);
    client.send('left');
    assert.equal(await next(), 'left');
    server.hub.publish('a', 'two');
    server.hub.publish('bb', { n: 2 });
    assert.equal(await next(), '{"n":2}');
  });

  it('is subscribed by clients of server-sent events as well', async (t) => {
    const opened = heard();
    const server = await serve(t, { authorize: () => ({ topics: 'a' }), onOpen: opened });
    const { next } = await stream(t, server.http);
    const [client] = await opened.next();
    client.subscribe('b');
    await until('subscribed', () => {
      server.hub.publish('b', 'x');
      return server.gateway.stats().framesMade > 0;
    });
    assert.equal((await next()).data, 'x');
  });

  it('is refused what is no selector', async (t) => {
    const opened = heard();
    const server = await serve(t, { authorize: () => ({}), onOpen: opened });
    await connect(t, server.ws);
    const [client] = await opened.next();
    for (const [given, code] of [
      [undefined, 'ERR_BAD_SELECTOR'],
      [{ topic: 'a' }, 'ERR_BAD_OPTION'],
      [[], 'ERR_BAD_SELECTOR'],
      ['', 'ERR_BAD_TOPIC'],
      [{ patterns: '[' }, 'ERR_BAD_PATTERN'],
      [{ topics: 'a', where: [] }, 'ERR_BAD_FILTER'],
    ]) {
      assert.throws(() => client.subscribe(given), (error) => error instanceof TypeError && error.code === code);
    }
    assert.throws(() => client.unsubscribe('x'), { code: 'ERR_BAD_OPTION' });
    assert.throws(() => client.close(1000), { code: 'ERR_BAD_OPTION' });
    assert.throws(() => client.close('x'.repeat(124)), { code: 'ERR_BAD_OPTION' });
    assert.throws(() => client.send(undefined), { code: 'ERR_BAD_PAYLOAD' });
  });

  it('is closed with a reason, and is then nobody', async (t) => {
    const [opened, ended] = [heard(), heard()];
    const server = await serve(t, { authorize: () => ({}), onOpen: opened, onEnd: ended });
    const { closed } = await connect(t, server.ws);
    const [client] = await opened.next();
    assert.equal(client.close('see you'), true);
    assert.deepEqual(await closed(), { code: 1000, reason: 'see you' });
    const [gone, why] = await ended.next();
    assert.equal(gone, client);
    assert.deepEqual(why, { reason: 'application', code: 1000 });
    assert.equal(client.send('x'), false);
    assert.equal(client.close(), false);
    assert.equal(client.turnAway(), false);
    assert.equal(client.subscribe('a'), 0);
    assert.equal(client.unsubscribe(1), false);
  });

  it('is turned away for now', async (t) => {
    const [opened, ended] = [heard(), heard()];
    const server = await serve(t, { authorize: () => ({}), onOpen: opened, onEnd: ended });
    const { closed } = await connect(t, server.ws);
    const [client] = await opened.next();
    assert.throws(() => client.turnAway(1013), { code: 'ERR_BAD_OPTION' });
    assert.equal(client.turnAway('slow down'), true);
    assert.deepEqual(await closed(), { code: 1013, reason: 'slow down' });
    assert.deepEqual((await ended.next())[1], { reason: 'overloaded', code: 1013 });
  });

  it('may fail in any function: it is reported, and the connection goes on', async (t) => {
    const server = await serve(t, {
      authorize: () => ({ session: {} }),
      onOpen() {
        throw new Error('open');
      },
      async onMessage(client, text) {
        client.send('heard');
        throw new Error(text);
      },
      onEnd() {
        throw new Error('end');
      },
    });
    const { socket, next } = await connect(t, server.ws);
    socket.send('message');
    assert.equal(await next(), 'heard');
    socket.close();
    await until('three errors', () => server.errors.length === 3);
    const told = server.errors.map(({ error, hook, client }) => [error.message, hook, client.id]);
    assert.deepEqual(told, [['open', 'onOpen', 1], ['message', 'onMessage', 1], ['end', 'onEnd', 1]]);
  });

  it('that says more than the loop can hear is closed, and that is reported', async (t) => {
    const server = await serve(t, {
      authorize: () => ({}),
      onMessage() {},
      // One client may have a sixteenth.
      backlog: { messages: 160 },
    });
    const [loud, quiet] = [await connect(t, server.ws), await connect(t, server.ws)];
    await until('two clients', () => server.gateway.stats().open === 2);
    for (let i = 0; i < 1_000; i += 1) loud.socket.send('x');
    quiet.socket.send('x');
    await new Promise((resolve) => setImmediate(resolve));
    // The loop hears nothing, while the gateway's threads read on.
    const end = performance.now() + 300;
    while (performance.now() < end);
    const { code, reason } = await loud.closed();
    assert.equal(code, 1013);
    assert.equal(reason, 'more was said than could be heard');
    const [{ error, hook, client }] = server.errors;
    assert.equal(error.code, 'ERR_OVERRUN');
    assert.equal(hook, 'onMessage');
    assert.equal(client.id, 1);
    assert.equal(server.errors.length, 1);
    assert.equal(quiet.socket.readyState, 1);
  });

  it('is garbage when it has gone, and so is its session', async (t) => {
    const collected = new Set();
    const registry = new FinalizationRegistry((what) => collected.add(what));
    const ended = heard();
    const server = await serve(t, {
      authorize({ path }) {
        const session = { path };
        registry.register(session, `session of ${path}`);
        return { topics: 'a', session };
      },
      onOpen(client) {
        registry.register(client, `client of ${client.session.path}`);
      },
      onEnd: () => ended(),
    });
    const staying = await connect(t, `${server.ws}/stays`);
    const leaving = await connect(t, `${server.ws}/leaves`);
    leaving.socket.close();
    await ended.next();
    await until('collected', () => {
      gc();
      return collected.size === 2;
    });
    assert.deepEqual([...collected].sort(), ['client of /leaves', 'session of /leaves']);
    staying.socket.close();
  });

  it('needs no function that listens for its session to be let go of', async (t) => {
    const collected = new Set();
    const registry = new FinalizationRegistry((what) => collected.add(what));
    const server = await serve(t, {
      authorize({ path }) {
        const session = {};
        registry.register(session, path);
        return { topics: 'a', session };
      },
    });
    const { socket } = await connect(t, `${server.ws}/x`);
    await stream(t, `${server.http}/y`);
    gc();
    assert.equal(collected.size, 0);
    socket.close();
    await until('collected', () => {
      gc();
      return collected.has('/x');
    });
    assert.equal(collected.has('/y'), false);
  });
});
