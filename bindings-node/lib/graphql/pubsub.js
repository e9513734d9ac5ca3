'use strict';

// The in-process PubSub. Payloads are objects that go from the publisher to subscribers through an EventEmitter,
// within publish(); the engine is only asked whose filter they satisfy.
//
// Each trigger that somebody subscribes to has an audience with one listener on the emitter, so that whatever is
// emitted there from outside is delivered too.

const { EventEmitter } = require('node:events');

const check = require('../check');
const { described, typeError } = require('../errors');
const { Filter } = require('../filter');
const { Audience } = require('./audience');
const { PubSubEngine } = require('./engine');
const { Tap } = require('./emitter');
const { destinationOf, JOIN, STOCK } = require('./iterator');
const { NAMES, setLimits } = require('./limits');
const { Emission } = require('./message');
const { Subscription } = require('./subscription');

const WHERE = 'new PubSub(options)';

/** What publish() returns: there is nothing more to wait for. */
const DELIVERED = Promise.resolve();

/** The subscriptions of one trigger, and the listener that feeds them. */
class Topic extends Audience {
  #tap;
  #trigger;

  /**
   * @param {any} emitter
   * @param {string} trigger
   */
  constructor(emitter, trigger) {
    super();
    this.#trigger = trigger;
    this.#tap = new Tap(emitter, trigger, (from, payload, all) => {
      const matched = this.match(payload);
      if (matched.length > 0 || this.wantsAll) this.deliver(new Emission(from, payload, all), matched);
    });
  }

  get trigger() {
    return this.#trigger;
  }

  /** @param {any} emitter */
  isFedBy(emitter) {
    return this.#tap.listensTo(emitter);
  }

  /** @override @param {Subscription} subscription @param {Filter | undefined} filter */
  add(subscription, filter) {
    super.add(subscription, filter);
    this.#tap.hide(this.size - 1);
  }

  /** @override @param {Subscription} subscription */
  remove(subscription) {
    super.remove(subscription);
    if (this.size > 0) this.#tap.hide(this.size - 1);
    else this.detach();
  }

  /** Gets nothing more from the emitter. */
  detach() {
    this.#tap.detach();
  }
}

class PubSub extends PubSubEngine {
  /** @type {Map<string, Topic>} */
  #topics = new Map();
  /** @type {Record<number, Subscription>} by id */
  subscriptions = {};
  subIdCounter = 0;

  /** @param {any} [options] */
  constructor(options) {
    super();
    const { eventEmitter } = check.options(options ?? undefined, WHERE, ['eventEmitter', ...NAMES]);
    if (eventEmitter && typeof eventEmitter.addListener !== 'function') {
      throw typeError('ERR_BAD_OPTION', `${WHERE}: eventEmitter is an EventEmitter, not ${described(eventEmitter)}`);
    }
    setLimits(this, options ?? {}, WHERE);
    this.ee = eventEmitter || new EventEmitter();
  }

  /**
   * @param {string} triggerName
   * @param {any} payload
   * @returns {Promise<void>}
   */
  publish(triggerName, payload) {
    this.ee.emit(triggerName, payload);
    return DELIVERED;
  }

  /**
   * @param {string} triggerName
   * @param {(...args: any[]) => void} onMessage
   * @param {any} [options]
   * @returns {Promise<number>}
   */
  subscribe(triggerName, onMessage, options) {
    if (typeof onMessage !== 'function') {
      throw typeError('ERR_BAD_LISTENER', `subscribe(trigger, onMessage): onMessage is a function, not ${described(onMessage)}`);
    }
    const { target, filter } = destinationOf(onMessage) ?? {
      target: onMessage,
      filter: Filter.from(options?.where, options?.variables),
    };
    const subscription = new Subscription(target);
    this[JOIN](subscription, triggerName, options, filter);
    return Promise.resolve(subscription.id);
  }

  /** @param {number} subId */
  unsubscribe(subId) {
    const subscription = this.subscriptions[subId];
    if (!(subscription instanceof Subscription)) throw new Error(`There is no subscription of id "${subId}"`);
    delete this.subscriptions[subId];
    const topic = /** @type {Topic} */ (subscription.audience);
    topic.remove(subscription);
    if (topic.size === 0 && this.#topics.get(topic.trigger) === topic) this.#topics.delete(topic.trigger);
  }

  /**
   * @internal
   * @param {Subscription} subscription
   * @param {string} trigger
   * @param {any} options
   * @param {Filter | undefined} filter
   */
  [JOIN](subscription, trigger, options, filter) {
    let topic = this.#topics.get(trigger);
    if (topic === undefined || !topic.isFedBy(this.ee)) {
      topic?.detach();
      topic = new Topic(this.ee, trigger);
      this.#topics.set(trigger, topic);
    }
    subscription.id = ++this.subIdCounter;
    subscription.trigger = trigger;
    topic.add(subscription, filter);
    this.subscriptions[subscription.id] = subscription;
  }
}

Object.defineProperty(PubSub.prototype, STOCK, { value: PubSub.prototype.subscribe });

exports.PubSub = PubSub;
