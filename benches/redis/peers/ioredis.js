'use strict';

// Listens to one channel with ioredis: `ready`, then the number of messages at each `end`.

const Redis = require('ioredis');

const [, , url, channel] = process.argv;
const client = new Redis(url);
let heard = 0;
client.on('messageBuffer', (_, payload) => {
  if (payload.length === 3 && payload.toString() === 'end') {
    console.log(`heard ${heard}`);
    heard = 0;
  } else {
    heard += 1;
  }
});
client.subscribe(channel).then(
  () => console.log('ready'),
  (error) => {
    console.error(String(error));
    process.exit(1);
  },
);
