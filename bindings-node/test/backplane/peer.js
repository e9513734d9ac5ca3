'use strict';

// A hub in a process of its own. Commands come in as messages; what it did, and what it hears, go out so.

const { Hub } = require('../..');

const hub = new Hub({ redis: process.argv[2] });

process.on('message', async (/** @type {any} */ { subscribe, publish, data }) => {
  if (subscribe !== undefined) {
    hub.on({ patterns: subscribe }, (event) => process.send?.({ topic: event.topic, data: event.text() }));
    process.send?.({ joined: await hub.joined() });
  } else if (publish !== undefined) {
    process.send?.({ heard: (await hub.publishAcknowledged(publish, data)).heard });
  }
});
process.on('disconnect', () => hub.close());
