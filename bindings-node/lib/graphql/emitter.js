'use strict';

// One listener on an EventEmitter for all subscriptions of one event.
//
// So unsubscribing costs the same however many there are, and no emitter warns of too many listeners. Whoever asks the
// emitter how many listen is to get the number of subscriptions, as if each listened itself: `listenerCount` of an
// emitter that carries such listeners adds the others.

/**
 * @typedef {object} Emitter
 * @property {Function} addListener
 * @property {Function} removeListener
 * @property {Function} emit
 * @property {(event: string) => Function[]} [listeners]
 * @property {Function} [listenerCount]
 */

/** @type {WeakMap<object, Map<string, Set<Tap>>>} by emitter and event, those that stand for more than themselves */
const taps = new WeakMap();

/**
 * Makes an emitter count hidden listeners, once.
 *
 * @param {any} emitter
 */
function countHidden(emitter) {
  if (taps.has(emitter) || typeof emitter.listenerCount !== 'function') return;
  /** @type {Map<string, Set<Tap>>} */
  const byEvent = new Map();
  taps.set(emitter, byEvent);
  const seen = emitter.listenerCount;
  Object.defineProperty(emitter, 'listenerCount', {
    value: /** @this {any} @param {string} event @param {any[]} rest */ function listenerCount(event, ...rest) {
      let count = seen.call(this, event, ...rest);
      // Asked about one function, an emitter tells how often that one listens.
      if (count === 0 || rest.length > 0) return count;
      for (const tap of byEvent.get(event) ?? []) count += tap.hidden;
      return count;
    },
    writable: true,
    configurable: true,
    enumerable: false,
  });
}

/** The one listener of an event. */
class Tap {
  #emitter;
  #event;
  #listener;
  #attached = true;
  /** How many more it stands for. */
  #others = 0;

  /**
   * @param {Emitter} emitter
   * @param {string} event
   * @param {(emitter: object, payload: any, all: any[] | null) => void} receive
   */
  constructor(emitter, event, receive) {
    this.#emitter = emitter;
    this.#event = event;
    this.#listener = /** @this {object} @param {any} payload */ function (payload) {
      receive(this, payload, arguments.length > 1 ? [...arguments] : null);
    };
    countHidden(emitter);
    emitter.addListener(event, this.#listener);
  }

  /**
   * Whether it still listens to this emitter: somebody may have called removeAllListeners().
   *
   * @param {Emitter} emitter
   */
  listensTo(emitter) {
    if (!this.#attached || this.#emitter !== emitter) return false;
    return typeof emitter.listeners !== 'function' || emitter.listeners(this.#event).includes(this.#listener);
  }

  /** How many listen unseen, as long as it does. */
  get hidden() {
    return this.listensTo(this.#emitter) ? this.#others : 0;
  }

  /** How many it stands for beside itself. @param {number} others */
  hide(others) {
    const before = this.#others;
    this.#others = others;
    if (!this.#attached || (before > 0) === (others > 0)) return;
    const byEvent = taps.get(this.#emitter);
    const ofEvent = byEvent?.get(this.#event);
    if (others === 0) {
      ofEvent?.delete(this);
      if (ofEvent?.size === 0) byEvent?.delete(this.#event);
    } else if (ofEvent === undefined) {
      byEvent?.set(this.#event, new Set([this]));
    } else {
      ofEvent.add(this);
    }
  }

  detach() {
    this.hide(0);
    this.#attached = false;
    this.#emitter.removeListener(this.#event, this.#listener);
  }
}

exports.Tap = Tap;
