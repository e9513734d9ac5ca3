'use strict';

// Ways to send one event to all WebSockets of a server. Each is given them once, and then sends events; the answer
// is how many bytes a client gets of one.

const { TOPIC } = require('../load/subscribers');

/** Of the payload. */
const BYTES = 4_096;

/** What comes before a payload of that size in a frame from a server. */
const HEADER = 4;

/**
 * @typedef {import('ws').WebSocket} WebSocket
 * @typedef {{ name: string, open: (sockets: Set<WebSocket>) => { bytes: number, send: () => void } }} Contender
 */

/** @type {Contender} */
const pipe = {
  name: 'distributary, `hub.pipe`',
  open(sockets) {
    const { Hub } = require('distributary');
    const hub = new Hub();
    for (const socket of sockets) hub.pipe(TOPIC, socket);
    const payload = Buffer.alloc(BYTES, 'x');
    return { bytes: BYTES + HEADER, send: () => hub.publish(TOPIC, payload) };
  },
};

/** @type {Contender} */
const bare = {
  name: 'bare loop of pre-made frames',
  open(sockets) {
    const frame = Buffer.concat([Buffer.from([0x81, 126, BYTES >> 8, BYTES & 0xff]), Buffer.alloc(BYTES, 'x')]);
    return {
      bytes: frame.length,
      send() {
        for (const socket of sockets) /** @type {any} */ (socket)._socket.write(frame);
      },
    };
  },
};

/** @type {Contender} */
const buffer = {
  name: '`ws.send` of one Buffer',
  open(sockets) {
    const payload = Buffer.alloc(BYTES, 'x');
    return {
      bytes: BYTES + HEADER,
      send() {
        for (const socket of sockets) socket.send(payload, { binary: false });
      },
    };
  },
};

/** A status, serialised for each client, and once more as a string within a message. @type {Contender} */
const mastodon = {
  name: "Mastodon's way",
  open(sockets) {
    const payload = status();
    const message = () => JSON.stringify({ stream: ['user'], event: 'update', payload: JSON.stringify(payload) });
    payload.content += 'x'.repeat(BYTES - message().length);
    return {
      bytes: message().length + HEADER,
      send() {
        for (const socket of sockets) socket.send(message());
      },
    };
  },
};

function status() {
  const account = {
    id: '109876543210987654',
    username: 'ann',
    acct: 'ann@example.org',
    display_name: 'Ann',
    locked: false,
    bot: false,
    created_at: '2025-01-01T00:00:00.000Z',
    note: '',
    url: 'https://example.org/@ann',
    followers_count: 12_345,
    following_count: 67,
    statuses_count: 890,
    emojis: [],
    fields: [],
  };
  return {
    id: '112345678901234567',
    created_at: '2026-01-01T00:00:00.000Z',
    sensitive: false,
    spoiler_text: '',
    visibility: 'public',
    language: 'en',
    url: 'https://example.org/@ann/112345678901234567',
    replies_count: 0,
    reblogs_count: 0,
    favourites_count: 0,
    content: '',
    account,
    media_attachments: [],
    mentions: [],
    tags: [],
    emojis: [],
  };
}

exports.pipe = pipe;
exports.bare = bare;
exports.buffer = buffer;
exports.mastodon = mastodon;
