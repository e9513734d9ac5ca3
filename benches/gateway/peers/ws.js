// Node's `ws`, in the two ways that servers use it: `buffer` makes one Buffer for all
// clients, `mastodon` serialises for each client as Mastodon's streaming server does.
//
// Prints `ready PORT CONTROL`, takes the lines `publish BYTES` and `watch N` on the
// control port, and ends with its input.
'use strict';

const net = require('node:net');
const { WebSocketServer } = require('ws');

const way = process.argv[2];
const clients = new Set();
let watchers = [];

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: 0,
  backlog: 4096,
  perMessageDeflate: false,
});

server.on('connection', (socket, request) => {
  socket.on('error', () => {});
  if (request.url === '/probe') return;
  clients.add(socket);
  socket.on('close', () => {
    clients.delete(socket);
    tell();
  });
});

function tell() {
  watchers = watchers.filter(({ left, answer }) => {
    if (clients.size > left) return true;
    answer(`reached ${process.hrtime.bigint()}\n`);
    return false;
  });
}

// A status as the application gets it: parsed, with so much text that the message is of
// the size that was asked for.
function status(bytes) {
  const account = {
    id: '109876543210987654',
    username: 'alice',
    acct: 'alice@example.com',
    display_name: 'Alice',
    locked: false,
    bot: false,
    created_at: '2024-01-01T00:00:00.000Z',
    followers_count: 10_000,
    url: 'https://example.com/@alice',
  };
  const made = {
    id: '112345678901234567',
    created_at: '2026-01-01T00:00:00.000Z',
    sensitive: false,
    visibility: 'public',
    language: 'en',
    reblogs_count: 0,
    favourites_count: 0,
    content: '',
    account,
    media_attachments: [],
    mentions: [],
    tags: [],
  };
  const without = serialised(made).length;
  made.content = 'x'.repeat(Math.max(0, bytes - without));
  return made;
}

function serialised(payload) {
  return JSON.stringify({
    stream: ['user'],
    event: 'update',
    payload: JSON.stringify(payload),
  });
}

const publish = {
  buffer(bytes) {
    const data = Buffer.alloc(bytes, 'x');
    for (const client of clients) client.send(data, { binary: false });
  },
  mastodon(bytes) {
    const payload = status(bytes);
    for (const client of clients) client.send(serialised(payload));
  },
}[way];

const control = net.createServer((orders) => {
  orders.setNoDelay(true);
  orders.on('error', () => {});
  let rest = '';
  orders.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const [order, number] = line.split(' ');
      if (order === 'publish') publish(Number(number));
      if (order === 'watch') {
        watchers.push({ left: Number(number), answer: (text) => orders.write(text) });
        tell();
      }
    }
  });
});

server.on('listening', () => {
  control.listen(0, '127.0.0.1', () => {
    console.log(`ready ${server.address().port} ${control.address().port}`);
  });
});

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
