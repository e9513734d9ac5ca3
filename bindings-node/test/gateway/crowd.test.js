'use strict';

// Many clients at once, and clients that do not behave.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { bare, becomes, connect, gone, refused, serve, stream, until, within } = require('./rig');

describe('a crowd', () => {
  it('of 1,000 comes, gets its events, talks and leaves', async (t) => {
    const CROWD = 1_000;
    let opened = 0;
    let said = 0;
    let ended = 0;
    const present = new Map();
    const server = await serve(t, {
      authorize: async ({ searchParams }) => ({ topics: ['all', `user.${searchParams.get('user')}`], session: searchParams.get('user') }),
      onOpen(client) {
        opened += 1;
        present.set(client.session, client);
      },
      onMessage(client, text) {
        said += 1;
        assert.equal(text, client.session);
      },
      onEnd(client) {
        ended += 1;
        assert.equal(present.get(client.session), client);
        present.delete(client.session);
      },
    });
    const clients = [];
    for (let i = 0; i < CROWD; i += 100) {
      const some = Array.from({ length: 100 }, (_, n) => connect(t, `${server.ws}/?user=${i + n}`));
      clients.push(...(await Promise.all(some)));
    }
    await until('all open', () => opened === CROWD);
    assert.equal(server.gateway.stats().open, CROWD);
    server.hub.publish('all', 'hello');
    for (let i = 0; i < CROWD; i += 1) server.hub.publish(`user.${i}`, String(i));
    for (const [i, client] of clients.entries()) {
      assert.equal(await client.next(), 'hello');
      assert.equal(await client.next(), String(i));
      client.socket.send(String(i));
    }
    await until('all said', () => said === CROWD);
    for (const client of clients) client.socket.close();
    await until('all ended', () => ended === CROWD);
    assert.equal(present.size, 0);
    await until('none left', () => server.gateway.stats().open === 0);
    await becomes(() => server.gateway.stats().ended.left, CROWD);
    assert.deepEqual(server.errors, []);
  });

  it('is limited, and told when to come back', async (t) => {
    const server = await serve(t, {
      authorize: () => ({ topics: 'a' }),
      limits: { connections: 2, retryAfter: [7_000, 7_000] },
    });
    const { socket } = await connect(t, server.ws);
    const events = await stream(t, server.http);
    assert.equal(events.status, 200);
    const answer = await refused(server.ws);
    assert.equal(answer.status, 503);
    assert.equal(answer.headers['retry-after'], '7');
    await becomes(() => server.gateway.stats().refused.connections, 1);
    socket.close();
    await until('room', () => server.gateway.stats().open === 1);
    await connect(t, server.ws);
  });

  it('of newcomers does not wait without bound for an application that thinks', async (t) => {
    const server = await serve(t, { authorize: () => new Promise(() => {}), limits: { handshakes: 2 } });
    for (let i = 0; i < 2; i += 1) connect(t, server.ws).catch(() => {});
    await until('two handshakes', () => server.gateway.stats().handshaking === 2);
    const { status, headers } = await refused(server.ws);
    assert.equal(status, 503);
    assert.match(headers['retry-after'], /^\d+$/);
    await becomes(() => server.gateway.stats().refused.handshakes, 1);
  });

  it('from one address is limited by itself', async (t) => {
    const server = await serve(t, { authorize: () => ({ topics: 'a' }), limits: { perAddress: 1 } });
    await connect(t, server.ws);
    assert.equal((await refused(server.ws)).status, 429);
  });

  it('is known by the address that a trusted proxy reports', async (t) => {
    const server = await serve(t, {
      authorize: ({ address }) => ({ topics: 'a', headers: { 'x-seen': address } }),
      limits: { trustedProxies: 1 },
    });
    const { headers } = await stream(t, server.http, { 'x-forwarded-for': '10.0.0.1, 203.0.113.7' });
    assert.equal(headers['x-seen'], '203.0.113.7');
  });
});

describe('somebody', () => {
  it('who asks for another path gets 404, without a question', async (t) => {
    const server = await serve(t, { authorize: () => ({ topics: 'a' }), path: ['/stream', '/other'] });
    assert.equal((await refused(`${server.ws}/`)).status, 404);
    await connect(t, `${server.ws}/stream`);
    await connect(t, `${server.ws}/other?x=1`);
    await becomes(() => server.gateway.stats().refused.not_found, 1);
  });

  it('who breaks the protocol is closed, and everybody else goes on', async (t) => {
    const server = await serve(t, { authorize: () => ({ topics: 'a' }), onMessage() {}, limits: { maxMessage: 100 } });
    const other = await connect(t, server.ws);
    const large = await connect(t, server.ws);
    large.socket.send('x'.repeat(101));
    assert.equal((await large.closed()).code, 1009);
    const junk = await bare(t, server.port);
    junk.write('\u0016\u0003\u0001 this is no HTTP\r\n\r\n');
    junk.resume();
    await gone(junk);
    const frames = await connect(t, server.ws);
    // An unmasked frame with a reserved opcode.
    frames.socket._socket.write(Buffer.from([0x83, 0x00]));
    assert.equal((await frames.closed()).code, 1002);
    const torn = await connect(t, server.ws);
    torn.socket._socket.resetAndDestroy();
    await until('three ends', () => server.gateway.stats().open === 1);
    const { ended } = server.gateway.stats();
    assert.deepEqual([ended.too_large, ended.protocol_error, ended.broken], [1, 1, 1]);
    server.hub.publish('a', 'x');
    assert.equal(await other.next(), 'x');
  });

  it('who does not answer pings is dropped', async (t) => {
    const server = await serve(t, { authorize: () => ({ topics: 'a' }), limits: { ping: { every: 50, timeout: 50 } } });
    const socket = await bare(t, server.port);
    socket.write(
      'GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n' +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    socket.resume();
    const answering = await connect(t, server.ws);
    await gone(socket);
    await becomes(() => server.gateway.stats().ended.silent, 1);
    assert.equal(answering.socket.readyState, 1);
  });

  it('who missed events is closed with 1013, or goes on, as was said', async (t) => {
    const server = await serve(t, {
      authorize: ({ path }) => ({ topics: 'a', budget: { events: 1 }, onLag: path === '/on' ? 'continue' : 'close' }),
    });
    const [closing, goingOn] = [await connect(t, `${server.ws}/close`), await connect(t, `${server.ws}/on`)];
    const large = 'x'.repeat(4 * 1024 * 1024);
    for (const { socket } of [closing, goingOn]) socket._socket.pause();
    await until('lag', () => {
      server.hub.publish('a', large);
      return server.gateway.stats().stalled === 2;
    });
    for (let i = 0; i < 5; i += 1) server.hub.publish('a', large);
    for (const { socket } of [closing, goingOn]) socket._socket.resume();
    assert.equal((await closing.closed()).code, 1013);
    server.hub.publish('a', 'last');
    for (let message = ''; message !== 'last'; message = await goingOn.next());
  });
});
