'use strict';

// A tap between a lane that is played here and streams that show each case.

const assert = require('node:assert/strict');
const { EventEmitter, once } = require('node:events');
const { PassThrough, Writable } = require('node:stream');
const { describe, it } = require('node:test');
const { setTimeout } = require('node:timers/promises');
const { framerOf } = require('../../lib/pipe/frame');
const { Outlet } = require('../../lib/pipe/outlet');
const { Counters, Tap } = require('../../lib/pipe/tap');
const { WebSocketOutlet } = require('../../lib/pipe/websocket');
const { WritableOutlet } = require('../../lib/pipe/writable');
const { deadline, until, webSocketServer } = require('./rig');

/** @param {string} data */
function event(data) {
  return /** @type {any} */ ({ data: Buffer.from(data) });
}

/**
 * @param {Outlet<any>} outlet
 * @param {{ make?: any, kind?: any, highWater?: number, slow?: any } & Partial<import('../../lib/pipe/tap').Listeners>} [options]
 */
function tapOn(outlet, { make, kind = 'stream', highWater = 1024, slow = 'pause', ...listeners } = {}) {
  const counters = new Counters();
  const lane = {
    left: 0,
    resumed: 0,
    /** Each delivery has a turn of its own, unless the test says otherwise. */
    turn: NaN,
    /** @type {any[]} */
    flushing: [],
    later: (/** @type {any} */ outlet) => lane.flushing.push(outlet),
    enter: (/** @type {any} */ _selector, /** @type {any} */ member) => (member.slot = 0),
    leave(/** @type {any} */ member) {
      member.slot = -1;
      lane.left++;
    },
    resume(/** @type {any} */ member) {
      lane.resumed++;
      while (member.pass());
    },
    pin() {},
    unstall() {},
  };
  const way = counters.way(framerOf(make, kind), highWater, slow, false);
  const all = { onDrop: undefined, onLag: undefined, onClose: undefined, ...listeners };
  const tap = new Tap(/** @type {any} */ (lane), outlet, way, all);
  tap.begin(/** @type {any} */ ({}));
  /** As the lane does it. @param {any} event */
  const deliver = (event) => {
    const more = tap.deliver(event);
    if (!more) tap.stall();
    return more;
  };
  return { tap, counters, lane, deliver };
}

/** A stream that writes when it is told to. */
class Slow extends Writable {
  /** @type {(() => void)[]} */
  waiting = [];

  constructor() {
    super({ highWaterMark: 16 });
  }

  /**
   * @param {Buffer} _chunk
   * @param {string} _encoding
   * @param {() => void} done
   * @override
   */
  _write(_chunk, _encoding, done) {
    this.waiting.push(done);
  }

  release() {
    for (let done = this.waiting.shift(); done; done = this.waiting.shift()) done();
  }
}

