'use strict';

// Who may come in: what `authorize` is shown, what it may answer, and what becomes of a wrong answer.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, it } = require('node:test');

const { Gateway, deny, reject } = require('../../lib/gateway');
const { Hub } = require('../../lib/hub');
const { bare, becomes, connect, heard, refused, serve, stream, until, within } = require('./rig');

describe('authorize', () => {
  it('is shown everything a client says of itself', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      authorize: (request) => {
        asked(request);
        return { protocol: 'chat' };
      },
    });
    const { socket } = await connect(t, `${server.ws}/a/b%20c?x=1&y=%C3%BC&x=2`, ['chat', 'other'], {
      origin: 'https://a.example',
      headers: { authorization: 'bearer  t0', cookie: 'a=1', 'x-latin': 'caf\u00e9' },
    });
    assert.equal(socket.protocol, 'chat');
    const [request] = await asked.next();
    assert.equal(request.transport, 'websocket');
    assert.equal(request.address, '127.0.0.1');
    assert.equal(request.path, '/a/b%20c');
    assert.equal(request.query, 'x=1&y=%C3%BC&x=2');
    assert.equal(request.url, '/a/b%20c?x=1&y=%C3%BC&x=2');
    assert.deepEqual(request.searchParams.getAll('x'), ['1', '2']);
    assert.equal(request.searchParams.get('y'), '\u00fc');
    assert.equal(request.origin, 'https://a.example');
    assert.equal(request.bearer, 't0');
    assert.equal(request.headers.cookie, 'a=1');
    assert.equal(request.header('X-Latin'), 'caf\u00e9');
    assert.equal(request.header('x-none'), undefined);
    assert.deepEqual(request.protocols, ['chat', 'other']);
    assert.equal(request.lastEventId, undefined);
    assert.equal(request.signal.aborted, false);
  });

  it('tells a stream of events from a WebSocket, and where it stopped', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      authorize(request) {
        asked(request);
        return { topics: 'a' };
      },
    });
    const { status } = await stream(t, server.http, { 'last-event-id': '1-2' });
    assert.equal(status, 200);
    const [request] = await asked.next();
    assert.equal(request.transport, 'sse');
    assert.equal(request.query, undefined);
    assert.equal(request.lastEventId, '1-2');
    assert.deepEqual(request.protocols, []);
  });

  it('lets in, at once or later, with topics, patterns and a filter', async (t) => {
    const answers = {
      '/topic': { topics: 'a' },
      '/several': Promise.resolve({ topics: ['a', 'b'] }),
      '/pattern': { patterns: 'a*' },
      '/filter': { topics: 'a', where: { n: [{ numeric: ['>', 1] }] } },
      '/variables': { topics: 'a', where: { n: { $var: 'n' } }, variables: { n: 2 } },
      '/two': { subscriptions: ['a', { topics: 'b', overflow: 'keep-latest', budget: { events: 5, bytes: 10_000, age: 60_000 } }] },
    };
    const server = await serve(t, { authorize: async (request) => answers[request.path] });
    const clients = {};
    for (const path of Object.keys(answers)) clients[path] = await connect(t, server.ws + path);
    server.hub.publish('a', { n: 1 });
    server.hub.publish('a', { n: 2 });
    server.hub.publish('b', { n: 2, b: true });
    const one = '{"n":1}';
    const two = '{"n":2}';
    const of = '{"n":2,"b":true}';
    const expected = {
      '/topic': [one, two],
      '/several': [one, two, of],
      '/pattern': [one, two],
      '/filter': [two],
      '/variables': [two],
      '/two': [one, two, of],
    };
    for (const [path, messages] of Object.entries(expected)) {
      for (const message of messages) assert.equal(await clients[path].next(), message, path);
    }
  });

  it('sends payloads as they are, and as bytes where that is asked for', async (t) => {
    const server = await serve(t, { authorize: ({ path }) => ({ topics: 'a', format: path === '/b' ? 'binary' : 'auto' }) });
    const [text, bytes] = [await connect(t, `${server.ws}/a`), await connect(t, `${server.ws}/b`)];
    server.hub.publish('a', 'x');
    server.hub.publish('a', Buffer.from([0xff]));
    assert.equal(await text.next(), 'x');
    assert.deepEqual(await text.next(), Buffer.from([0xff]));
    assert.deepEqual(await bytes.next(), Buffer.from('x'));
  });

  it('adds headers to the answer', async (t) => {
    const headers = new Headers([['x-one', '1']]);
    headers.append('set-cookie', 'a=1');
    headers.append('set-cookie', 'b=2');
    const server = await serve(t, {
      authorize: ({ path }) => ({ topics: 'a', headers: path === '/list' ? headers : { 'x-one': '1', 'x-two': ['2', 3] } }),
    });
    const object = await stream(t, server.http);
    assert.equal(object.headers['x-one'], '1');
    assert.equal(object.headers['x-two'], '2, 3');
    const list = await stream(t, `${server.http}/list`);
    assert.deepEqual(list.headers['set-cookie'], ['a=1', 'b=2']);
  });

  it('turns away, returned or thrown', async (t) => {
    const server = await serve(t, {
      async authorize({ path }) {
        if (path === '/thrown') throw reject(403);
        return reject(401, { body: 'who is this?\n', headers: { 'www-authenticate': 'Bearer' }, retryAfter: 1_001 });
      },
    });
    const answer = await refused(server.ws);
    assert.equal(answer.status, 401);
    assert.equal(answer.body, 'who is this?\n');
    assert.equal(answer.headers['www-authenticate'], 'Bearer');
    assert.equal(answer.headers['retry-after'], '2');
    assert.equal((await refused(`${server.ws}/thrown`)).status, 403);
    assert.deepEqual(server.errors, []);
    await becomes(() => server.gateway.stats().refused.application, 2);
  });

  it('fails with a plain 500, and the application is told why', async (t) => {
    const failure = new Error('the database at 10.0.0.1 is down');
    const server = await serve(t, {
      authorize({ path }) {
        if (path === '/later') return Promise.reject(failure);
        throw failure;
      },
    });
    for (const path of ['/at-once', '/later']) {
      const answer = await refused(server.ws + path);
      assert.equal(answer.status, 500);
      assert.equal(answer.body, 'internal error');
      const { error, hook, request } = server.errors.pop();
      assert.equal(error, failure);
      assert.equal(hook, 'authorize');
      assert.equal(request.path, path);
    }
  });

  it('warns of a failure that nobody is told of', async (t) => {
    const warned = once(process, 'warning');
    const alone = new Gateway(new Hub(), {
      listen: '127.0.0.1:0',
      authorize() {
        throw new Error('boom');
      },
    });
    t.after(() => alone.close());
    await alone.start();
    assert.equal((await refused(`ws://127.0.0.1:${alone.address.port}`)).status, 500);
    const [warning] = await within('warning', warned);
    assert.match(warning.message, /`authorize` failed/);
    assert.match(warning.detail, /boom/);
  });

  const wrong = [
    [undefined, 'ERR_BAD_OPTION', /returned is undefined: return an object/],
    [null, 'ERR_BAD_OPTION', /returned is null/],
    [true, 'ERR_BAD_OPTION', /returned is true/],
    [[], 'ERR_BAD_OPTION', /returned is an array/],
    [deny('no'), 'ERR_BAD_OPTION', /there is no option "reason"/],
    [{ topic: 'a' }, 'ERR_BAD_OPTION', /there is no option "topic": there are topics, patterns/],
    [{ topics: '' }, 'ERR_BAD_TOPIC', /topic/],
    [{ topics: 1 }, 'ERR_BAD_SELECTOR', /topics is a string or a list/],
    [{ where: { x: 1 } }, 'ERR_BAD_SELECTOR', /names nothing/],
    [{ overflow: 'disconnect' }, 'ERR_BAD_SELECTOR', /names nothing/],
    [{ patterns: '[a' }, 'ERR_BAD_PATTERN', /\[/],
    [{ topics: 'a', where: { x: [{ nope: 1 }] } }, 'ERR_BAD_FILTER', /nope/],
    [{ topics: 'a', where: { x: { $var: 'y' } } }, 'ERR_BAD_VARIABLE', /"y"/],
    [{ topics: 'a', overflow: 'drop' }, 'ERR_BAD_OPTION', /overflow is one of/],
    [{ topics: 'a', budget: { events: 0 } }, 'ERR_BAD_OPTION', /events is a whole number from 1/],
    [{ topics: 'a', from: 'yesterday' }, 'ERR_BAD_POSITION', /"yesterday" is not a position/],
    [{ subscriptions: 'a' }, 'ERR_BAD_OPTION', /subscriptions is a list/],
    [{ subscriptions: [{ topics: 'a' }, { pattern: 'b' }] }, 'ERR_BAD_OPTION', /subscriptions\[1\]: there is no option "pattern"/],
    [{ allow: '[' }, 'ERR_BAD_PATTERN', /\[/],
    [{ protocol: 'a\nb' }, 'ERR_BAD_OPTION', /no name of a WebSocket subprotocol/],
    [{ format: 'text' }, 'ERR_BAD_OPTION', /format is one of 'auto', 'binary'/],
    [{ onLag: 'skip' }, 'ERR_BAD_OPTION', /onLag is one of 'close', 'continue'/],
    [{ headers: { 'a b': 'c' } }, 'ERR_BAD_OPTION', /"a b" with this value is not a header/],
    [{ headers: { a: {} } }, 'ERR_BAD_OPTION', /the value of "a" is a text/],
    [{ ticket: -1 }, 'ERR_BAD_OPTION', /ticket is a time in milliseconds/],
    [{ ticket: '1h' }, 'ERR_BAD_OPTION', /ticket is a time in milliseconds, more than 0, not "1h"/],
  ];
  it('lets nobody in by a wrong answer, and says what is wrong with it', async (t) => {
    const server = await serve(t, { authorize: ({ path }) => wrong[Number(path.slice(1))][0] });
    for (const [i, [, code, message]] of wrong.entries()) {
      const answer = await refused(`${server.ws}/${i}`);
      assert.equal(answer.status, 500, `answer ${i}`);
      assert.equal(answer.body, 'internal error');
      const { error } = server.errors.pop();
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
    }
    assert.equal(server.gateway.stats().opened, 0);
  });

  it('is told by its signal when the client leaves', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      // Longer than the test may take.
      limits: { handshakeTimeout: 600_000 },
      authorize: (request) => new Promise((resolve) => asked(request, () => resolve({ session: {} }))),
    });
    for (const leave of ['destroy', 'end', 'resetAndDestroy']) {
      const socket = await bare(t, server.port);
      socket.write('GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n');
      const [request, settle] = await asked.next();
      assert.equal(request.signal.aborted, false);
      socket[leave]();
      await until(`abort after ${leave}`, () => request.signal.aborted);
      settle();
    }
    await becomes(() => server.gateway.stats().refused.broken, 3);
    await until('no handshake', () => server.gateway.stats().handshaking === 0);
    assert.deepEqual(server.errors, []);
  });

  it('is bounded by the handshake timeout, and what it answers later is ignored', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      limits: { handshakeTimeout: 200 },
      authorize: (request) =>
        new Promise((resolve, fail) => {
          asked(request, request.path === '/fails' ? () => fail(new Error('too late')) : () => resolve({ session: {} }));
        }),
    });
    for (const path of ['/answers', '/fails']) {
      const socket = await bare(t, server.port);
      socket.write(
        `GET ${path} HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade\r\n` +
          'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
      const [request, settle] = await asked.next();
      const answer = (await socket.setEncoding('utf8').toArray()).join('');
      assert.match(answer, /^HTTP\/1\.1 503 /);
      await until('abort', () => request.signal.aborted);
      settle();
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(server.errors, []);
    await becomes(() => server.gateway.stats().refused.timeout, 2);
    await until('no handshake', () => server.gateway.stats().handshaking === 0);
  });
});

