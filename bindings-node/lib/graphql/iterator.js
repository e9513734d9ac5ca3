'use strict';

// The async iterators of a PubSub: when they subscribe and when they leave. What they have to read is in inbox.js.
//
// Nothing is subscribed before the first next(), and then it is in its turn. With a PubSub of this package whose
// `subscribe` is its own, the iterator joins directly: its filter goes into the index, and no callback and no promise
// is made for it. With any other engine it goes through the public `subscribe`, by a callback that knows its
// iterator, so that a `subscribe` that hands it on to ours comes to the same.

const check = require('../check');
const { described, typeError } = require('../errors');
const { Filter } = require('../filter');
const { FirstError } = require('./first-error');
const { Gate } = require('./gate');
const { Inbox, LEAVE, NAMES } = require('./inbox');
const { limitsOf } = require('./limits');
const { matches } = require('./matches');
const { Message } = require('./message');
const { SELF } = require('./self');
const { Subscription } = require('./subscription');

/** @typedef {import('./gate').Closure} Closure */
/** @typedef {{ target: Gate | Inbox, filter: Filter | undefined }} Destination */

/** Subscribes an iterator: a method of engines that can. */
const JOIN = Symbol('join');
/** The `subscribe` that JOIN may be called in place of. */
const STOCK = Symbol('stock subscribe');
/** The options that an engine knows, if whatever else is given must be a mistake. */
const KNOWN = Symbol('known options');

const CALL = 'asyncIterator(triggers, options)';

/** @type {Readonly<Record<string, any>>} */
const NO_OPTIONS = Object.freeze({});

/** Whether an engine is one of ours, and its `subscribe` too. @param {any} engine */
const isStock = (engine) => engine[STOCK] !== undefined && engine.subscribe === engine[STOCK];

/** @param {Inbox} inbox */
const open = (inbox) => inbox.open();

/** @type {WeakMap<Function, Destination>} of the callbacks that iterators subscribe with */
const destinations = new WeakMap();

/**
 * Where an iterator's callback leads, so that a `subscribe` that was handed it can join the iterator instead.
 *
 * @param {unknown} listener
 * @returns {Destination | undefined}
 */
function destinationOf(listener) {
  return typeof listener === 'function' ? destinations.get(listener) : undefined;
}

/**
 * Lets only some messages through to the queue of an iterator: one of ours, before its first next(), that is read
 * through our own `next`. Says whether that was possible.
 *
 * @type {(iterator: any, condition: Filter | Closure, args: any, context: any, info: any) => boolean}
 */
let restrict;

/** What an iterator is to subscribe to. */
class Plan {
  triggers;
  options;
  /** @type {Filter | undefined} */
  filter;

  /**
   * @param {string | readonly string[]} triggers
   * @param {any} options
   */
  constructor(triggers, options) {
    this.triggers = checkedTriggers(triggers);
    this.options = options;
    this.filter = Filter.from(options.where, options.variables);
  }
}

/** Subscriptions of an engine that gives no more of them than their ids. */
class Elsewhere {
  /**
   * @param {string[]} names
   * @param {Promise<number[]>} ids
   */
  constructor(names, ids) {
    this.names = names;
    this.ids = ids;
  }
}

class PubSubAsyncIterator {
  /** What it has to read; its first subscription too. */
  #inbox;
  #engine;
  /** @type {Plan | Subscription | Subscription[] | Elsewhere | null} what to subscribe to, then what it is subscribed to */
  #joined;
  [SELF] = this;

  /**
   * @param {any} engine
   * @param {string | readonly string[]} triggers
   * @param {any} [options]
   */
  constructor(engine, triggers, options) {
    if (options && engine[KNOWN] && isStock(engine)) check.options(options, CALL, engine[KNOWN]);
    const plan = new Plan(triggers, options ?? NO_OPTIONS);
    this.#engine = engine;
    this.#joined = plan;
    this.#inbox = new Inbox(limitsOf(engine).with(plan.options, CALL), this);
  }

