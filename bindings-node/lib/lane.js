'use strict';

// The lane of this event loop in a hub: all its subscriptions, served in slices.
//
// The engine rings (a publisher on another thread through the doorbell, one on this thread by what publish returns),
// the lane pulls. A *slice* is one turn of the loop: strides of deliveries, after each of which the microtasks run that
// the consumers have started, until the time is up; then the loop gets its turn. How many deliveries a stride has is
// fitted to their pace, so that consumers who take long do not make the slice long.
//
// Invariants:
// - A consumer is called on the loop, inside a slice, never inside publish; after `leave` it is not called again.
// - A bell that rings while a slice is under way is remembered: the slice goes on, or another one follows.
// - A slot is not used again before everything is out that names it.

const { performance } = require('node:perf_hooks');

const { Crossing, ROW } = require('./crossing');
const { fromNative } = require('./errors');
const { Held, Membership, Weak } = require('./membership');
const { NativeLane } = require('./native');

/** Where the native half (src/desk.rs) puts what it hands out. */
const PAIRS = 8;
const MOST_PAIRS = 256;
const ROWS = PAIRS + 2 * MOST_PAIRS;
const OUT = ROWS + ROW * MOST_PAIRS;
const MORE = 1;
const SLAB = 2;
const APART = 4;
const CLEAR = 8;
const LAGGED = 1 << 30;
const CLOSED = 1 << 29;
const SLOT = CLOSED - 1;

/** A member that takes whatever comes, and one that had no credit when something came. */
const UNBOUNDED = 0xffffffff;
const STALLED = 0xfffffffe;

const REASONS = /** @type {const} */ (['hub-closed', 'slow-consumer', 'failed']);

/** Deliveries between two looks at the clock within a stride. */
const LOOK = 8;
/** The first stride of a slice, and the longest. */
const FIRST_STRIDE = 32;
const LONGEST_STRIDE = 256;

/**
 * Why the engine ended a subscription.
 *
 * @typedef {typeof REASONS[number]} EndReason
 */

/**
 * Takes the events of one subscription.
 *
 * @typedef {object} Consumer
 * @property {(event: import('./event').Event) => boolean} deliver false: no more until `resume`
 * @property {(missed: number) => void} lagged so many events are gone
 * @property {(reason: EndReason) => void} closed it is out, nothing more will come
 */

/** Lanes with consumers that nobody else need hold. @type {Set<Lane>} */
const pinned = new Set();

class Lane {
  /** @type {import('./hub').Hub} */
  hub;
  /** Counts slices. */
  turn = 0;

  /** @type {import('../native').NativeLane} */
  #native;
  /** @type {(Membership | undefined)[]} */
  #members = [];
  #credit = new Uint32Array(64).fill(UNBOUNDED);
  /** @type {number[]} */
  #free = [];
  /** Slots that records on their way may still name. @type {number[]} */
  #left = [];
  /** Members whose consumer the lane holds. */
  #strong = 0;

  #out = new Uint32Array(OUT);
  #flags = CLEAR;
  #count = 0;
  #next = 0;
  /** @type {Crossing} */
  #crossing;

  #slice;
  #scheduled = false;
  #more = false;
  #began = 0;
  #stride = FIRST_STRIDE;
  #strode = 0;
  #strideBegan = 0;
  /** Who wants to be called at the end of the stride. @type {{ flush(): void }[]} */
  #flushing = [];
  /** Members with something held back who may go on. @type {Membership[]} */
  #resumed = [];

  /** @type {FinalizationRegistry<Membership>} */
  #registry;

  /**
   * @param {import('./hub').Hub} hub
   * @param {{ slice: number, shareFrom: number }} options
   */
  constructor(hub, { slice, shareFrom }) {
    this.hub = hub;
    this.#slice = slice;
    // Neither the bell nor the registry keeps a lane alive that nobody can be reached by.
    const self = new WeakRef(this);
    this.#native = new NativeLane(hub.native, () => self.deref()?.ring());
    this.#registry = new FinalizationRegistry((membership) => membership.leave());
    this.#crossing = new Crossing(
      (number) => /** @type {Buffer} */ (this.#native.payload(number, shareFrom)),
      () => this.#native.epoch(),
    );
  }

