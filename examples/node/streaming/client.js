// Shows a stream as it comes.
//
//   npm run client -- public
//   npm run client -- user ann-token

import { WebSocket } from 'ws';

const [stream = 'public', token, address = '127.0.0.1:4000'] = process.argv.slice(2);
const query = new URLSearchParams({ stream });
if (token) query.set('access_token', token);

const socket = new WebSocket(`ws://${address}/api/v1/streaming?${query}`);
socket.on('message', (message) => {
  const { event, payload } = JSON.parse(message.toString());
  if (event === 'missed') return console.log(`(${payload} posts are missing here)`);
  const { account, content } = JSON.parse(payload);
  console.log(`@${account.acct}: ${content.replaceAll(/<[^>]*>/g, ' ').slice(0, 100)}`);
});
socket.on('close', (code, reason) => console.log(`closed: ${code} ${reason}`));
socket.on('error', (error) => console.error(error.message));
