'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { describe, it } = require('node:test');
const { WebSocket } = require('ws');
const { deadline, until } = require('../pipe/rig');
const { start } = require('./rig');

/**
 * @param {string} address
 * @param {string} who
 */
async function visitor(address, who) {
  const socket = new WebSocket(`ws://${address}/socket?who=${who}`);
  /** @type {any[]} */
  const heard = [];
  socket.on('message', (data) => heard.push(JSON.parse(data.toString())));
  await once(socket, 'open', deadline());
  return {
    socket,
    heard,
    /** @param {object} wish */
    wish: (wish) => socket.send(JSON.stringify(wish)),
    /** @param {Record<string, unknown>} like */
    hears: (like) =>
      until(
        () => heard.some((message) => Object.entries(like).every(([name, value]) => message[name] === value)),
        `${who} hears ${JSON.stringify(like)}`,
      ),
  };
}

describe('the example chat', () => {
  it('carries what is said in a room to those who are in it', async (t) => {
    const chat = await start(t, 'chat', '--port', '0');
    const page = await fetch(`http://${chat.address}/`);
    assert.match(await page.text(), /<title>Chat<\/title>/);

    const ann = await visitor(chat.address, 'ann');
    const bob = await visitor(chat.address, 'bob');
    await ann.hears({ kind: 'welcome' });
    ann.wish({ do: 'come', room: 'garden' });
    await ann.hears({ kind: 'came', room: 'garden', who: 'ann' });
    bob.wish({ do: 'come', room: 'garden' });
    await ann.hears({ kind: 'came', room: 'garden', who: 'bob' });
    bob.wish({ do: 'come', room: 'attic' });
    bob.wish({ do: 'say', room: 'attic', text: 'to myself' });
    await bob.hears({ kind: 'said', room: 'attic', who: 'bob', text: 'to myself' });
    bob.wish({ do: 'say', room: 'garden', text: 'grüezi, ann' });
    await ann.hears({ kind: 'said', room: 'garden', who: 'bob', text: 'grüezi, ann' });
    assert.ok(!ann.heard.some(({ room }) => room === 'attic'));

    ann.wish({ do: 'say', room: 'attic', text: 'through the door' });
    await ann.hears({ kind: 'error', text: 'you are not in that room' });
    ann.wish({ do: 'constructor', room: 'attic' });
    await until(() => ann.heard.filter(({ kind }) => kind === 'error').length === 2, 'the second error');

    bob.wish({ do: 'leave', room: 'garden' });
    await ann.hears({ kind: 'left', room: 'garden', who: 'bob' });
    ann.wish({ do: 'say', room: 'garden', text: 'alone' });
    await ann.hears({ kind: 'said', text: 'alone' });
    bob.wish({ do: 'come', room: 'garden' });
    await bob.hears({ kind: 'came', room: 'garden', who: 'bob' });
    assert.ok(!bob.heard.some(({ text }) => text === 'alone'));

    bob.socket.terminate();
    await until(() => ann.heard.filter(({ kind, who }) => kind === 'left' && who === 'bob').length === 2, 'bob is gone');
    await until(() => ann.heard.findLast(({ kind }) => kind === 'present')?.present === 1, 'ann is alone');

    const closed = once(ann.socket, 'close', deadline());
    assert.equal(await chat.stop(), 0);
    assert.equal((await closed)[0], 1001);
  });
});
