'use strict';

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
// @ts-expect-error its types do not have it
const { Sender } = require('ws');
const { Unframed, framerOf } = require('../../lib/pipe/frame');

/** @param {string | Buffer} data */
function event(data) {
  return /** @type {any} */ ({ data: Buffer.from(data) });
}

describe('a frame', () => {
  it('is made once per event, function and kind', () => {
    let calls = 0;
    const make = (/** @type {any} */ { data }) => {
      calls++;
      return `data: ${data}\n\n`;
    };
    const one = event('one');
    const frame = framerOf(make, 'text').of(one);
    assert.equal(framerOf(make, 'text').of(one), frame);
    assert.equal(calls, 1);
    assert.notEqual(framerOf(make, 'text').of(event('one')), frame);
    assert.equal(calls, 2);
    assert.notEqual(framerOf(make, 'binary').of(one), frame);
    assert.equal(calls, 3);
  });

  it('is the payload itself when no function is given', () => {
    const one = event('one');
    const frame = /** @type {any} */ (framerOf(undefined, 'stream').of(one));
    assert.equal(frame.body, one.data);
  });

  it('is none, and no more than that, where the function throws what cannot be shown', () => {
    for (const thrown of [Object.create(null), new Proxy({}, { getPrototypeOf() { throw new Error('x'); } })]) {
      const framer = framerOf(() => {
        throw thrown;
      }, 'text');
      const none = framer.of(event('one'));
      assert.ok(none instanceof Unframed);
      framer.warn(none.error);
    }
  });

  it('is nothing where the function gives nothing, which is remembered', () => {
    let calls = 0;
    const framer = framerOf(() => {
      calls++;
      return undefined;
    }, 'text');
    const one = event('one');
    assert.equal(framer.of(one), null);
    assert.equal(framer.of(one), null);
    assert.equal(calls, 1);
  });

  // ws itself says what a message looks like on the wire.
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 70_000]) {
    for (const kind of /** @type {const} */ (['text', 'binary'])) {
      it(`of ${length} bytes is the ${kind} message that ws would send`, () => {
        const body = Buffer.alloc(length, kind === 'text' ? 'a' : 0xff);
        const expected = Buffer.concat(
          Sender.frame(body, { fin: true, opcode: kind === 'text' ? 1 : 2, mask: false, rsv1: false }),
        );
        const ofBytes = /** @type {any} */ (framerOf(undefined, kind).of(event(body)));
        assert.deepEqual(ofBytes.wire, expected);
        assert.equal(ofBytes.wire, ofBytes.wire, 'made once');
        if (kind === 'binary') return;
        const ofText = /** @type {any} */ (framerOf(() => body.toString(), kind).of(event(body)));
        assert.deepEqual(ofText.wire, expected);
        assert.deepEqual(ofText.body, body);
      });
    }
  }

  it('encodes text as UTF-8', () => {
    const frame = /** @type {any} */ (framerOf(() => 'grüße, 世界', 'text').of(event('')));
    assert.equal(frame.body.toString(), 'grüße, 世界');
    assert.equal(frame.wire[1], Buffer.byteLength('grüße, 世界'));
  });

  it('takes any view of bytes', () => {
    const bytes = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4);
    const frame = /** @type {any} */ (framerOf(() => bytes, 'stream').of(event('')));
    assert.deepEqual(frame.body, Buffer.from([1, 2, 3]));
  });

  /** @type {[string, any, 'text' | 'stream', RegExp][]} */
  const refusals = [
    ['a number', () => 7, 'text', /returns bytes, a string or null for nothing, not 7/],
    ['a promise', async () => 'late', 'stream', /not a Promise/],
    ['text that is not UTF-8', () => Buffer.from([0xff, 0xfe]), 'text', /not UTF-8: set the option binary/],
    [
      'an error',
      () => {
        throw new Error('mine');
      },
      'text',
      /^mine$/,
    ],
  ];
  for (const [name, make, kind, message] of refusals) {
    it(`is refused once for all when the function gives ${name}`, () => {
      const framer = framerOf(make, kind);
      const one = event('one');
      const refused = framer.of(one);
      assert.ok(refused instanceof Unframed);
      assert.match(refused.error.message, message);
      assert.equal(framer.of(one), refused);
    });
  }
});
