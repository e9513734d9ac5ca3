'use strict';

// Sockets over loopback, and waiting for what they do: every wait has a deadline.

const { once } = require('node:events');
const net = require('node:net');
const { WebSocket, WebSocketServer } = require('ws');

const DEADLINE = 10_000;

/** @returns {{ signal: AbortSignal }} */
function deadline() {
  return { signal: AbortSignal.timeout(DEADLINE) };
}

/**
 * Waits until something holds that no event tells of.
 *
 * @param {() => unknown} holds
 * @param {string} what
 */
async function until(holds, what) {
  const end = Date.now() + DEADLINE;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`not within ${DEADLINE} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/**
 * A server of WebSockets, closed at the end of the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('ws').ServerOptions} [options]
 */
async function webSocketServer(t, options) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options });
  await once(server, 'listening', deadline());
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    server,
    port,
    /**
     * Both ends of a new connection. The client keeps what it gets in `messages`.
     *
     * @param {import('ws').ClientOptions} [clientOptions]
     */
    async connect(clientOptions) {
      const client = new WebSocket(`ws://127.0.0.1:${port}`, clientOptions);
      /** @type {(string | Buffer)[]} */
      const messages = [];
      client.on('message', (data, isBinary) => messages.push(isBinary ? /** @type {Buffer} */ (data) : data.toString()));
      const [[socket]] = await Promise.all([once(server, 'connection', deadline()), once(client, 'open', deadline())]);
      return { socket: /** @type {import('ws').WebSocket} */ (socket), client, messages };
    },
  };
}

/**
 * Both ends of a TCP connection.
 *
 * @param {import('node:test').TestContext} t
 */
async function connection(t) {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening', deadline());
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const client = net.connect(port, '127.0.0.1');
  const [[socket]] = await Promise.all([once(server, 'connection', deadline()), once(client, 'connect', deadline())]);
  t.after(() => {
    client.destroy();
    socket.destroy();
    server.close();
  });
  return { socket: /** @type {net.Socket} */ (socket), client };
}

module.exports = { DEADLINE, connection, deadline, until, webSocketServer };
