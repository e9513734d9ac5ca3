'use strict';

// The JSON protocol from the application's side: wishes, tickets, messages, resuming.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { deny } = require('../../lib/gateway');
const { Hub } = require('../../lib/hub');
const { becomes, connect, heard, serve, speak, until } = require('./rig');

/** Subscribes, and gives what it is answered. */
async function subscribe(client, id, spec) {
  client.say({ type: 'subscribe', id, ...spec });
  return client.json();
}

describe('the JSON protocol', () => {
  it('is spoken with those who offer it, unless it is switched off', async (t) => {
    const on = await serve(t, { authorize: () => ({ topics: 'a' }) });
    const { socket, welcome, json } = await speak(t, on.ws);
    assert.equal(socket.protocol, 'distributary.v1.json');
    assert.equal(welcome.type, 'welcome');
    assert.equal(welcome.subscriptions, 1);
    assert.equal((await json()).type, 'subscribed');
    on.hub.publish('a', { n: 1 });
    const event = await json();
    assert.deepEqual([event.type, event.topic, event.data], ['event', 'a', { n: 1 }]);

    const off = await serve(t, { authorize: () => ({ topics: 'a' }), jsonProtocol: false });
    // Without a protocol that was offered, `ws` breaks the handshake off.
    await assert.rejects(connect(t, off.ws, ['distributary.v1.json']), /no subprotocol/);
  });

  it('lets clients subscribe to what was allowed without asking', async (t) => {
    const server = await serve(t, { authorize: () => ({ allow: ['public.*', 'one'] }) });
    const client = await speak(t, server.ws);
    assert.equal((await subscribe(client, 1, { topics: ['public.a', 'one'] })).type, 'subscribed');
    assert.equal((await subscribe(client, 2, { patterns: ['public.*'] })).type, 'subscribed');
    const error = await subscribe(client, 3, { topics: ['private.a'] });
    assert.deepEqual([error.type, error.code, error.message], ['error', 'denied', 'this may not be subscribed to']);
  });

  it('asks about other wishes, and takes yes, no and something else', async (t) => {
    const asked = heard();
    const answers = {
      yes: true,
      later: Promise.resolve(true),
      no: false,
      why: deny('not yours'),
      thrown: null,
      narrow: { topics: 'narrow.own' },
      filter: { where: { n: 2 } },
      both: { topics: ['both.own'], where: { n: 2 }, overflow: 'keep-latest', budget: { events: 10 } },
      nothing: { topics: [], patterns: [] },
      wrong: { topic: 'x' },
      undefined,
    };
    const server = await serve(t, {
      authorize: () => ({ session: 'me' }),
      onSubscribe(client, wish) {
        asked(client.session, wish);
        const name = (wish.topics[0] ?? wish.patterns[0]).split('.')[0];
        if (name === 'thrown') throw deny('by throwing');
        if (name === 'fails') throw new Error('the database at 10.0.0.1');
        return answers[name];
      },
    });
    const client = await speak(t, server.ws);
    let id = 0;
    const ask = (spec) => subscribe(client, (id += 1), spec);

    assert.equal((await ask({ topics: ['yes.a'], patterns: ['yes.*'] })).type, 'subscribed');
    assert.deepEqual(await asked.next(), ['me', { topics: ['yes.a'], patterns: ['yes.*'] }]);
    assert.equal((await ask({ topics: ['later'] })).type, 'subscribed');
    const denied = async (name, message) => {
      const answer = await ask({ topics: [name] });
      assert.deepEqual([answer.type, answer.code, answer.message], ['error', 'denied', message], name);
    };
    await denied('no', 'this may not be subscribed to');
    await denied('nothing', 'this may not be subscribed to');
    await denied('why', 'not yours');
    await denied('thrown', 'by throwing');
    assert.deepEqual(server.errors, []);
    for (const name of ['fails', 'wrong', 'undefined']) {
      await denied(name, 'internal error');
      const { error, hook, client: whose } = server.errors.pop();
      assert.equal(hook, 'onSubscribe');
      assert.equal(whose.session, 'me');
      assert.match(error.message, name === 'fails' ? /database/ : /what `onSubscribe` returned/);
    }

    // What the client filters by stays, unless there is something in its place.
    assert.equal((await ask({ topics: ['narrow.any', 'narrow.own'], where: { n: [1] } })).type, 'subscribed');
    server.hub.publish('narrow.any', { n: 1 });
    server.hub.publish('narrow.own', { n: 2 });
    server.hub.publish('narrow.own', { n: 1 });
    assert.deepEqual((await client.json()).topic, 'narrow.own');
    for (const name of ['filter.own', 'both.own']) {
      assert.equal((await ask({ topics: [name, `${name}.other`] })).type, 'subscribed');
      server.hub.publish(name, { n: 1 });
      server.hub.publish(name, { n: 2 });
      const event = await client.json();
      assert.deepEqual([event.topic, event.data], [name, { n: 2 }]);
    }
  });

  it('takes an answer that comes after the client has gone', async (t) => {
    const asked = heard();
    const server = await serve(t, {
      authorize: () => ({}),
      onSubscribe: () => new Promise((resolve) => asked(resolve)),
    });
    const client = await speak(t, server.ws);
    client.say({ type: 'subscribe', id: 1, topics: ['a'] });
    const [answer] = await asked.next();
    client.socket.terminate();
    await until('gone', () => server.gateway.stats().open === 0);
    answer(true);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(server.errors, []);
  });

  it('carries messages both ways as JSON', async (t) => {
    const said = heard();
    const server = await serve(t, {
      authorize: () => ({}),
      onMessage(client, text) {
        said(text);
        client.send({ echo: JSON.parse(text) });
        client.send('"text"');
        client.send(Buffer.from([255]));
      },
    });
    const client = await speak(t, server.ws);
    client.say({ type: 'message', data: { any: ['thing'] } });
    assert.deepEqual(await said.next(), ['{"any":["thing"]}']);
    assert.deepEqual(await client.json(), { type: 'message', data: { echo: { any: ['thing'] } } });
    assert.deepEqual(await client.json(), { type: 'message', data: 'text' });
    assert.deepEqual(await client.json(), { type: 'message', base64: '/w==' });
  });

  it('tells of subscriptions that the application makes and ends', async (t) => {
    const opened = heard();
    const server = await serve(t, { authorize: () => ({}), onOpen: opened });
    const client = await speak(t, server.ws);
    const [it] = await opened.next();
    const number = it.subscribe('a');
    const { type, id } = await client.json();
    assert.equal(type, 'subscribed');
    it.unsubscribe(number);
    assert.deepEqual(await client.json(), { type: 'unsubscribed', id });
  });

  it('lets those back in by a ticket, with the same session and without asking', async (t) => {
    const [asked, opened, ended] = [heard(), heard(), heard()];
    const session = { user: 7 };
    const server = await serve(t, {
      authorize() {
        asked();
        return { topics: 'a', session, ticket: 60_000 };
      },
      onOpen: opened,
      onEnd: ended,
    });
    const first = await speak(t, server.ws);
    const [one] = await opened.next();
    const back = `${server.ws}/?ticket=${first.welcome.ticket}`;
    // It comes back before its first connection is known to be dead.
    const second = await speak(t, back);
    const [two] = await opened.next();
    assert.notEqual(two, one);
    assert.equal(one.session, session);
    assert.equal(two.session, session);
    second.socket.close();
    assert.equal((await ended.next())[0], two);
    first.socket.close();
    assert.equal((await ended.next())[0], one);
    const third = await speak(t, back);
    assert.equal((await opened.next())[0].session, session);
    assert.equal(asked.waiting(), 1);
    await becomes(() => server.gateway.stats().returned, 2);
    assert.equal(third.welcome.grant, first.welcome.grant);
  });

  it('takes the ticket of one that the application closes', async (t) => {
    const [asked, opened] = [heard(), heard()];
    const server = await serve(t, {
      authorize() {
        asked();
        return { topics: 'a', session: 1, ticket: 60_000 };
      },
      onOpen: opened,
    });
    const client = await speak(t, server.ws);
    const [it] = await opened.next();
    it.close('out');
    assert.equal((await client.closed()).code, 1000);
    await speak(t, `${server.ws}/?ticket=${client.welcome.ticket}`);
    assert.equal(asked.waiting(), 2);
  });

  it('resumes where somebody stood, by what the application says', async (t) => {
    const hub = new Hub({ history: [{ topics: '*', events: 10 }] });
    hub.publish('a', { n: 0 });
    const from = hub.position('a');
    const server = await serve(t, {
      hub,
      authorize: ({ path }) => ({ topics: 'a', from: path === '/topic' ? { a: from } : from }),
    });
    hub.publish('a', { n: 1 });
    for (const path of ['/', '/topic']) {
      const client = await connect(t, server.ws + path);
      assert.equal(await client.next(), '{"n":1}');
    }
  });
});
