'use strict';

const assert = require('node:assert/strict');
const { once } = require('node:events');
const http = require('node:http');
const { PassThrough } = require('node:stream');
const { describe, it } = require('node:test');
const { framerOf } = require('../../lib/pipe/frame');
const { GONE } = require('../../lib/pipe/outlet');
const { WritableOutlet, isWritable } = require('../../lib/pipe/writable');
const { connection, deadline, until } = require('./rig');

/** @param {string | Buffer} data */
function frameOf(data) {
  return /** @type {any} */ (framerOf(undefined, 'stream').of(/** @type {any} */ ({ data: Buffer.from(data) })));
}

describe('the outlet of a stream', () => {
  it('writes the bytes as they are to a connection', async (t) => {
    const { socket, client } = await connection(t);
    const outlet = new WritableOutlet(socket);
    assert.equal(outlet.write(frameOf('one\n')), true);
    assert.equal(outlet.write(frameOf('two\n')), true);
    let got = '';
    client.setEncoding('utf8').on('data', (text) => (got += text));
    await until(() => got.length === 8, 'both lines');
    assert.equal(got, 'one\ntwo\n');
  });

  it('writes to the response of a server, and sees it end', async (t) => {
    const server = http.createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      assert.ok(isWritable(response));
      const outlet = new WritableOutlet(response);
      assert.equal(outlet.queued, response.writableLength);
      outlet.write(frameOf('data: 1\n\n'));
      response.once('close', () => server.emit('left', outlet.queued));
    });
    t.after(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening', deadline());
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const request = http.get({ port, host: '127.0.0.1' });
    const [response] = await once(request, 'response', deadline());
    const [data] = await once(response, 'data', deadline());
    assert.equal(`${data}`, 'data: 1\n\n');
    const left = once(server, 'left', deadline());
    request.destroy();
    assert.deepEqual(await left, [GONE]);
  });

  it('is gone once the stream was ended or destroyed', () => {
    const ended = new PassThrough();
    ended.end();
    assert.equal(new WritableOutlet(ended).queued, GONE);
    const destroyed = new PassThrough();
    destroyed.destroy();
    assert.equal(new WritableOutlet(destroyed).queued, GONE);
  });

  it('says of a write that the stream had been closed', () => {
    const ended = new PassThrough().on('error', () => {});
    ended.end();
    assert.equal(new WritableOutlet(ended).write(frameOf('late')), false);
    const destroyed = new PassThrough().on('error', () => {});
    destroyed.destroy();
    assert.equal(new WritableOutlet(destroyed).write(frameOf('late')), false);
    // Full is not closed.
    const full = new PassThrough({ highWaterMark: 1 });
    assert.equal(new WritableOutlet(full).write(frameOf('much')), true);
  });
});
