'use strict';

// One listener on an EventEmitter for all subscriptions of one event.
//
// So unsubscribing costs the same however many there are, and no emitter warns of too many listeners. Whoever asks the
// emitter how many listen is to get the number of subscriptions, as if each listened itself: `listenerCount` of an
// emitter that carries such listeners adds the others.

/** @typedef {{ addListener: Function, removeListener: Function, emit: Function, listenerCount?: Function }} Emitter */

/** @type {WeakMap<object, Map<string, number>>} by emitter and event, how many more listen than are seen */
const hidden = new WeakMap();

/**
 * Makes an emitter count hidden listeners, once.
 *
 * @param {any} emitter
 */
function countHidden(emitter) {
  if (hidden.has(emitter) || typeof emitter.listenerCount !== 'function') return;
  /** @type {Map<string, number>} */
  const extra = new Map();
  hidden.set(emitter, extra);
  const seen = emitter.listenerCount;
  Object.defineProperty(emitter, 'listenerCount', {
    value: /** @this {any} @param {string} event @param {any[]} rest */ function listenerCount(event, ...rest) {
      const count = seen.call(this, event, ...rest);
      return count === 0 ? 0 : count + (extra.get(event) ?? 0);
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
  /** How many are not seen of those that it stands for. */
  #hidden = 0;

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
    return typeof emitter.listenerCount !== 'function' || emitter.listenerCount(this.#event) > 0;
  }

  /** How many it stands for beside itself. @param {number} others */
  hide(others) {
    const extra = hidden.get(this.#emitter);
    if (extra === undefined || !this.#attached) return;
    const count = (extra.get(this.#event) ?? 0) + others - this.#hidden;
    this.#hidden = others;
    if (count === 0) extra.delete(this.#event);
    else extra.set(this.#event, count);
  }

  detach() {
    this.hide(0);
    this.#attached = false;
    this.#emitter.removeListener(this.#event, this.#listener);
  }
}

exports.Tap = Tap;
