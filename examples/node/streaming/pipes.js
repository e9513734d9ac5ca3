// The streams over a plain `http` server with `ws`. What hub.pipe does for it:
//
// - A post goes out to thousands of sockets as bytes that were made once.
// - It goes out in slices, between which the loop does everything else: a client that leaves in the middle of a large
//   event is taken out at once, and nothing is written to it any more.
// - A client that reads too slowly is let wait in the hub, where it costs a cursor, and not in its socket's buffer. What
//   it misses there is counted, and it is told.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { Refusal, selectorOf } from './streams.js';

/** Milliseconds. Proxies and clients close connections on which nothing comes for long. */
const HEARTBEAT = 20_000;

/** Bytes that may wait for a client in its socket. */
const HIGH_WATER = 256 * 1024;

/**
 * @param {import('distributary').Hub} hub
 * @param {import('./people.js').People} people
 * @param {number} port
 */
export async function serve(hub, people, port) {
  const server = createServer(async (request, response) => {
    try {
      const selector = await selectorOf(people, urlOf(request), tokenOf(request));
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' }).write(':)\n\n');
      const beating = setInterval(() => response.write(':thump\n'), HEARTBEAT);
      hub.pipe(selector, response, {
        frame: eventStreamFrame,
        highWater: HIGH_WATER,
        onLag: (missed) => response.write(`event: missed\ndata: ${missed}\n\n`),
        onClose: () => clearInterval(beating),
      });
    } catch (error) {
      const { status, message } = refusal(error);
      response.writeHead(status, { 'content-type': 'text/plain' }).end(`${message}\n`);
    }
  });

  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', async (request, connection, head) => {
    connection.on('error', () => connection.destroy());
    try {
      const selector = await selectorOf(people, urlOf(request), tokenOf(request));
      sockets.handleUpgrade(request, connection, head, (socket) => {
        const beating = setInterval(() => socket.ping(), HEARTBEAT);
        // What is published is what WebSockets are sent: no frame has to be made.
        hub.pipe(selector, socket, {
          highWater: HIGH_WATER,
          onLag: (missed) => socket.send(JSON.stringify({ event: 'missed', payload: `${missed}` })),
          onClose: () => clearInterval(beating),
        });
      });
    } catch (error) {
      const { status, message } = refusal(error);
      connection.end(`HTTP/1.1 ${status} Refused\r\nconnection: close\r\n\r\n${message}\n`);
    }
  });

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${server.address().port}`,
    close() {
      const { sent, writesToClosed } = hub.pipeStats();
      console.log(`${sent} messages sent, ${writesToClosed} of them to closed sockets`);
      for (const socket of sockets.clients) socket.close(1001, 'the server ends');
      // Who does not read does not say goodbye either.
      setTimeout(() => sockets.clients.forEach((socket) => socket.terminate()), 3000).unref();
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * What a response of Server-Sent Events is sent. Called once for each event, however many responses get it.
 *
 * @param {import('distributary').Event} event
 */
function eventStreamFrame(event) {
  const { event: kind, payload } = event.json();
  // The text of an entity has no line breaks: JSON escapes them.
  return `event: ${kind}\ndata: ${payload}\n\n`;
}

function urlOf(request) {
  return new URL(request.url, 'http://localhost');
}

function tokenOf(request) {
  const { authorization = '', 'sec-websocket-protocol': offered } = request.headers;
  const [, bearer] = /^Bearer (.+)$/.exec(authorization) ?? [];
  // Browsers cannot set that header for a WebSocket: they offer the token as a protocol.
  return bearer ?? offered?.split(',')[0].trim();
}

function refusal(error) {
  if (error instanceof Refusal) return error;
  console.error(error);
  return { status: 503, message: 'try again later' };
}
