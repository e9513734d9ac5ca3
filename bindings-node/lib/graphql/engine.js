'use strict';

// What a PubSub is to resolvers: whatever can publish, subscribe and unsubscribe gets iterators from here.

const { PubSubAsyncIterator } = require('./iterator');

/** The base of every PubSub. A class of an application that extends it implements the three methods itself. */
class PubSubEngine {
  /**
   * @param {string | readonly string[]} triggers
   * @param {any} [options]
   */
  asyncIterator(triggers, options) {
    return new PubSubAsyncIterator(this, triggers, options);
  }

  /**
   * @param {string | readonly string[]} triggers
   * @param {any} [options]
   */
  asyncIterableIterator(triggers, options) {
    return new PubSubAsyncIterator(this, triggers, options);
  }
}

exports.PubSubEngine = PubSubEngine;