  next() {
    const self = this[SELF];
    if (self.#joined instanceof Plan) self.#start(self.#joined);
    return self.#inbox.take();
  }

  /** @returns {Promise<{ value: undefined, done: true }>} */
  return() {
    const self = this[SELF];
    try {
      const left = self.#leave();
      if (left !== undefined) return left.then(() => ({ value: undefined, done: true }));
    } catch (error) {
      return Promise.reject(error);
    } finally {
      self.#inbox.discard();
    }
    return Promise.resolve({ value: undefined, done: true });
  }

  /**
   * @param {unknown} error
   * @returns {Promise<never>}
   */
  throw(error) {
    return this.return().then(() => Promise.reject(error));
  }

  [Symbol.asyncIterator]() {
    return this;
  }

  /** @internal the inbox gives up; an engine that will not be left has nobody to tell it to */
  [LEAVE]() {
    try {
      this.#leave()?.catch(ignore);
    } catch {
      // Whoever reads is told why it ends.
    }
  }

  /** @internal */
  get [NAMES]() {
    const joined = this.#joined;
    if (joined instanceof Elsewhere) return joined.names;
    return Array.isArray(joined) ? joined.map(({ trigger }) => trigger) : [this.#inbox.trigger];
  }

  /** @param {Plan} plan */
  #start(plan) {
    this.#joined = null;
    if (isStock(this.#engine)) this.#join(plan);
    else this.#subscribe(plan);
  }

  /** @param {Plan} plan */
  #join({ triggers, options, filter }) {
    const inbox = this.#inbox;
    /** @type {Promise<void>[] | null} */
    let pending = null;
    const join = (/** @type {Subscription} */ subscription, /** @type {string} */ trigger) => {
      const confirmed = this.#engine[JOIN](subscription, trigger, options, filter);
      if (confirmed !== null) (pending ??= []).push(confirmed);
    };
    try {
      if (typeof triggers === 'string') {
        this.#joined = inbox;
        join(inbox, triggers);
      } else {
        /** @type {Subscription[]} */
        const joined = [];
        this.#joined = joined;
        for (const trigger of triggers) {
          const subscription = joined.length === 0 ? inbox : new Subscription(inbox.target);
          joined.push(subscription);
          join(subscription, trigger);
        }
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (pending === null) Promise.resolve(inbox).then(open);
    else Promise.all(pending).then(() => inbox.open(), (error) => this.#fail(error));
  }

  /** @param {Plan} plan */
  #subscribe({ triggers, options, filter }) {
    const target = /** @type {Gate | Inbox} */ (this.#inbox.target);
    const listener = (/** @type {any} */ payload) => {
      if (filter === undefined || matches(filter, payload)) target.offer(new Message(payload));
    };
    destinations.set(listener, { target, filter });
    const names = typeof triggers === 'string' ? [triggers] : triggers;
    const engine = this.#engine;
    // An object of its own for each, for it is the engine's to write to. Without the filter: that is held against what
    // the callback is called with, which need not be what is published.
    const { where, variables, ...others } = options;
    // Where one fails the others are left again, so all are waited for.
    const settled = Promise.allSettled(names.map(async (trigger) => engine.subscribe(trigger, listener, { ...others })));
    const ids = settled.then((all) => all.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
    this.#joined = new Elsewhere(names.map(String), ids);
    settled.then((all) => {
      const failed = all.find((one) => one.status === 'rejected');
      if (failed === undefined) this.#inbox.open();
      else this.#fail(/** @type {PromiseRejectedResult} */ (failed).reason);
    });
  }

  /** @param {unknown} error */
  #fail(error) {
    if (this.#joined === null) return;
    this.#inbox.fail(error);
    this[LEAVE]();
  }

  /** @returns {Promise<void> | undefined} where the ids must be waited for */
  #leave() {
    const joined = this.#joined;
    this.#joined = null;
    if (joined === null || joined instanceof Plan) return undefined;
    if (joined instanceof Elsewhere) return joined.ids.then((ids) => unsubscribeAll(this.#engine, ids));
    if (Array.isArray(joined)) {
      unsubscribeAll(this.#engine, joined.filter(isStanding).map((subscription) => subscription.id));
    } else if (isStanding(joined)) {
      this.#engine.unsubscribe(joined.id);
    }
    return undefined;
  }

  /**
   * @param {Plan} plan
   * @param {Filter | Closure} condition
   * @param {any} args
   * @param {any} context
   * @param {any} info
   */
  #restrict(plan, condition, args, context, info) {
    if (!(condition instanceof Filter)) {
      const gate = new Gate(condition, args, context, info, this.#inbox);
      if (this.#inbox.target instanceof Gate) this.#inbox.target.append(gate);
      else this.#inbox.target = gate;
    } else if (plan.filter === undefined) {
      plan.filter = condition;
    } else {
      // The index takes one filter of a subscription; a second one is asked as a closure is.
      this.#restrict(plan, (payload) => matches(condition, payload), args, context, info);
    }
  }

  static {
    restrict = (iterator, condition, args, context, info) => {
      const self = iterator?.[SELF];
      if (!(self instanceof PubSubAsyncIterator) || !(self.#joined instanceof Plan)) return false;
      if (iterator.next !== PubSubAsyncIterator.prototype.next) return false;
      self.#restrict(self.#joined, condition, args, context, info);
      return true;
    };
  }
}

if (typeof Symbol.asyncDispose === 'symbol') {
  Object.defineProperty(PubSubAsyncIterator.prototype, Symbol.asyncDispose, {
    value: /** @this {PubSubAsyncIterator} */ async function dispose() {
      await this.return();
    },
    writable: true,
    configurable: true,
  });
}

/** @param {Subscription} subscription */
function isStanding(subscription) {
  return subscription.audience !== null;
}

/**
 * All are unsubscribed, whatever one of them throws.
 *
 * @param {any} engine
 * @param {number[]} ids
 */
function unsubscribeAll(engine, ids) {
  const errors = new FirstError();
  for (const id of ids) {
    try {
      engine.unsubscribe(id);
    } catch (error) {
      errors.add(error);
    }
  }
  errors.rethrow();
}

function ignore() {}

/**
 * @param {unknown} triggers
 * @returns {string | readonly string[]}
 */
function checkedTriggers(triggers) {
  const all = Array.isArray(triggers) ? triggers : [triggers];
  for (const trigger of all) {
    if (trigger === undefined || trigger === null) {
      throw typeError('ERR_BAD_TOPIC', `asyncIterator(triggers): a trigger is a name, not ${described(trigger)}`);
    }
  }
  return /** @type {any} */ (triggers);
}

exports.PubSubAsyncIterator = PubSubAsyncIterator;
exports.JOIN = JOIN;
exports.KNOWN = KNOWN;
exports.STOCK = STOCK;
exports.isStock = isStock;
exports.restrict = restrict;
exports.destinationOf = destinationOf;
