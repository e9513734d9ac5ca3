// A streaming server in Mastodon's shape: user timelines, public timelines and hashtags over WebSockets and Server-Sent
// Events, and one account that everybody follows.
//
//   npm start
//   npm run client -- user ann-token
//   curl -N http://127.0.0.1:4000/api/v1/streaming/public
//
// The sockets are those of `http` and `ws`, and hub.pipe sends: see pipes.js. `npm run gateway` serves the same streams
// from native threads: see gateway.js.

import { parseArgs } from 'node:util';
import { Hub } from 'distributary';
import { People } from './people.js';
import { loadPosts, publish } from './poster.js';

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '4000' },
    // Posts in a second.
    rate: { type: 'string', default: '2' },
    gateway: { type: 'boolean', default: false },
  },
});

const posts = await loadPosts(new URL('../../data/events.jsonl', import.meta.url));
const people = new People([...new Set(posts.map((post) => post.account.id))]);
const hub = new Hub();

const { serve } = await import(options.gateway ? './gateway.js' : './pipes.js');
const { address, close } = await serve(hub, people, Number(options.port));
console.log(`listening on http://${address}

  npm run client -- user ann-token ${address}
  curl -N http://${address}/api/v1/streaming/public
  curl -N 'http://${address}/api/v1/streaming/hashtag?tag=photography'
  curl -N -H 'Authorization: Bearer bob-token' http://${address}/api/v1/streaming/user
`);

let next = 0;
const posting = setInterval(() => publish(hub, people, posts[next++ % posts.length]), 1000 / Number(options.rate));

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    clearInterval(posting);
    close();
  });
}
