'use strict';

// What the tests of the drop-in share.

const { setImmediate: turn } = require('node:timers/promises');

/** Lets everything happen that is under way in this process. */
async function settle() {
  for (let i = 0; i < 5; i++) await turn();
}

/**
 * What has become of a promise, without waiting for it: `pending`, `{ value }` or `{ error }`.
 *
 * @param {Promise<any>} promise
 */
async function stateOf(promise) {
  let state = 'pending';
  promise.then(
    (value) => (state = { value }),
    (error) => (state = { error }),
  );
  await settle();
  return state;
}

/** The result of next() that a promise must have by now. */
async function resultOf(promise) {
  const state = await stateOf(promise);
  if (state === 'pending') throw new Error('the promise is pending');
  if ('error' in state) throw state.error;
  return state.value;
}

/** Reads what an iterator has, and stops where it would wait. */
async function drained(iterator) {
  const values = [];
  for (;;) {
    const state = await stateOf(iterator.next());
    if (state === 'pending' || 'error' in state || state.value.done) return values;
    values.push(state.value.value);
  }
}

const DONE = { value: undefined, done: true };

/** A client of Redis as mocks are: plain functions, and a record of what was called. */
class MockClient {
  calls = [];
  listeners = new Map();
  /** What the next (p)subscribe is answered with; null keeps it waiting. */
  answer = (callback) => callback(null, 1);
  waiting = [];

  on = (event, listener) => {
    this.listeners.set(event, listener);
    return this;
  };

  #subscribe(name, channel, callback) {
    this.calls.push([name, channel]);
    if (this.answer === null) this.waiting.push(callback);
    else this.answer(callback);
  }

  subscribe = (channel, callback) => this.#subscribe('subscribe', channel, callback);
  psubscribe = (channel, callback) => this.#subscribe('psubscribe', channel, callback);
  unsubscribe = (...args) => void this.calls.push(['unsubscribe', ...args]);
  punsubscribe = (...args) => void this.calls.push(['punsubscribe', ...args]);
  publish = (channel, message) => {
    this.calls.push(['publish', channel, message]);
    this.message(channel, message);
  };
  quit = () => {
    this.calls.push(['quit']);
    return Promise.resolve('OK');
  };

  message(channel, message) {
    this.listeners.get('message')?.(channel, message);
  }

  pmessage(pattern, channel, message) {
    this.listeners.get('pmessage')?.(pattern, channel, message);
  }

  /** The calls of some names. */
  called(...names) {
    return this.calls.filter(([name]) => names.includes(name));
  }
}

module.exports = { DONE, drained, MockClient, resultOf, settle, stateOf, turn };
