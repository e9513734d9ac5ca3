'use strict';

// How much may wait for one iterator, what happens beyond that, and who is told.
//
// A PubSub has one Limits; an iterator with options of its own gets one derived from it. The process warning is
// per PubSub, so what was warned of is shared by all that are derived.

const check = require('../check');
const { described, typeError } = require('../errors');
const { Latest, Ring } = require('./backlog');
const { SELF } = require('./self');

/** @typedef {'disconnect' | 'end' | 'drop-oldest' | 'drop-newest' | 'keep-latest'} Overflow */
/** @typedef {import('../../graphql').OverflowInfo} OverflowInfo */

/** @type {readonly Overflow[]} */
const POLICIES = ['disconnect', 'end', 'drop-oldest', 'drop-newest', 'keep-latest'];

/** The names of the options that are read here. */
const NAMES = ['overflow', 'budget', 'key', 'onOverflow'];

class Limits {
  /** @type {Overflow} */
  overflow = 'disconnect';
  events = 10_000;
  bytes = 64 * 1024 * 1024;
  /** @type {((payload: any) => unknown) | undefined} */
  key = undefined;
  /** @type {((info: OverflowInfo) => void) | undefined} */
  onOverflow = undefined;
  /** Shared by all that are derived from one. */
  #warned = { yet: false };

  /**
   * These limits with what some options change; these themselves if they change nothing.
   *
   * @param {any} options
   * @param {string} call for errors
   * @returns {Limits}
   */
  with(options, call) {
    const { overflow, budget, key, onOverflow } = options;
    if ((overflow ?? budget ?? key ?? onOverflow) === undefined) return this;
    const limits = new Limits();
    limits.#warned = this.#warned;
    limits.overflow = check.oneOf(overflow, call, 'overflow', POLICIES) ?? this.overflow;
    const { events, bytes } = check.options(budget, `${call}: budget`, ['events', 'bytes']);
    limits.events = check.whole(events, call, 'budget.events', { least: 1 }) ?? this.events;
    limits.bytes = check.whole(bytes, call, 'budget.bytes', { least: 1 }) ?? this.bytes;
    limits.onOverflow = check.ofType(onOverflow, call, 'onOverflow', 'function') ?? this.onOverflow;
    if (limits.overflow === 'keep-latest') {
      limits.key = check.ofType(key, call, 'key', 'function') ?? this.key;
      if (limits.key === undefined) {
        throw typeError(
          'ERR_BAD_OPTION',
          `${call}: overflow 'keep-latest' keeps the newest message of each key: give a function key(payload) too`,
        );
      }
    } else if (key !== undefined) {
      throw typeError('ERR_BAD_OPTION', `${call}: a key is for overflow 'keep-latest', not for '${limits.overflow}'`);
    }
    return limits;
  }

  /** @returns {Ring<import('./message').Message> | Latest} */
  backlog() {
    return this.key === undefined ? new Ring() : new Latest(this.key);
  }

  /**
   * An iterator begins to lose messages. Never throws: who publishes has no part in it.
   *
   * @param {OverflowInfo} info
   */
  report(info) {
    if (!this.#warned.yet) {
      this.#warned.yet = true;
      process.emitWarning(
        `an iterator of ${info.triggers.join(', ')} is not read as fast as messages come: ${info.events} messages ` +
          `(about ${Math.round(info.bytes / 1024)} KiB) wait, and ${consequences[info.overflow]}. Read it, end it by ` +
          'return(), narrow it by a filter, or set budget and overflow. This is said once for a PubSub; onOverflow is ' +
          'told of each iterator',
        { type: 'DistributaryWarning', code: 'DISTRIBUTARY_OVERFLOW' },
      );
    }
    try {
      this.onOverflow?.(info);
    } catch (error) {
      process.emitWarning(`onOverflow threw: ${error instanceof Error ? error.message : described(error)}`, {
        type: 'DistributaryWarning',
        code: 'DISTRIBUTARY_ON_OVERFLOW',
        detail: error instanceof Error ? error.stack : undefined,
      });
    }
  }
}

/** @type {Record<Overflow, string>} */
const consequences = {
  disconnect: 'it is ended with an error (ERR_SLOW_CONSUMER)',
  end: 'it is ended as if there were no more',
  'drop-oldest': 'its oldest messages are dropped',
  'drop-newest': 'new messages are dropped',
  'keep-latest': 'its oldest messages are dropped',
};

/** @type {WeakMap<object, Limits>} */
const limits = new WeakMap();

/**
 * The limits of a PubSub: the defaults, where none were set.
 *
 * @param {object} pubsub
 * @returns {Limits}
 */
function limitsOf(pubsub) {
  const self = /** @type {any} */ (pubsub)[SELF] ?? pubsub;
  let of = limits.get(self);
  if (of === undefined) limits.set(self, (of = new Limits()));
  return of;
}

/**
 * Sets the limits of a PubSub from its options.
 *
 * @param {object} pubsub
 * @param {any} options
 * @param {string} call for errors
 */
function setLimits(pubsub, options, call) {
  limits.set(pubsub, new Limits().with(options, call));
}

exports.Limits = Limits;
exports.limitsOf = limitsOf;
exports.setLimits = setLimits;
exports.NAMES = NAMES;
