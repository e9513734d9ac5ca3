'use strict';

// One listener on an AbortSignal however many there are that end by it: the signal of a shutdown, say, ends all
// subscriptions of an application, and Node warns of a leak from eleven listeners on.

/** What is called for each signal. @type {WeakMap<AbortSignal, Set<() => void>>} */
const waiting = new WeakMap();

/**
 * Calls a function once when a signal aborts, which it has not done yet.
 *
 * @param {AbortSignal} signal
 * @param {() => void} act
 * @returns {() => void} lets go of it
 */
function onAbort(signal, act) {
  let acts = waiting.get(signal);
  if (acts === undefined) {
    acts = new Set();
    waiting.set(signal, acts);
  }
  if (acts.size === 0) signal.addEventListener('abort', aborted, { once: true });
  acts.add(act);
  return () => {
    if (acts.delete(act) && acts.size === 0) signal.removeEventListener('abort', aborted);
  };
}

/** @this {AbortSignal} */
function aborted() {
  const acts = waiting.get(this);
  waiting.delete(this);
  for (const act of acts ?? []) act();
}

exports.onAbort = onAbort;