describe('reject', () => {
  it('takes what turns somebody away', () => {
    for (const status of [200, 101, 600, 3.5, '401', undefined]) {
      assert.throws(() => reject(status), { code: 'ERR_BAD_OPTION' }, String(status));
    }
    assert.throws(() => reject(401, { header: {} }), { code: 'ERR_BAD_OPTION', message: /there is no option "header"/ });
    assert.throws(() => reject(401, { body: 1 }), { code: 'ERR_BAD_OPTION', message: /body is a string/ });
    assert.throws(() => reject(401, { retryAfter: -1 }), { code: 'ERR_BAD_OPTION', message: /retryAfter/ });
    assert.equal(reject(302).status, 302);
  });

  it('lets in exactly who it says, also where that is computed or inherited', async (t) => {
    class Granted {
      topics = 'a';
      get where() {
        return { user: [1] };
      }
    }
    const server = await serve(t, { authorize: () => new Granted() });
    const client = await connect(t, server.ws);
    server.hub.publish('a', { user: 2 });
    server.hub.publish('a', { user: 1 });
    assert.equal(await client.next(), '{"user":1}');
  });

  for (const [what, thrown] of [
    ['has no text', Object.create(null)],
    ['has a stack that throws', Object.defineProperty(new Error('x'), 'stack', { get() { throw new Error('y'); } })],
    ['is a Proxy that throws', new Proxy({}, { getPrototypeOf() { throw new Error('z'); } })],
  ]) {
    it(`may throw what ${what}: the next one is asked about all the same`, async (t) => {
      let thrower = true;
      const hub = new Hub();
      const gateway = new Gateway(hub, {
        listen: '127.0.0.1:0',
        authorize() {
          if (!thrower) return { topics: 'a' };
          thrower = false;
          throw thrown;
        },
      });
      t.after(() => gateway.close());
      await gateway.start();
      const url = `ws://127.0.0.1:${gateway.address.port}`;
      const warned = once(process, 'warning');
      assert.equal((await refused(url)).status, 500);
      const [warning] = await within('warning', warned);
      assert.equal(warning.code, 'ERR_HOOK');
      await connect(t, url);
      await within('close', gateway.close());
    });
  }

  it('is told when a header is none', async (t) => {
    for (const headers of [[1], new Uint8Array(1), [['a']]]) {
      assert.throws(() => reject(401, { headers }), { code: 'ERR_BAD_OPTION', message: /pairs of a name and a value/ });
    }
    const asked = heard();
    const server = await serve(t, { authorize: (request) => (asked(request), reject(403)) });
    await refused(server.ws);
    const [request] = await asked.next();
    assert.throws(() => request.header(5), { code: 'ERR_BAD_OPTION', message: /the name is a text/ });
  });
});