  /**
   * Subscribes a consumer; in force when this returns.
   *
   * @param {import('./selector').ParsedSelector} selector
   * @param {Consumer} consumer
   * @param {number} [credit] how many events may be taken off the engine before it asks for them
   * @returns {Membership}
   */
  attach(selector, consumer, credit = Infinity) {
    const slot = this.#free.pop() ?? this.#members.length;
    if (slot >= this.#credit.length) {
      const longer = new Uint32Array(2 * this.#credit.length).fill(UNBOUNDED);
      longer.set(this.#credit);
      this.#credit = longer;
    }
    this.#credit[slot] = credit === Infinity ? UNBOUNDED : credit;
    const membership = new Membership(this, slot, consumer);
    this.#members[slot] = membership;
    try {
      const { topics, patterns, filter, options } = selector;
      this.#native.attach(slot, topics, patterns, filter?.native, options);
    } catch (error) {
      this.#members[slot] = undefined;
      this.#free.push(slot);
      throw fromNative(error);
    }
    this.#pin(1);
    // Whoever starts in the past has something to do at once.
    if (selector.options?.from !== undefined) this.ring();
    return membership;
  }

  /** There may be something to do: a bell rang, publish says so, somebody gave credit. */
  ring() {
    this.#more = true;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#begin);
  }

  /**
   * Takes a member out. What is under way for it is dropped.
   *
   * @param {Membership} membership
   */
  leave(membership) {
    this.#native.leave(membership.slot);
    this.#vacate(membership);
  }

  /** @param {Membership} membership */
  #vacate(membership) {
    const { slot } = membership;
    membership.slot = -1;
    this.#members[slot] = undefined;
    if (!(membership.consumer instanceof Weak)) this.#pin(-1);
    if (this.#scheduled) this.#left.push(slot);
    else this.#free.push(slot);
  }

  /**
   * How many events wait in the engine for a member.
   *
   * @param {Membership} membership
   * @returns {number}
   */
  lag(membership) {
    return this.#native.lag(membership.slot);
  }

  /**
   * Gives a member credit.
   *
   * @param {Membership} membership
   * @param {number} credit
   */
  grant({ slot }, credit) {
    const before = this.#credit[slot];
    this.#credit[slot] = credit;
    if (before === STALLED) {
      this.#native.resume(slot);
      this.ring();
    }
  }

  /**
   * Lets a member go on that said it takes no more.
   *
   * @param {Membership} membership
   */
  resume(membership) {
    const held = membership.consumer;
    if (!(held instanceof Held) || held.resumed) return;
    held.resumed = true;
    this.#resumed.push(membership);
    this.ring();
  }

  /**
   * From here on the consumer is called only as long as somebody else holds it.
   *
   * @param {Membership} membership
   * @param {Weak} weak
   */
  weaken(membership, weak) {
    membership.consumer = weak;
    this.#pin(-1);
  }

  /**
   * From here on the lane holds the consumer.
   *
   * @param {Membership} membership
   * @param {Consumer} consumer
   */
  hold(membership, consumer) {
    membership.consumer = consumer;
    this.#pin(1);
  }

  /**
   * Unsubscribes a consumer once it is garbage.
   *
   * @param {Membership} membership
   * @param {Consumer} consumer
   * @returns {Weak} what stands in for it while the lane does not hold it
   */
  watch(membership, consumer) {
    this.#registry.register(consumer, membership);
    return new Weak(consumer);
  }

  /** @param {1 | -1} change */
  #pin(change) {
    this.#strong += change;
    // Let go of at the end of a slice: between two deliveries to one consumer nobody is held.
    if (change === 1 && this.#strong === 1) pinned.add(this);
    else if (this.#strong === 0 && !this.#scheduled) pinned.delete(this);
  }

  /**
   * Calls `flush` at the end of the stride.
   *
   * @param {{ flush(): void }} consumer
   */
  later(consumer) {
    this.#flushing.push(consumer);
  }

  #begin = () => {
    this.turn += 1;
    this.#began = performance.now();
    if (this.#stride > FIRST_STRIDE) this.#stride = FIRST_STRIDE;
    this.#work();
  };

  /** One stride. */
  #work() {
    this.#strideBegan = performance.now();
    const end = this.#began + this.#slice;
    let left = this.#stride;
    do {
      if (this.#resumed.length > 0) {
        this.#passHeld();
        left -= 1;
      } else if (this.#next < this.#count) left -= this.#dispatch(Math.min(left, LOOK));
      else if (this.#more) this.#pull();
      else break;
    } while (left > 0 && performance.now() < end);
    this.#strode = this.#stride - left;
    if (this.#flushing.length > 0) this.#flush();
    if (this.#next === this.#count && !this.#more && this.#resumed.length === 0) this.#rest();
    else queueMicrotask(this.#afterMicrotasks);
  }

  // The tick comes once there are no microtasks left, those included that they started.
  #afterMicrotasks = () => process.nextTick(this.#goOn);

  #goOn = () => {
    const now = performance.now();
    if (now - this.#began >= this.#slice) {
      setImmediate(this.#begin);
      return;
    }
    // What takes an eighth of the slice at this pace, and no more than twice as many.
    const took = Math.max(now - this.#strideBegan, 0.001);
    const fits = Math.floor((this.#strode * this.#slice) / 8 / took);
    this.#stride = Math.max(1, Math.min(fits, 2 * this.#stride, LONGEST_STRIDE));
    this.#work();
  };

  /** Nothing is under way any more. */
  #rest() {
    this.#scheduled = false;
    if (this.#strong === 0) pinned.delete(this);
  }

  #pull() {
    const out = this.#out;
    const crossing = this.#crossing;
    // A bell that rings from here on is not answered by this pull.
    this.#more = false;
    const flags = this.#native.pull(out, this.#credit, crossing.slab, crossing.used);
    this.#flags = flags;
    this.#count = 2 * out[0];
    this.#next = 0;
    if (out[1] > 0) crossing.take(out, ROWS, out[1], out[2], out[4]);
    if (flags & SLAB) crossing.renew(this.#native.need());
    if (flags & MORE) this.#more = true;
    else if (flags & APART) this.#native.clear();
    if (this.#count === 0) this.#allOut();
  }

  /** All that was handed out has been dispatched. */
  #allOut() {
    if (this.#flags & MORE) this.#crossing.release(this.#out[3]);
    else this.#crossing.clear();
    if (this.#flags & CLEAR && this.#left.length > 0) {
      for (const slot of this.#left) this.#free.push(slot);
      this.#left.length = 0;
    }
  }

  /**
   * Up to so many deliveries of those that are handed out.
   *
   * @param {number} most
   */
  #dispatch(most) {
    const out = this.#out;
    const first = this.#next;
    const end = Math.min(first + 2 * most, this.#count);
    while (this.#next < end) {
      const whom = out[PAIRS + this.#next];
      const what = out[PAIRS + this.#next + 1];
      // Past it before it is called: it may throw.
      this.#next += 2;
      const member = this.#members[whom & SLOT];
      if (member === undefined) continue;
      try {
        if (whom < CLOSED) {
          if (!member.consumer.deliver(this.#crossing.at(what))) this.#stall(member);
        } else if (whom & LAGGED) {
          member.consumer.lagged(what);
        } else {
          this.#vacate(member);
          member.consumer.closed(REASONS[what]);
        }
      } catch (error) {
        rethrow(error);
      }
    }
    if (end === this.#count) this.#allOut();
    return (end - first) >> 1;
  }

  /**
   * The consumer takes no more. What is under way for it is held back here, the rest in the engine.
   *
   * @param {Membership} member
   */
  #stall(member) {
    const { slot, consumer } = member;
    if (slot < 0) return;
    member.consumer = new Held(consumer);
    if (this.#credit[slot] !== STALLED) this.#credit[slot] = 0;
  }

  /** Gives the first of those who resumed one thing of what was held back for it. */
  #passHeld() {
    const member = this.#resumed[0];
    const held = member.consumer;
    if (member.slot >= 0 && held instanceof Held) {
      try {
        if (held.pass()) return;
        held.resumed = false;
        if (held.empty) this.#release(member, held);
      } catch (error) {
        rethrow(error);
        return;
      }
    }
    this.#resumed.shift();
  }

  #flush() {
    const flushing = this.#flushing;
    this.#flushing = [];
    for (const consumer of flushing) consumer.flush();
  }
}

/**
 * A consumer's error is not the lane's: it reaches the process as one of an event listener would.
 *
 * @param {unknown} error
 */
function rethrow(error) {
  process.nextTick(() => {
    throw error;
  });
}

/** @type {WeakMap<import('./hub').Hub, Lane>} */
const lanes = new WeakMap();

/**
 * This loop's lane of a hub.
 *
 * @param {import('./hub').Hub} hub
 */
function laneOf(hub) {
  let lane = lanes.get(hub);
  if (lane === undefined) {
    lane = hub.lane;
    lanes.set(hub, lane);
  }
  return lane;
}

module.exports = { Lane, laneOf };
