'use strict';

// The lane of this event loop in a hub: all its subscriptions, served in slices.
//
// The engine rings (a publisher on another thread through the doorbell, one on this thread by what publish returns),
// the lane pulls. A *slice* is one turn of the loop: strides of deliveries, after each of which the microtasks run that
// the consumers have started, until the time is up; then the loop gets its turn. See lib/pace.js for their lengths.
//
// Invariants:
// - A consumer is called on the loop, inside a slice, never inside publish; after `leave` it is not called again.
// - A bell that rings while a slice is under way is remembered: the slice goes on, or another one follows.
// - A slot is not used again before everything is out that names it.

const { AsyncResource } = require('node:async_hooks');
const { setImmediate, setTimeout } = require('node:timers');

const { Crossing, ROW } = require('./crossing');
const { DistributaryError, fromNative, rethrow } = require('./errors');
const { NativeLane } = require('./native');
const { Pace } = require('./pace');

// The real ones, also where a test of somebody's puts its own in their place.
const { nextTick } = process;
const { queueMicrotask } = globalThis;

/**
 * Slices run outside of whatever has called publish: its AsyncLocalStorage is none of the subscribers' business, who get
 * events of many publishers in one slice.
 */
const outside = new AsyncResource('distributary.lane');

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
const NOBODY = SLOT;

/** A member that takes whatever comes, and one that had no credit when something came. */
const UNBOUNDED = 0xffffffff;
const STALLED = 0xfffffffe;
/** A member whose consumer has said that it takes no more. */
const HELD = 0xfffffffd;

const REASONS = /** @type {const} */ (['hub-closed', 'slow-consumer', 'failed', 'lost']);

/** Deliveries between two looks at the clock within a stride. */
const LOOK = 8;
/** Milliseconds after which is pulled again where memory was short. */
const TRY_AGAIN = 50;

/**
 * @typedef {import('./member').Member} Member
 * @typedef {import('./member').Pausable} Pausable
 */

/** Lanes with consumers who wait, or are called: nobody else need hold them. @type {Set<Lane>} */
const pinned = new Set();

class Lane {
  /** @type {import('./hub').Hub} */
  hub;
  /** What the engine calls it. @type {number} @readonly */
  id;
  /** Counts slices. */
  turn = 0;

  /** @type {import('../native').NativeLane} */
  #native;
  /** @type {(Member | undefined)[]} */
  #members = [];
  #credit = new Uint32Array(64).fill(UNBOUNDED);
  /** @type {number[]} */
  #free = [];
  /** Slots that records on their way may still name. @type {number[]} */
  #left = [];
  /** Members who keep the lane alive. */
  #keepers = 0;

  #out = new Uint32Array(OUT);
  #flags = CLEAR;
  #count = 0;
  #next = 0;
  /** @type {Crossing} */
  #crossing;

  #pace;
  #scheduled = false;
  #more = false;
  /** Who wants to be called at the end of the stride. @type {{ flush(): void }[]} */
  #flushing = [];
  /** Members with something held back who may go on. @type {Pausable[]} */
  #resumed = [];

  /** @param {import('./hub').Hub} hub */
  constructor(hub) {
    const { slice, shareFrom } = hub.loop;
    this.hub = hub;
    this.#pace = new Pace(slice);
    this.#native = new NativeLane(hub.native, bellOf(this));
    this.id = this.#native.id;
    this.#crossing = new Crossing(
      (number) => /** @type {Buffer} */ (this.#native.payload(number, shareFrom)),
      () => this.#native.epoch(),
    );
  }

