// A chat over `ws`: rooms, who comes and who goes, and a page to talk in.
//
//   npm start
//
// Open the address that it prints in two windows.
//
// A room is a topic. A visitor has one pipe from the rooms that they are in to their socket: coming into a room adds its
// topic, leaving removes it, and what is said is published and nothing else. A message is framed once, however many are
// in the room. Nobody keeps a list of sockets: a visitor who closes the window is taken out by the pipe.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Hub } from 'distributary';
import { WebSocketServer } from 'ws';

const ROOMS = ['lobby', 'garden', 'attic'];
/** What everybody hears, in whatever room they are. */
const HOUSE = 'house';
/** The most characters of a message. */
const LONGEST = 500;

const { values: options } = parseArgs({ options: { port: { type: 'string', default: '4030' } } });

const hub = new Hub();
const page = await readFile(new URL('index.html', import.meta.url));

const server = createServer((request, response) => {
  if (request.url !== '/') return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
});

const sockets = new WebSocketServer({ server, path: '/socket', maxPayload: 4 * LONGEST });
sockets.on('connection', (socket, request) => {
  const who = new URL(request.url, 'http://localhost').searchParams.get('who')?.trim().slice(0, 32);
  if (!who) return socket.close(4000, 'say who you are');
  visit(socket, who);
});

/**
 * @param {import('ws').WebSocket} socket
 * @param {string} who
 */
function visit(socket, who) {
  const rooms = new Set();
  const tell = (message) => socket.send(JSON.stringify(message));
  const pipe = hub.pipe(HOUSE, socket, {
    onLag: (missed) => tell({ kind: 'missed', missed }),
    onClose() {
      for (const room of rooms) say(room, { kind: 'left', who });
      count();
    },
  });

  /** What a visitor can do. */
  const actions = {
    come({ room }) {
      if (rooms.has(room)) return;
      rooms.add(room);
      pipe.add(topicOf(room));
      say(room, { kind: 'came', who });
    },
    leave({ room }) {
      if (!rooms.delete(room)) return;
      pipe.remove(topicOf(room));
      say(room, { kind: 'left', who });
    },
    say({ room, text }) {
      if (!rooms.has(room)) return tell({ kind: 'error', text: 'you are not in that room' });
      if (typeof text === 'string' && text.trim()) say(room, { kind: 'said', who, text: text.slice(0, LONGEST) });
    },
  };

  tell({ kind: 'welcome', rooms: ROOMS });
  count();
  socket.on('message', (data) => {
    if (pipe.closed) return;
    const wish = parse(data);
    if (!ROOMS.includes(wish?.room) || !Object.hasOwn(actions, wish.do)) {
      return tell({ kind: 'error', text: `say {"do":"come","room":"${ROOMS[0]}"}, or leave, or say with a text` });
    }
    actions[wish.do](wish);
  });
}

/** Tells everybody how many are there. */
function count() {
  hub.publish(HOUSE, { kind: 'present', present: hub.pipeStats().pipes });
}

function topicOf(room) {
  return `room.${room}`;
}

/** Publishes a message in a room. */
function say(room, message) {
  hub.publish(topicOf(room), { room, at: Date.now(), ...message });
}

function parse(data) {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}

server.listen(Number(options.port), '127.0.0.1');
await once(server, 'listening');
console.log(`listening on http://127.0.0.1:${server.address().port}`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    for (const socket of sockets.clients) socket.close(1001, 'the server ends');
    server.close();
    // Who does not read does not say goodbye either.
    setTimeout(() => sockets.clients.forEach((socket) => socket.terminate()), 3000).unref();
  });
}
