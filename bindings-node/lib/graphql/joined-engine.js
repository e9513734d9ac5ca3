'use strict';

// What PubSub and RedisPubSub have in common: who is subscribed is known by id, and iterators join directly.
//
// The public `subscribe` and an iterator come to the same method, JOIN, which gives a subscription its audience. It is
// what iterators call as long as nobody has put a `subscribe` of his own in the place of this one.

const check = require('../check');
const { described, typeError } = require('../errors');
const { Filter } = require('../filter');
const { PubSubEngine } = require('./engine');
const { destinationOf, isStock, JOIN, KNOWN, STOCK } = require('./iterator');
const { setLimits } = require('./limits');
const { SELF } = require('./self');
const { Subscription } = require('./subscription');

/** The audience of a trigger: a method of each engine. */
const AUDIENCE = Symbol('audience');
/** Who is subscribed, by id: engines show it under the names that it has always had. */
const MEMBERS = Symbol('members');

class JoinedEngine extends PubSubEngine {
  /** @type {Record<number, Subscription>} */
  [MEMBERS] = {};
  [SELF] = this;
  #nextId;

  /**
   * @param {any} options the limits of its queues among them
   * @param {string} call for errors
   * @param {number} firstId
   */
  constructor(options, call, firstId) {
    super();
    setLimits(this, options, call);
    this.#nextId = firstId;
  }

  /**
   * @param {string} trigger
   * @param {(...args: any[]) => void} onMessage
   * @param {any} [options]
   * @returns {Promise<number>}
   */
  subscribe(trigger, onMessage, options) {
    if (typeof onMessage !== 'function') {
      throw typeError('ERR_BAD_LISTENER', `subscribe(trigger, onMessage): onMessage is a function, not ${described(onMessage)}`);
    }
    const known = /** @type {any} */ (this)[KNOWN];
    if (options && known && isStock(this)) check.options(options, 'subscribe(trigger, onMessage, options)', known);
    const { target, filter } = destinationOf(onMessage) ?? {
      target: onMessage,
      filter: Filter.from(options?.where, options?.variables),
    };
    const subscription = new Subscription(target);
    const pending = this[JOIN](subscription, trigger, options ?? {}, filter);
    const { id } = subscription;
    if (pending === null) return Promise.resolve(id);
    return pending.then(
      () => id,
      (error) => {
        if (this[MEMBERS][id] === subscription) this.unsubscribe(id);
        throw error;
      },
    );
  }

  /** @param {number} subId */
  unsubscribe(subId) {
    const subscription = this[MEMBERS][subId];
    if (!(subscription instanceof Subscription)) throw new Error(`There is no subscription of id "${subId}"`);
    delete this[MEMBERS][subId];
    const audience = /** @type {import('./audience').Audience} */ (subscription.audience);
    audience.remove(subscription);
    if (audience.size === 0) audience.vacated();
  }

  /**
   * @internal
   * @param {Subscription} subscription
   * @param {string} trigger
   * @param {any} options
   * @param {Filter | undefined} filter
   * @returns {Promise<void> | null} until the trigger is subscribed to; null if it is
   */
  [JOIN](subscription, trigger, options, filter) {
    const audience = this[AUDIENCE](trigger, options);
    subscription.id = this[SELF].#nextId++;
    subscription.trigger = audience.name;
    audience.add(subscription, filter);
    this[MEMBERS][subscription.id] = subscription;
    return audience.standing();
  }

  /**
   * @internal
   * @param {string} trigger
   * @param {any} options
   * @returns {import('./audience').Audience}
   */
  [AUDIENCE](trigger, options) {
    void [trigger, options];
    throw new TypeError('a JoinedEngine is a base class');
  }
}

Object.defineProperty(JoinedEngine.prototype, STOCK, { value: JoinedEngine.prototype.subscribe });

exports.JoinedEngine = JoinedEngine;
exports.AUDIENCE = AUDIENCE;
exports.MEMBERS = MEMBERS;
