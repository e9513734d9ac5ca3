'use strict';

// A subscription that calls back.

const { onAbort } = require('./aborting');
const check = require('./check');
const { described, rethrow, typeError } = require('./errors');
const { Member } = require('./member');
const { parseSelector } = require('./selector');
const { disposable } = require('./subscription');

const OPTIONS = ['onLag', 'onError', 'onClose', 'signal'];

/**
 * @typedef {import('./event').Event} Event
 * @typedef {import('./reader').CloseReason} CloseReason
 */

/** Calls a handler for each event. An error of the handler's is its own: it stays subscribed, and others are served. */
class Caller extends Member {
  missed = 0;
  /** @type {{ readonly reason: CloseReason } | null} */
  how = null;
  #handler;
  #options;
  /** Stops listening to the signal. @type {(() => void) | undefined} */
  #unlisten;

  /**
   * @param {import('./lane').Lane} lane
   * @param {import('./selector').ParsedSelector} selector
   * @param {(event: Event) => unknown} handler
   * @param {Record<string, any>} options
   */
  constructor(lane, selector, handler, options) {
    super(lane);
    this.#handler = handler;
    this.#options = options;
    lane.enter(selector, this, Infinity);
    lane.pin(this, true);
    if (options.signal !== undefined) this.#unlisten = onAbort(options.signal, () => this.end('aborted'));
  }

  /** @param {Event} event @override */
  deliver(event) {
    try {
      const result = this.#handler(event);
      if (this.#options.onError !== undefined && isThenable(result)) result.then(undefined, this.#options.onError);
    } catch (error) {
      this.#report(error);
    }
    return true;
  }

  /** @param {number} missed @override */
  lagged(missed) {
    if (this.missed === 0 && this.#options.onLag === undefined) {
      process.emitWarning(
        `a handler of hub.on() missed ${missed} events: more were published at once than its budget holds; ` +
          'take a larger budget, or say with onLag what is to be done',
        { type: 'DistributaryWarning', code: 'ERR_LAGGED' },
      );
    }
    this.missed += missed;
    try {
      this.#options.onLag?.(missed);
    } catch (error) {
      this.#report(error);
    }
  }

  /** @param {CloseReason} reason @override */
  closed(reason) {
    if (this.how !== null) return;
    this.how = Object.freeze({ reason });
    this.#unlisten?.();
    try {
      this.#options.onClose?.(this.how);
    } catch (error) {
      this.#report(error);
    }
  }

  /** @param {CloseReason} reason */
  end(reason) {
    this.leave();
    this.closed(reason);
  }

  /** @param {unknown} error */
  #report(error) {
    const { onError } = this.#options;
    if (onError === undefined) rethrow(error);
    else onError(error);
  }
}

/**
 * @param {unknown} value
 * @returns {value is PromiseLike<unknown>}
 */
function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof (/** @type {any} */ (value).then) === 'function';
}

class Listener {
  #caller;

  /** @param {Caller} caller */
  constructor(caller) {
    this.#caller = caller;
  }

  off() {
    this.#caller.end('closed');
  }

  /** @param {import('./member').Names} names */
  add(names) {
    return this.#caller.add(names, 'listener.add(names)');
  }

  /** @param {import('./member').Names} names */
  remove(names) {
    return this.#caller.remove(names, 'listener.remove(names)');
  }

  get topics() {
    return this.#caller.topics;
  }

  get patterns() {
    return this.#caller.patterns;
  }

  get missed() {
    return this.#caller.missed;
  }

  get closed() {
    return this.#caller.how;
  }

  get lag() {
    return this.#caller.lag;
  }
}

disposable(Listener, 'off');

/**
 * `hub.on(selector, handler, options)`.
 *
 * @param {import('./lane').Lane} lane
 * @param {unknown} selector
 * @param {unknown} handler
 * @param {unknown} options
 */
function listen(lane, selector, handler, options) {
  const where = 'hub.on(selector, handler, options)';
  if (typeof handler !== 'function') {
    throw typeError('ERR_BAD_OPTION', `${where}: the handler is a function, not ${described(handler)}`);
  }
  const parsed = parseSelector(selector, options, where, OPTIONS);
  const { onLag, onError, onClose, signal } = parsed.rest;
  for (const [name, given] of Object.entries({ onLag, onError, onClose })) check.ofType(given, where, name, 'function');
  check.signal(signal, where);
  signal?.throwIfAborted();
  const call = /** @type {(event: Event) => unknown} */ (handler);
  return new Listener(new Caller(lane, parsed, call, { onLag, onError, onClose, signal }));
}

exports.Listener = Listener;
exports.listen = listen;
