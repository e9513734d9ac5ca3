'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { WebSocket } = require('ws');
const { framerOf } = require('../../lib/pipe/frame');
const { BUSY, GONE } = require('../../lib/pipe/outlet');
const { WebSocketOutlet } = require('../../lib/pipe/websocket');
const { deadline, until, webSocketServer } = require('./rig');

/**
 * @param {string | Buffer} data
 * @param {'text' | 'binary'} [kind]
 */
function frameOf(data, kind = 'text') {
  return /** @type {any} */ (framerOf(undefined, kind).of(/** @type {any} */ ({ data: Buffer.from(data) })));
}

/**
 * Counts what goes through `ws.send`, and what goes past it.
 *
 * @param {any} socket
 */
function watched(socket) {
  const seen = { sent: 0, below: 0 };
  const { _sender, _socket } = socket;
  const { send } = _sender;
  const { write } = _socket;
  let inside = false;
  _sender.send = (/** @type {any[]} */ ...args) => {
    seen.sent++;
    inside = true;
    send.apply(_sender, args);
    inside = false;
  };
  _socket.write = (/** @type {any[]} */ ...args) => {
    if (!inside) seen.below++;
    return write.apply(_socket, args);
  };
  return seen;
}

describe('the outlet of a WebSocket', () => {
  it('writes the message below, and the client gets it', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const seen = watched(socket);
    const outlet = new WebSocketOutlet(socket);
    const large = 'x'.repeat(100_000);
    outlet.write(frameOf('short'), false);
    outlet.write(frameOf(large), false);
    outlet.write(frameOf(Buffer.from([0xff, 0]), 'binary'), false);
    outlet.write(frameOf(''), false);
    await until(() => messages.length === 4, 'four messages');
    assert.deepEqual(messages, ['short', large, Buffer.from([0xff, 0]), '']);
    assert.deepEqual(seen, { sent: 0, below: 4 });
  });

  it('leaves ws with the right bufferedAmount', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, client } = await connect();
    client.pause();
    const outlet = new WebSocketOutlet(socket);
    const frame = frameOf(Buffer.alloc(1 << 20, 'a'));
    for (let i = 0; i < 32; i++) outlet.write(frame, false);
    assert.ok(socket.bufferedAmount > 1 << 20);
    assert.equal(outlet.queued, socket.bufferedAmount);
    client.resume();
    await until(() => socket.bufferedAmount === 0, 'the socket drains');
    assert.equal(outlet.queued, 0);
  });

  it('keeps its order with messages that the application sends', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const outlet = new WebSocketOutlet(socket);
    for (let i = 0; i < 100; i += 2) {
      socket.send(`${i}`);
      outlet.write(frameOf(`${i + 1}`), false);
      socket.ping();
    }
    await until(() => messages.length === 100, 'all messages');
    assert.deepEqual(messages.map(Number), [...Array(100).keys()]);
  });

  it('waits behind a message that is being compressed, and compresses nothing itself', async (t) => {
    const { connect } = await webSocketServer(t, { perMessageDeflate: { threshold: 0 } });
    const { socket, messages } = await connect({ perMessageDeflate: true });
    assert.match(socket.extensions, /permessage-deflate/);
    const seen = watched(socket);
    const outlet = new WebSocketOutlet(socket);
    const long = 'abc'.repeat(50_000);
    outlet.write(frameOf('before'), false);
    assert.deepEqual(seen, { sent: 0, below: 1 }, 'nothing is under way');
    socket.send(long);
    outlet.write(frameOf('behind'), false);
    assert.deepEqual(seen, { sent: 2, below: 1 }, 'handed to ws');
    await until(() => messages.length === 3, 'three messages');
    assert.deepEqual(messages, ['before', long, 'behind']);
    outlet.write(frameOf('later'), false);
    // The compressor goes on from where it was.
    socket.send(long);
    await until(() => messages.length === 5, 'five messages');
    assert.deepEqual(messages.slice(3), ['later', long]);
    assert.deepEqual(seen.sent, 3);
  });

  it('compresses where it is asked to', async (t) => {
    const { connect } = await webSocketServer(t, { perMessageDeflate: { threshold: 0 } });
    const { socket, client, messages } = await connect({ perMessageDeflate: true });
    const outlet = new WebSocketOutlet(socket);
    const long = 'abc'.repeat(50_000);
    outlet.write(frameOf(long), true);
    await until(() => messages.length === 1, 'the message');
    assert.equal(messages[0], long);
    assert.ok(/** @type {any} */ (client)._socket.bytesRead < 10_000);
  });

  it('is busy while a message in fragments is under way', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const outlet = new WebSocketOutlet(socket);
    socket.send('one ', { fin: false });
    assert.equal(outlet.queued, BUSY);
    socket.send('message', { fin: true });
    assert.equal(outlet.queued, socket.bufferedAmount);
    outlet.write(frameOf('another'), false);
    await until(() => messages.length === 2, 'two messages');
    assert.deepEqual(messages, ['one message', 'another']);
  });

  it('masks what a client sends, through ws', async (t) => {
    const { server, connect } = await webSocketServer(t);
    /** @type {string[]} */
    const got = [];
    server.on('connection', (socket) => socket.on('message', (data) => got.push(data.toString())));
    const { client } = await connect();
    const frame = frameOf('from the client');
    new WebSocketOutlet(client).write(frame, false);
    await until(() => got.length === 1, 'the message');
    assert.deepEqual(got, ['from the client']);
    assert.equal(frame.body.toString(), 'from the client', 'the shared frame is as it was');
  });

  it('goes through a send that is not the package’s own', async (t) => {
    class Counting extends WebSocket {
      sends = 0;

      /** @param {any[]} args @override */
      send(...args) {
        this.sends++;
        return super.send(.../** @type {[any]} */ (args));
      }
    }
    const { connect } = await webSocketServer(t, { WebSocket: Counting });
    const { socket, messages } = await connect();
    new WebSocketOutlet(socket).write(frameOf('counted'), false);
    assert.equal(/** @type {Counting} */ (socket).sends, 1);
    const { send } = /** @type {any} */ (socket);
    let replaced = 0;
    socket.send = (/** @type {any[]} */ ...args) => {
      replaced++;
      return send.apply(socket, args);
    };
    new WebSocketOutlet(socket).write(frameOf('also'), false);
    assert.equal(replaced, 1);
    await until(() => messages.length === 2, 'two messages');
    assert.deepEqual(messages, ['counted', 'also']);
  });

  for (const hidden of ['_sender', '_socket']) {
    it(`goes through ws.send where ${hidden} is not what is known`, async (t) => {
      const { connect } = await webSocketServer(t);
      const { socket, messages } = await connect();
      // Looks like a WebSocket from outside, and has other insides.
      const other = {
        on: socket.on.bind(socket),
        send: socket.send.bind(socket),
        close: socket.close.bind(socket),
        setSocket() {},
        readyState: 1,
        bufferedAmount: 0,
        _isServer: true,
        _sender: /** @type {any} */ (socket)._sender,
        _socket: /** @type {any} */ (socket)._socket,
        [hidden]: {},
      };
      new WebSocketOutlet(/** @type {any} */ (other)).write(frameOf('anyway'), false);
      await until(() => messages.length === 1, 'the message');
      assert.deepEqual(messages, ['anyway']);
    });
  }

  it('is gone from the moment at which closing begins', async (t) => {
    const { connect } = await webSocketServer(t);
    const closing = await connect();
    const outlet = new WebSocketOutlet(closing.socket);
    assert.equal(outlet.queued, 0);
    closing.socket.close();
    assert.equal(outlet.queued, GONE);

    const destroyed = await connect();
    const second = new WebSocketOutlet(destroyed.socket);
    /** @type {any} */ (destroyed.socket)._socket.destroy();
    assert.equal(destroyed.socket.readyState, WebSocket.OPEN, 'ws does not know yet');
    assert.equal(second.queued, GONE);

    const left = await connect();
    const third = new WebSocketOutlet(left.socket);
    left.client.close();
    await once(left.socket, 'close', deadline());
    assert.equal(third.queued, GONE);
  });

  it('closes one that is too slow with a code that says to come again', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, client } = await connect();
    new WebSocketOutlet(socket).shut('too slow');
    const [code, reason] = await once(client, 'close', deadline());
    assert.equal(code, 1013);
    assert.equal(`${reason}`, 'too slow');
  });
});
