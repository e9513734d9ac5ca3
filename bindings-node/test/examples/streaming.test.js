'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { WebSocket } = require('ws');
const { deadline, until } = require('../pipe/rig');
const { start } = require('./rig');

/** The account that everybody follows. */
const TIDEWATCH = '109300311974412290';

/**
 * @param {string} address
 * @param {string} query
 * @param {string[]} [protocols]
 */
async function follow(address, query, protocols) {
  const socket = new WebSocket(`ws://${address}/api/v1/streaming?${query}`, protocols);
  /** @type {{ stream: string[], event: string, post: any }[]} */
  const posts = [];
  socket.on('message', (data) => {
    const { stream, event, payload } = JSON.parse(data.toString());
    posts.push({ stream, event, post: JSON.parse(payload) });
  });
  await once(socket, 'open', deadline());
  return { socket, posts };
}

/**
 * Reads Server-Sent Events until there are so many.
 *
 * @param {string} url
 * @param {number} count
 * @param {Record<string, string>} [headers]
 */
async function events(url, count, headers = {}) {
  const response = await fetch(url, { headers, ...deadline() });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type')?.split(';')[0], 'text/event-stream');
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of /** @type {ReadableStream<Uint8Array>} */ (response.body)) {
    text += decoder.decode(chunk, { stream: true });
    const found = text.split('\n\n').slice(0, -1).filter((part) => /^data:/m.test(part));
    if (found.length >= count) return found;
  }
  throw new Error(`the stream ended after ${text}`);
}

for (const mode of ['pipes', 'gateway']) {
  describe(`the example streaming, by ${mode}`, () => {
    it('serves timelines to those who may see them', async (t) => {
      const args = mode === 'gateway' ? ['--gateway'] : [];
      const streaming = await start(t, 'streaming', '--port', '0', '--rate', '200', ...args);
      const { address } = streaming;

      const [everywhere, local, ann, bob] = await Promise.all([
        follow(address, 'stream=public'),
        follow(address, 'stream=public:local'),
        follow(address, 'stream=user&access_token=ann-token'),
        follow(address, 'stream=user', ['bob-token']),
      ]);
      assert.equal(bob.socket.protocol, 'bob-token');
      await until(() => everywhere.posts.length > 20 && local.posts.length > 5, 'public posts');
      for (const { stream, post } of everywhere.posts) {
        assert.deepEqual(stream, ['public']);
        assert.equal(post.visibility, 'public');
      }
      for (const { stream, post } of local.posts) {
        assert.deepEqual(stream, ['public:local']);
        assert.ok(!post.account.acct.includes('@'));
      }

      // The account that everybody follows reaches both. Ann follows all others too, and bob refuses two languages.
      const tides = (/** @type {typeof ann} */ { posts }) => posts.filter(({ post }) => post.account.id === TIDEWATCH);
      await until(() => tides(ann).length > 1 && tides(bob).length > 1, 'what everybody follows');
      for (const { stream } of ann.posts) assert.deepEqual(stream, ['user']);
      assert.ok(ann.posts.length > bob.posts.length);
      assert.ok(ann.posts.some(({ post }) => post.language === 'de'));
      for (const { post } of bob.posts) assert.ok(!['de', 'ja'].includes(post.language), post.language);

      const found = await events(`http://${address}/api/v1/streaming/user`, 3, { authorization: 'Bearer ann-token' });
      for (const part of found) assert.match(part, /^data:/m);

      const refusals = [
        ['stream=user', 401],
        ['stream=user&access_token=nobody', 401],
        ['stream=secrets', 400],
        ['stream=hashtag', 400],
      ];
      for (const [query, status] of refusals) {
        const response = await fetch(`http://${address}/api/v1/streaming?${query}`);
        assert.equal(response.status, status, `${query}`);
        await response.text();
        const socket = new WebSocket(`ws://${address}/api/v1/streaming?${query}`);
        const [error] = await once(socket, 'error', deadline());
        assert.match(error.message, new RegExp(`${status}`));
      }

      const closed = [everywhere, local, ann, bob].map(({ socket }) => once(socket, 'close', deadline()));
      assert.equal(await streaming.stop(), 0);
      await Promise.all(closed);
      if (mode === 'pipes') assert.match(streaming.lines.join('\n'), /\d+ messages sent, 0 of them to closed sockets/);
    });
  });
}