  /**
   * Subscribes a member; in force when this returns. It does not keep the lane alive yet.
   *
   * @param {import('./selector').ParsedSelector} selector
   * @param {Member} member
   * @param {number} credit how many events may be taken off the engine before it asks for them
   */
  enter({ topics, patterns, filter, options }, member, credit) {
    const slot = this.#free.pop() ?? this.#members.length;
    if (slot >= this.#credit.length) {
      const longer = new Uint32Array(2 * this.#credit.length).fill(UNBOUNDED);
      longer.set(this.#credit);
      this.#credit = longer;
    }
    this.#credit[slot] = credit === Infinity ? UNBOUNDED : credit;
    try {
      this.#native.attach(slot, topics, patterns, filter?.native, options);
    } catch (error) {
      this.#members[slot] = undefined;
      this.#free.push(slot);
      throw fromNative(error);
    }
    this.#members[slot] = member;
    member.slot = slot;
    // Whoever starts in the past has something to do at once.
    if (options?.from !== undefined) this.ring();
  }

  /** Whether nothing is under way: all that has been announced is delivered, or waits for somebody to ask for it. */
  get idle() {
    return !this.#scheduled;
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
   * @param {Member} member
   */
  leave(member) {
    this.#native.leave(member.slot);
    this.#vacate(member);
  }

  /** @param {Member} member */
  #vacate(member) {
    const { slot } = member;
    member.slot = -1;
    this.#members[slot] = undefined;
    if (member.pinned) this.#keep(-1);
    if (this.#scheduled) this.#left.push(slot);
    else this.#free.push(slot);
  }

  /**
   * How many events wait in the engine for a member.
   *
   * @param {Member} member
   * @returns {number}
   */
  lag(member) {
    return this.#native.lag(member.slot);
  }

  /**
   * What a member asks for now.
   *
   * @param {Member} member
   */
  selector(member) {
    return this.#native.names(member.slot) ?? undefined;
  }

  /**
   * Adds names to what a member gets, or removes them: all or none. How many changes there were.
   *
   * @param {Member} member
   * @param {'add' | 'remove'} how
   * @param {import('./selector').ParsedNames} names
   */
  change(member, how, { topics, patterns }) {
    if (topics.length + patterns.length === 0) return 0;
    if (member.slot < 0) {
      throw new DistributaryError('ERR_CLOSED', 'the subscription has ended: subscribe anew');
    }
    try {
      const changes = this.#native[how](member.slot, topics, patterns);
      if (how === 'remove') this.#sift(member);
      return changes;
    } catch (error) {
      throw fromNative(error);
    } finally {
      this.ring();
    }
  }

  /**
   * Takes back what is on its way to a member whose names do not cover it any more.
   *
   * @param {Member} member
   */
  #sift(member) {
    const { slot } = member;
    if (slot < 0) return;
    this.#native.sift(slot);
    const out = this.#out;
    for (let at = this.#next; at < this.#count; at += 2) {
      if (out[PAIRS + at] !== slot) continue;
      const event = this.#crossing.at(out[PAIRS + at + 1]);
      if (event !== undefined && !this.#native.covers(slot, event.topic)) out[PAIRS + at] = NOBODY;
    }
    member.sift((event) => this.#native.covers(slot, event.topic));
  }

  /**
   * Gives a member credit.
   *
   * @param {Member} member
   * @param {number} credit
   */
  grant({ slot }, credit) {
    const before = this.#credit[slot];
    this.#credit[slot] = credit;
    if (before >= HELD && before !== UNBOUNDED) {
      this.#native.resume(slot);
      this.ring();
    }
  }

  /**
   * Takes back what credit a member has left: it asks again when it wants more.
   *
   * @param {Member} member
   */
  revoke({ slot }) {
    if (slot >= 0 && this.#credit[slot] < HELD) this.#credit[slot] = 0;
  }

  /**
   * Passes on what was held back for a member, which takes more now.
   *
   * @param {Pausable} member
   */
  resume(member) {
    this.#resumed.push(member);
    this.ring();
  }

  /**
   * Gives a member again what comes, now that nothing is held back for it.
   *
   * @param {Pausable} member
   */
  unstall(member) {
    this.grant(member, UNBOUNDED);
  }

  /**
   * Says whether a member keeps its lane alive.
   *
   * @param {Member} member
   * @param {boolean} keep
   */
  pin(member, keep) {
    if (member.slot < 0 || member.pinned === keep) return;
    member.pinned = keep;
    this.#keep(keep ? 1 : -1);
  }

  /** @param {1 | -1} change */
  #keep(change) {
    this.#keepers += change;
    // Let go of at the end of a slice: between two deliveries to its only reader there may be none for a moment.
    if (change === 1 && this.#keepers === 1) pinned.add(this);
    else if (this.#keepers === 0 && !this.#scheduled) pinned.delete(this);
  }

  /**
   * Calls `flush` at the end of the stride.
   *
   * @param {{ flush(): void }} consumer
   */
  later(consumer) {
    this.#flushing.push(consumer);
  }

  #begin = () => outside.runInAsyncScope(this.#serve, this);

  /** One slice. */
  #serve() {
    this.turn += 1;
    this.#pace.beginSlice();
    this.#work();
  }

  /** One stride. */
  #work() {
    const pace = this.#pace;
    pace.beginStride();
    do {
      if (this.#resumed.length > 0) {
        this.#passHeld();
        pace.left -= 1;
      } else if (this.#next < this.#count) pace.left -= this.#dispatch(Math.min(pace.left, LOOK));
      else if (this.#more) this.#tryToPull();
      else break;
    } while (pace.left > 0 && !pace.isOver);
    if (this.#flushing.length > 0) this.#flush();
    if (this.#next === this.#count && !this.#more && this.#resumed.length === 0) this.#rest();
    else queueMicrotask(this.#afterMicrotasks);
  }

  // The tick comes once there are no microtasks left, those included that they started.
  #afterMicrotasks = () => nextTick(this.#goOn);

  #goOn = () => {
    if (this.#pace.next()) this.#work();
    else setImmediate(this.#begin);
  };

  /** Nothing is under way any more. */
  #rest() {
    this.#scheduled = false;
    if (this.#keepers === 0) pinned.delete(this);
  }

  /** Memory may be short. The lane is not lost for it: no bell rings before all is pulled, so it rings itself. */
  #tryToPull() {
    try {
      this.#pull();
    } catch (error) {
      this.#more = false;
      setTimeout(this.#again, TRY_AGAIN).unref();
      rethrow(error);
    }
  }

  #again = () => this.ring();

  #pull() {
    const out = this.#out;
    const crossing = this.#crossing;
    // A bell that rings from here on is not answered by this pull.
    this.#more = false;
    this.#next = 0;
    this.#count = 0;
    // Somebody's transfer has taken it away: what it holds is lost to all, but not what is still to come.
    if (crossing.slab.length < crossing.used) crossing.renew(0);
    const flags = this.#native.pull(out, this.#credit, crossing.slab, crossing.used);
    if (out[1] > 0) crossing.take(out, ROWS, out[1], out[2], out[4]);
    this.#flags = flags;
    this.#count = 2 * out[0];
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
          const event = this.#crossing.at(what);
          if (event === undefined) member.lagged(1);
          else if (!member.deliver(event)) this.#stall(/** @type {Pausable} */ (member));
        } else if (whom & LAGGED) {
          member.lagged(what);
        } else {
          this.#vacate(member);
          member.closed(REASONS[what]);
        }
      } catch (error) {
        rethrow(error);
      }
    }
    if (end === this.#count) this.#allOut();
    return (end - first) >> 1;
  }

  /**
   * The consumer takes no more. What is under way for it is held back, the rest stays in the engine.
   *
   * @param {Pausable} member
   */
  #stall(member) {
    const { slot } = member;
    if (slot < 0) return;
    member.stall();
    this.#credit[slot] = HELD;
  }

  /** Gives one of those who resumed the next thing that was held back for it. */
  #passHeld() {
    const member = /** @type {Pausable} */ (this.#resumed.at(-1));
    try {
      if (member.pass()) return;
    } catch (error) {
      rethrow(error);
      return;
    }
    // While it was called, others may have resumed and stand behind it.
    this.#resumed.splice(this.#resumed.lastIndexOf(member), 1);
  }

  #flush() {
    const flushing = this.#flushing;
    this.#flushing = [];
    for (const consumer of flushing) {
      try {
        consumer.flush();
      } catch (error) {
        rethrow(error);
      }
    }
  }
}

/**
 * What the doorbell calls. It holds no lane alive by which nobody can be reached any more; nor may its closure, which is
 * why this is a function of its own.
 *
 * @param {Lane} lane
 */
function bellOf(lane) {
  const self = new WeakRef(lane);
  return () => self.deref()?.ring();
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
    lane = new Lane(hub);
    lanes.set(hub, lane);
  }
  return lane;
}

/**
 * Something that was done to a hub on this thread has rung a lane of this thread.
 *
 * @param {import('./hub').Hub} hub
 * @param {number} id of the lane
 */
function rung(hub, id) {
  const lane = lanes.get(hub);
  if (lane !== undefined && lane.id === id) lane.ring();
  // Another share in the same engine, held by this thread as well, has a lane of its own.
  else NativeLane.ring(id);
}

exports.Lane = Lane;
exports.laneOf = laneOf;
exports.rung = rung;
