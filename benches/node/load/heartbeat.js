'use strict';

/** How long the event loop was not given back at most: the longest time between two of its turns. */
class Heartbeat {
  #last = performance.now();
  #longest = 0;
  #beating = true;
  /** @type {() => void} */
  #look;

  /** @param {() => void} [look] at something else, each turn */
  constructor(look = () => {}) {
    this.#look = look;
    const beat = () => {
      const now = performance.now();
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
      this.#look();
      if (this.#beating) setImmediate(beat);
    };
    setImmediate(beat);
  }

  /** Forgets what was. */
  begin() {
    this.#last = performance.now();
    this.#longest = 0;
  }

  /** The longest since the beginning, in nanoseconds. */
  get longest() {
    return this.#longest * 1e6;
  }

  stop() {
    this.#beating = false;
  }
}

exports.Heartbeat = Heartbeat;
