'use strict';

// The in-process PubSub. Payloads are objects that go from the publisher to subscribers through an EventEmitter,
// within publish(); the engine is only asked whose filter they satisfy.
//
// Each trigger that somebody subscribes to has an audience with one listener on the emitter, so that whatever is
// emitted there from outside is delivered too.

const { EventEmitter } = require('node:events');

const check = require('../check');
const { described, typeError } = require('../errors');
const { Audience } = require('./audience');
const { Tap } = require('./emitter');
const { AUDIENCE, JoinedEngine, MEMBERS } = require('./joined-engine');
const { HiddenFields } = require('./hidden-fields');
const { KNOWN } = require('./iterator');
const { NAMES } = require('./limits');
const { Emission } = require('./message');
const { SELF } = require('./self');

/** @typedef {import('./subscription').Subscription} Subscription */
/** @typedef {import('../filter').Filter} Filter */

const CALL = 'new PubSub(options)';

/** What publish() returns: there is nothing more to wait for. */
const DELIVERED = Promise.resolve();

/** The subscriptions of one trigger, and the listener that feeds them. */
class Topic extends Audience {
  #tap;
  #topics;
  /** @type {HiddenFields | null} of the first filter */
  #hidden = null;

  /**
   * @param {any} emitter
   * @param {string} name
   * @param {Map<string, Topic>} topics where it stands while it has listeners
   */
  constructor(emitter, name, topics) {
    super(name);
    this.#topics = topics;
    this.#tap = new Tap(emitter, name, (from, payload, all) => {
      const matched = this.match(payload);
      if (matched.length === 0) this.#hidden?.look(payload);
      if (matched.length > 0 || this.wantsAll) this.deliver(new Emission(from, payload, all), matched);
    });
  }

  /** @param {any} emitter */
  isFedBy(emitter) {
    return this.#tap.listensTo(emitter);
  }

  /** @override @param {Subscription} subscription @param {Filter | undefined} filter */
  add(subscription, filter) {
    super.add(subscription, filter);
    if (filter !== undefined) this.#hidden ??= new HiddenFields(this.name, filter);
    this.#tap.hide(this.size - 1);
  }

  /** @override @param {Subscription} subscription */
  remove(subscription) {
    super.remove(subscription);
    if (this.size > 0) this.#tap.hide(this.size - 1);
  }

  /** @override */
  vacated() {
    this.detach();
    if (this.#topics.get(this.name) === this) this.#topics.delete(this.name);
  }

  /** Gets nothing more from the emitter. */
  detach() {
    this.#tap.detach();
  }
}

class PubSub extends JoinedEngine {
  /** @type {Map<string, Topic>} */
  #topics = new Map();

  /** @param {any} [options] */
  constructor(options) {
    const checked = check.options(options ?? undefined, CALL, ['eventEmitter', ...NAMES]);
    super(checked, CALL, 1);
    const { eventEmitter } = checked;
    if (eventEmitter && typeof eventEmitter.addListener !== 'function') {
      throw typeError('ERR_BAD_OPTION', `${CALL}: eventEmitter is an EventEmitter, not ${described(eventEmitter)}`);
    }
    this.ee = eventEmitter || new EventEmitter();
    this.subscriptions = this[MEMBERS];
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
   * @internal
   * @override
   * @param {string} trigger
   */
  [AUDIENCE](trigger) {
    const topics = /** @type {PubSub} */ (this[SELF]).#topics;
    let topic = topics.get(trigger);
    if (topic === undefined || !topic.isFedBy(this.ee)) {
      topic?.detach();
      topic = new Topic(this.ee, trigger, topics);
      topics.set(trigger, topic);
    }
    return topic;
  }
}

// `pattern` means something to RedisPubSub alone, in whose place a PubSub may stand.
Object.defineProperty(PubSub.prototype, KNOWN, { value: ['where', 'variables', 'pattern', ...NAMES] });

exports.PubSub = PubSub;
