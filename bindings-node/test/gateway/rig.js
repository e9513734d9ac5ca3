'use strict';

// What the tests of the gateway have in common: a hub with a gateway on a port of the system's, and clients that are
// not ours: `ws`, Node's http, bare sockets. Whatever a test opens is closed when it ends.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const net = require('node:net');

const { WebSocket } = require('ws');

const { Gateway } = require('../../lib/gateway');
const { Hub } = require('../../lib/hub');

/** How long anything may take, in milliseconds. Nothing waits for it when all is well. */
const PATIENCE = 10_000;

/**
 * A hub, and a gateway that listens. Errors that are reported and not awaited fail the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} options of the gateway
 */
async function serve(t, options) {
  const hub = options.hub ?? new Hub();
  const errors = [];
  const onError = options.onError ?? ((error, where) => errors.push({ error, ...where }));
  const { hub: _, ...rest } = options;
  const gateway = new Gateway(hub, { listen: '127.0.0.1:0', ...rest, onError });
  t.after(() => gateway.close());
  await gateway.start();
  const { port } = gateway.address;
  return { hub, gateway, errors, port, http: `http://127.0.0.1:${port}`, ws: `ws://127.0.0.1:${port}` };
}

/**
 * A WebSocket that is open. `next()` gives what it was sent, in order.
 *
 * @param {import('node:test').TestContext | undefined} t
 */
async function connect(t, url, protocols, options) {
  const socket = new WebSocket(url, protocols, options);
  t?.after(() => socket.terminate());
  const inbox = letterbox();
  socket.on('message', (data, isBinary) => inbox.put(isBinary ? data : data.toString()));
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await within('open', once(socket, 'open'));
  socket.on('error', () => {});
  return {
    socket,
    next: () => within('message', inbox.next()),
    json: async () => JSON.parse(await within('message', inbox.next())),
    say: (value) => socket.send(JSON.stringify(value)),
    closed: () => within('close', closed),
    waiting: () => inbox.waiting(),
  };
}

/** A client of the JSON protocol, and its welcome. */
async function speak(t, url) {
  const client = await connect(t, url, ['distributary.v1.json']);
  return { ...client, welcome: await client.json() };
}

/** What is waited for in turn. */
function letterbox() {
  const letters = [];
  const waiting = [];
  return {
    put(letter) {
      const first = waiting.shift();
      if (first) first(letter);
      else letters.push(letter);
    },
    next: () => new Promise((resolve) => (letters.length > 0 ? resolve(letters.shift()) : waiting.push(resolve))),
    waiting: () => letters.length,
  };
}

/** A stream of server-sent events: status, headers, and `next()`, one event after the other. */
async function stream(t, url, headers = {}) {
  const request = http.get(url, { headers: { accept: 'text/event-stream', ...headers } });
  t?.after(() => request.destroy());
  request.on('error', () => {});
  const [response] = await within('answer', once(request, 'response'));
  const inbox = letterbox();
  let text = '';
  response.setEncoding('utf8');
  response.on('error', () => {});
  response.on('data', (chunk) => {
    text += chunk;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const event = {};
      for (const line of text.slice(0, end).split('\n')) {
        const at = line.indexOf(':');
        event[line.slice(0, at)] = line.slice(at + 1).trimStart();
      }
      text = text.slice(end + 2);
      inbox.put(event);
    }
  });
  const ended = once(response, 'close');
  return { status: response.statusCode, headers: response.headers, next: () => within('event', inbox.next()), ended, request };
}

/** What a handshake that is refused is answered. */
async function refused(url, options) {
  const socket = new WebSocket(url, options);
  socket.on('error', () => {});
  const [, response] = await within('refusal', once(socket, 'unexpected-response'));
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

/** Waits until a socket is closed, in whatever way. */
const gone = (socket) => within('end', new Promise((resolve) => (socket.destroyed ? resolve() : socket.once('close', resolve))));

/** A bare socket, connected. */
async function bare(t, port) {
  const socket = net.connect(port, '127.0.0.1');
  t?.after(() => socket.destroy());
  socket.on('error', () => {});
  await within('connect', once(socket, 'connect'));
  return socket;
}

/**
 * What a promise gives, or an error that says what did not come.
 *
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
async function within(what, promise, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing came within ${patience} ms`)), patience);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until something holds. */
async function until(what, holds, patience = PATIENCE) {
  const deadline = performance.now() + patience;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${patience} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until a counter stands at a number: what it counts may be told to clients before. */
async function becomes(read, expected) {
  try {
    await until('counter', () => read() === expected);
  } catch {
    assert.equal(read(), expected);
  }
}

/** A function that remembers with what it was called; `next()` waits for the next call. */
function heard() {
  const box = letterbox();
  const hear = (...given) => box.put(given);
  hear.next = () => within('call', box.next());
  hear.waiting = () => box.waiting();
  return hear;
}

module.exports = { bare, becomes, connect, gone, heard, refused, serve, speak, stream, until, within };
