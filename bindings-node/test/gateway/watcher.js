'use strict';

// A client in a process of its own: for a while it notes when events come and how long pings take to be answered.

const { WebSocket } = require('ws');

const [, , url, duration] = process.argv;
const socket = new WebSocket(url);

let lastEvent = 0;
let pinged = 0;
const seen = { events: 0, pings: 0, longestGap: 0, longestPing: 0 };

socket.on('open', () => process.send?.('open'));

process.once('message', () => {
  lastEvent = performance.now();
  socket.on('message', () => {
    const now = performance.now();
    seen.events += 1;
    seen.longestGap = Math.max(seen.longestGap, now - lastEvent);
    lastEvent = now;
  });
  socket.on('pong', () => {
    seen.pings += 1;
    seen.longestPing = Math.max(seen.longestPing, performance.now() - pinged);
    setTimeout(ping, 10);
  });
  ping();
  setTimeout(() => {
    seen.longestGap = Math.max(seen.longestGap, performance.now() - lastEvent);
    process.send?.(seen, () => process.exit(0));
  }, Number(duration));
});

function ping() {
  pinged = performance.now();
  socket.ping();
}