describe('a tap', () => {
  it('writes, and counts what it wrote', () => {
    const stream = new PassThrough();
    const { tap, counters, deliver } = tapOn(new WritableOutlet(stream));
    assert.equal(deliver(event('abc')), true);
    assert.equal(deliver(event('de')), true);
    assert.equal(`${stream.read()}`, 'abcde');
    assert.deepEqual([tap.sent, tap.bytes, counters.sent, counters.bytes, counters.pipes], [2, 5, 2, 5, 1]);
  });

  it('has what comes for a socket in one stride written at once', () => {
    /** @type {number[]} */
    const writes = [];
    const stream = new Writable({
      writev(chunks, done) {
        writes.push(chunks.length);
        done();
      },
      write(_chunk, _encoding, done) {
        writes.push(1);
        done();
      },
    });
    const { tap, lane, deliver } = tapOn(new WritableOutlet(stream));
    lane.turn = 1;
    for (let i = 0; i < 5; i++) deliver(event('x'));
    assert.deepEqual(writes, [1], 'the first goes at once: it may be the only one');
    assert.equal(lane.flushing.length, 1);
    lane.flushing.pop().flush();
    assert.deepEqual(writes, [1, 4]);
    lane.turn = 2;
    deliver(event('x'));
    assert.deepEqual(writes, [1, 4, 1]);
    assert.equal(lane.flushing.length, 0);
  });

  it('takes an event that has no frame, and writes nothing', () => {
    const stream = new PassThrough();
    const { tap, deliver } = tapOn(new WritableOutlet(stream), { make: () => null });
    assert.equal(deliver(event('abc')), true);
    assert.equal(stream.writableLength, 0);
    assert.equal(tap.sent, 0);
  });

  it('stops above the high water, and goes on when the stream has drained', async () => {
    const stream = new Slow();
    const { tap, counters, lane, deliver } = tapOn(new WritableOutlet(stream), { highWater: 20 });
    assert.equal(deliver(event('x'.repeat(20))), true);
    assert.equal(deliver(event('y')), true, 'at the mark, not above');
    assert.equal(deliver(event('z')), false);
    assert.equal(counters.paused, 1);
    assert.equal(tap.sent, 2);
    await until(() => {
      stream.release();
      return lane.resumed === 1;
    }, 'it goes on');
    assert.deepEqual([counters.paused, tap.sent], [0, 3], 'it had the event that it was given');
    assert.equal(stream.listenerCount('drain'), 0);
  });

  it('asks again where the stream will not say that it has drained', async () => {
    const stream = new Slow();
    // Below the stream's own mark there is no 'drain'.
    const { tap, counters, lane, deliver } = tapOn(new WritableOutlet(stream), { highWater: 4 });
    deliver(event('x'.repeat(10)));
    assert.equal(stream.writableNeedDrain, false);
    assert.equal(deliver(event('y')), false);
    await setTimeout(50);
    assert.deepEqual([lane.resumed, counters.paused], [0, 1], 'no room yet');
    stream.release();
    await until(() => lane.resumed === 1, 'it goes on');
    assert.deepEqual([tap.sent, counters.paused], [2, 0]);
  });

  it('leaves events out for a slow socket by the policy "drop"', () => {
    const stream = new Slow();
    /** @type {any[]} */
    const drops = [];
    const { tap, counters, deliver } = tapOn(new WritableOutlet(stream), {
      highWater: 4,
      slow: 'drop',
      onDrop: (...args) => drops.push(args),
    });
    deliver(event('x'.repeat(10)));
    const dropped = event('y');
    assert.equal(deliver(dropped), true);
    assert.deepEqual(drops, [[dropped, { reason: 'slow' }]]);
    stream.release();
    assert.equal(deliver(event('z')), true);
    assert.deepEqual([tap.sent, tap.dropped, counters.dropped], [2, 1, 1]);
  });

  it('closes a slow socket by the policy "close", and ends', async () => {
    const stream = new Slow();
    const ended = new Promise((resolve) => {
      const { tap, counters, lane, deliver } = tapOn(new WritableOutlet(stream), { highWater: 4, slow: 'close', onClose: resolve });
      deliver(event('x'.repeat(10)));
      assert.equal(deliver(event('y')), false);
      assert.equal(stream.destroyed, true);
      assert.deepEqual([lane.left, counters.pipes, counters.tooSlow], [1, 0, 1]);
    });
    assert.deepEqual(await ended, { reason: 'slow-consumer' });
  });

  it('closes the socket of a subscription that the engine closed as too slow', () => {
    const stream = new Slow();
    const { tap } = tapOn(new WritableOutlet(stream));
    tap.closed('slow-consumer');
    assert.equal(stream.destroyed, true);
    assert.deepEqual(tap.ended, { reason: 'slow-consumer' });
  });

  it('closes the socket of a subscription that was to be closed for a loss', () => {
    const stream = new Slow();
    const { tap, counters } = tapOn(new WritableOutlet(stream));
    tap.closed('lost');
    assert.equal(stream.destroyed, true);
    assert.deepEqual([tap.ended, counters.tooSlow], [{ reason: 'lost' }, 0]);
  });

  it('counts and tells what the engine dropped', () => {
    /** @type {number[]} */
    const told = [];
    const { tap, counters } = tapOn(new WritableOutlet(new PassThrough()), { onLag: (missed) => told.push(missed) });
    tap.lagged(3);
    tap.lagged(4);
    assert.deepEqual([told, tap.missed, counters.missed], [[3, 4], 7, 7]);
  });

  it('does not write to a socket that was closed a moment ago', () => {
    const stream = new PassThrough();
    const { tap, counters, lane, deliver } = tapOn(new WritableOutlet(stream));
    let writes = 0;
    stream.write = /** @type {any} */ (() => writes++);
    stream.destroy();
    assert.equal(deliver(event('late')), false);
    assert.deepEqual([writes, lane.left, counters.pipes, counters.writesToClosed], [0, 1, 0, 0]);
    assert.deepEqual(tap.ended, { reason: 'socket-closed' });
  });

  it('counts a write that a stream refused because it was closed', () => {
    // Lies about its state, as nothing should.
    const stream = Object.assign(new EventEmitter(), {
      destroyed: false,
      writableEnded: false,
      writableLength: 0,
      destroy() {},
      cork() {},
      uncork() {},
      write() {
        this.writableEnded = true;
        return false;
      },
    });
    const { tap, counters, deliver } = tapOn(new WritableOutlet(/** @type {any} */ (stream)));
    assert.equal(deliver(event('late')), false);
    assert.deepEqual([counters.writesToClosed, tap.sent, counters.pipes], [1, 0, 0]);
  });

  it('ends with the socket, by one listener however many taps it has', () => {
    const stream = new PassThrough();
    const outlet = new WritableOutlet(stream);
    const taps = Array.from({ length: 20 }, () => tapOn(outlet));
    assert.equal(Outlet.of(stream), outlet);
    assert.deepEqual([stream.listenerCount('close'), stream.listenerCount('error')], [1, 1]);
    stream.emit('close');
    for (const { tap, lane } of taps) {
      assert.deepEqual(tap.ended, { reason: 'socket-closed' });
      assert.equal(lane.left, 1);
    }
    assert.deepEqual([stream.listenerCount('close'), stream.listenerCount('error')], [0, 0]);
  });

  it('ends with an error of the socket, which does not end the process', () => {
    const stream = new PassThrough();
    const { tap } = tapOn(new WritableOutlet(stream));
    const error = new Error('reset');
    stream.emit('error', error);
    assert.deepEqual(tap.ended, { reason: 'failed', error });
  });

  it('leaves the socket as it was when it is closed', () => {
    const stream = new PassThrough();
    const { tap, lane } = tapOn(new WritableOutlet(stream));
    tap.end('closed');
    tap.end('closed');
    assert.equal(lane.left, 1);
    assert.deepEqual([stream.destroyed, stream.writableEnded], [false, false]);
    assert.deepEqual([stream.listenerCount('close'), stream.listenerCount('error')], [0, 0]);
  });

  it('still hears the errors of what it wrote before it was closed', async () => {
    const stream = new Slow();
    const { tap, deliver } = tapOn(new WritableOutlet(stream));
    deliver(event('on its way'));
    tap.end('closed');
    stream.destroy(new Error('reset'));
    await until(() => stream.closed, 'it closes');
  });

  it('is taken out alone when a write throws', () => {
    const stream = new PassThrough();
    const error = new Error('broken');
    stream.write = () => {
      throw error;
    };
    const { tap, lane, deliver } = tapOn(new WritableOutlet(stream));
    assert.equal(deliver(event('x')), false);
    assert.deepEqual(tap.ended, { reason: 'failed', error });
    assert.equal(lane.left, 1);
  });

  it('leaves out an event without a frame, and tells', () => {
    /** @type {any[]} */
    const drops = [];
    const error = new Error('mine');
    const make = () => {
      throw error;
    };
    const { tap, deliver } = tapOn(new WritableOutlet(new PassThrough()), { make, onDrop: (...args) => drops.push(args) });
    const one = event('one');
    assert.equal(deliver(one), true);
    assert.deepEqual(drops, [[one, { reason: 'frame', error }]]);
    assert.equal(tap.ended, null);
  });

  it('warns of an event without a frame, once, where nobody asked to be told', async () => {
    const make = () => /** @type {any} */ (7);
    const warning = once(process, 'warning', deadline());
    for (let i = 0; i < 3; i++) tapOn(new WritableOutlet(new PassThrough()), { make }).deliver(event(`${i}`));
    const [{ code, message }] = await warning;
    assert.equal(code, 'ERR_BAD_FRAME');
    assert.match(message, /not 7/);
    let more = 0;
    process.on('warning', () => more++);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(more, 0);
  });

  it('waits while a WebSocket is busy with a message in fragments, whatever the policy', async (t) => {
    const { connect } = await webSocketServer(t);
    const { socket, messages } = await connect();
    const { tap, lane, deliver } = tapOn(new WebSocketOutlet(socket), { kind: 'text', slow: 'close' });
    socket.send('one ', { fin: false });
    assert.equal(deliver(event('another')), false);
    assert.equal(tap.ended, null);
    socket.send('message');
    await until(() => lane.resumed === 1, 'it goes on');
    await until(() => messages.length === 2, 'two messages');
    assert.deepEqual(messages, ['one message', 'another']);
  });
});
