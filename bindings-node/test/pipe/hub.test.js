'use strict';

// hub.pipe with a hub and sockets.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { PassThrough } = require('node:stream');
const { describe, it } = require('node:test');
const { Hub } = require('../..');
const { connection, deadline, until, webSocketServer } = require('./rig');

describe('hub.pipe', () => {
  it('sends what is published to a WebSocket', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const listeners = socket.listenerCount('close');
    const hub = new Hub();
    const pipe = hub.pipe('news', socket);
    hub.publish('news', 'one');
    hub.publish('other', 'no');
    hub.publish('news', { two: 2 });
    hub.publish('news', Buffer.alloc(200_000, 'x'));
    await until(() => messages.length === 3, 'three messages');
    assert.deepEqual(messages, ['one', '{"two":2}', 'x'.repeat(200_000)]);
    assert.deepEqual([pipe.sent, pipe.bytes, pipe.dropped, pipe.missed, pipe.lag], [3, 200_012, 0, 0, 0]);
    assert.equal(pipe.socket, socket);
    assert.equal(pipe.closed, null);
    assert.equal(socket.listenerCount('close'), listeners + 1);
  });

  it('sends binary messages where it is told to', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const hub = new Hub();
    hub.pipe('news', socket, { binary: true });
    hub.publish('news', Buffer.from([0xff]));
    await until(() => messages.length === 1, 'the message');
    assert.deepEqual(messages, [Buffer.from([0xff])]);
  });

  it('takes what a subscription takes: topics, patterns and filters', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const hub = new Hub();
    hub.pipe({ patterns: ['doc.*'], where: { size: [{ numeric: ['>', 10] }] } }, socket);
    hub.publish('doc.1', { size: 11 });
    hub.publish('doc.2', { size: 1 });
    hub.publish('doc.3', { size: 12 });
    await until(() => messages.length === 2, 'two messages');
    assert.deepEqual(messages, ['{"size":11}', '{"size":12}']);
  });

  it('makes a frame once for all sockets', async (t) => {
    const { connect } = await webSocketServer(t);
    const clients = [await connect(), await connect(), await connect()];
    const hub = new Hub();
    let calls = 0;
    const frame = (/** @type {any} */ event) => `${++calls}: ${event.text()}`;
    for (const { socket } of clients) hub.pipe('news', socket, { frame });
    hub.publish('news', 'one');
    hub.publish('news', 'two');
    await until(() => clients.every(({ messages }) => messages.length === 2), 'all messages');
    for (const { messages } of clients) assert.deepEqual(messages, ['1: one', '2: two']);
    assert.equal(calls, 2);
  });

  it('sends server-sent events to a response', async (t) => {
    const hub = new Hub();
    const server = http.createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      hub.pipe('news', response, { frame: (event) => `data: ${event.text()}\n\n` });
    });
    t.after(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening', deadline());
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const request = http.get({ port, host: '127.0.0.1' });
    const [response] = await once(request, 'response', deadline());
    let text = '';
    response.setEncoding('utf8').on('data', (/** @type {string} */ part) => (text += part));
    hub.publish('news', 'one');
    hub.publish('news', 'two');
    await until(() => text.length >= 22, 'two events');
    assert.equal(text, 'data: one\n\ndata: two\n\n');
    response.on('error', () => {});
    request.destroy();
    await until(() => hub.pipeStats().pipes === 0, 'the pipe ends');
  });

  it('ends when the client leaves, and writes nothing more', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, client } = await connect();
    const hub = new Hub();
    const ended = /** @type {any[]} */ ([]);
    const pipe = hub.pipe('news', socket, { onClose: (end) => ended.push(end) });
    assert.equal(hub.stats().subscriptions, 1);
    client.terminate();
    assert.deepEqual(await pipe.ended, { reason: 'socket-closed' });
    assert.equal(hub.stats().subscriptions, 0);
    hub.publish('news', 'late');
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([ended, pipe.closed], [[{ reason: 'socket-closed' }], { reason: 'socket-closed' }]);
    assert.equal(pipe.lag, 0);
    assert.throws(() => pipe.add('more'), { code: 'ERR_CLOSED' });
    const { pipes, sent, writesToClosed } = hub.pipeStats();
    assert.deepEqual([pipes, sent, writesToClosed], [0, 0, 0]);
  });

  it('leaves the socket open when it is closed itself', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const listeners = socket.listenerCount('close');
    const hub = new Hub();
    const pipe = hub.pipe('news', socket);
    hub.publish('news', 'not any more');
    pipe.close();
    pipe.close();
    assert.deepEqual(await pipe.ended, { reason: 'closed' });
    socket.send('still there');
    await until(() => messages.length === 1, 'the message');
    assert.deepEqual(messages, ['still there']);
    assert.deepEqual([socket.listenerCount('close'), socket.listenerCount('error')], [listeners, 0]);
  });

  it('adds topics and removes them', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const hub = new Hub();
    const pipe = hub.pipe('a', socket);
    assert.equal(pipe.add(['b', 'c', 'a']), 2);
    for (const topic of ['a', 'b', 'c']) hub.publish(topic, topic);
    await until(() => messages.length === 3, 'three messages');
    assert.equal(pipe.remove(['a', 'b']), 2);
    assert.deepEqual(pipe.topics, ['c']);
    for (const topic of ['a', 'b', 'c']) hub.publish(topic, `${topic} again`);
    await until(() => messages.length === 4, 'one message');
    assert.deepEqual(messages, ['a', 'b', 'c', 'c again']);
  });

  it('ends by a signal', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket } = await connect();
    const hub = new Hub();
    const aborter = new AbortController();
    const pipe = hub.pipe('news', socket, { signal: aborter.signal });
    aborter.abort();
    assert.deepEqual(pipe.closed, { reason: 'aborted' });
    assert.throws(() => hub.pipe('news', socket, { signal: aborter.signal }), { name: 'AbortError' });
    assert.equal(socket.readyState, socket.OPEN);
    assert.equal(hub.pipeStats().pipes, 0);
  });

  it('has ended at once where the socket was closed before', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket } = await connect();
    socket.terminate();
    const hub = new Hub();
    const end = new Promise((resolve) => {
      const pipe = hub.pipe('news', socket, { onClose: resolve });
      assert.deepEqual(pipe.closed, { reason: 'socket-closed' });
    });
    assert.deepEqual(await end, { reason: 'socket-closed' });
    assert.equal(hub.stats().subscriptions, 0);
  });

  it('ends with the hub', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket } = await connect();
    const hub = new Hub();
    const pipe = hub.pipe('news', socket);
    hub.close();
    assert.deepEqual(await pipe.ended, { reason: 'hub-closed' });
    assert.equal(socket.readyState, socket.OPEN);
    assert.throws(() => hub.pipe('news', socket), { code: 'ERR_CLOSED' });
    assert.equal(hub.pipeStats().pipes, 0);
  });

  it('keeps what a stalled client does not read in the hub, within the budget', async (t) => {
    const { socket, client } = await connection(t);
    const hub = new Hub();
    let missed = 0;
    const pipe = hub.pipe({ topics: 'news', budget: { events: 10 } }, socket, {
      highWater: 100_000,
      onLag: (count) => (missed += count),
    });
    client.pause();
    const payload = Buffer.alloc(64 * 1024, 'x');
    const COUNT = 500;
    for (let i = 0; i < COUNT; i++) {
      payload.writeUInt32BE(i);
      hub.publish('news', payload);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => hub.pipeStats().paused === 1, 'the pipe waits');
    assert.ok(socket.writableLength <= 100_000 + payload.length);
    assert.ok(pipe.lag > 10);
    assert.ok(hub.stats().bytesHeld < 12 * payload.length, 'what is held is bounded');
    let got = 0;
    client.on('data', (data) => (got += data.length)).resume();
    await until(() => pipe.sent + missed === COUNT && got === pipe.bytes, 'the rest');
    assert.ok(missed > 100, `${missed}`);
    assert.equal(pipe.missed, missed);
    assert.equal(hub.pipeStats().paused, 0);
  });

  it('closes a slow socket by the policy "disconnect" of its subscription', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, client } = await connect();
    const hub = new Hub();
    const pipe = hub.pipe({ topics: 'news', overflow: 'disconnect', budget: { events: 2 } }, socket, { highWater: 0 });
    client.pause();
    const payload = Buffer.alloc(1 << 20, 'x');
    for (let i = 0; i < 40 && !pipe.closed; i++) {
      hub.publish('news', payload);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(await pipe.ended, { reason: 'slow-consumer' });
    client.resume();
    const [code] = await once(client, 'close', deadline());
    assert.equal(code, 1013);
    assert.equal(hub.pipeStats().tooSlow, 1);
  });

  it('says what is wrong', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket } = await connect();
    const listeners = socket.listenerCount('close');
    const hub = new Hub();
    const stream = new PassThrough();
    /** @type {[unknown[], string, RegExp][]} */
    const wrong = [
      [['news'], 'ERR_BAD_SOCKET', /a WebSocket of 'ws' or a Writable, not undefined/],
      [['news', {}], 'ERR_BAD_SOCKET', /not an object/],
      [['news', new PassThrough({ objectMode: true })], 'ERR_BAD_SOCKET', /object mode/],
      [['news', socket, { hiWater: 1 }], 'ERR_BAD_OPTION', /no option "hiWater"/],
      [['news', socket, { highWater: '1' }], 'ERR_BAD_OPTION', /highWater is a whole number/],
      [['news', socket, { slow: 'wait' }], 'ERR_BAD_OPTION', /slow is one of 'pause', 'drop', 'close'/],
      [['news', socket, { frame: 'json' }], 'ERR_BAD_OPTION', /frame is a function/],
      [['news', socket, { signal: {} }], 'ERR_BAD_OPTION', /signal is an AbortSignal/],
      [['news', stream, { binary: true }], 'ERR_BAD_OPTION', /binary is for WebSockets/],
      [[7, socket], 'ERR_BAD_SELECTOR', /topic/],
      [[{ patterns: ['[a'] }, socket], 'ERR_BAD_PATTERN', /\[a/],
      [[{ topics: 'news', where: { a: [{ no: 1 }] } }, socket], 'ERR_BAD_FILTER', /./],
    ];
    for (const [args, code, message] of wrong) {
      assert.throws(() => hub.pipe(.../** @type {[any, any, any]} */ (args)), { code, message });
    }
    assert.equal(hub.pipeStats().pipes, 0);
    assert.equal(socket.listenerCount('close'), listeners);
  });

  it('hears of clients that leave while a large event is going out', async (t) => {
    const { connect } = await webSocketServer(t);
    const hub = new Hub({ slice: 1 });
    const COUNT = 400;
    const clients = [];
    for (let i = 0; i < COUNT; i++) clients.push(await connect());
    // As many deliveries as take many slices.
    let order = 0;
    const ends = new Map();
    for (const { socket } of clients) {
      for (let i = 0; i < 20; i++) hub.pipe('news', socket, { onClose: () => ends.set(socket, order++) });
    }
    const before = hub.pipeStats();
    assert.equal(before.pipes, 20 * COUNT);
    const leaving = clients.slice(-50);
    hub.publish('news', 'x'.repeat(4096));
    for (const { client } of leaving) client.terminate();
    await until(() => hub.pipeStats().pipes === 20 * (COUNT - 50), 'those who left are out');
    const { sent } = hub.pipeStats();
    assert.ok(sent < 20 * COUNT, `${sent} had been sent when the last of them was out`);
    await until(() => hub.pipeStats().sent >= 20 * (COUNT - 50), 'the others have it');
    assert.equal(hub.pipeStats().writesToClosed, 0);
  });
});
