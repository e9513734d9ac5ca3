'use strict';

// Being told that events are gone. A file of its own, since readers throw it and the package exports it.

const { DistributaryError } = require('./errors');

/** So many events of a subscription are gone; it goes on behind them. */
class LaggedError extends DistributaryError {
  /** @param {number} missed */
  constructor(missed) {
    super(
      'ERR_LAGGED',
      `missed ${missed} events: load the current state and read on, read faster, take a larger budget, or say with onLag what is to be done`,
    );
    this.missed = missed;
  }
}

Object.defineProperty(LaggedError.prototype, 'name', { value: 'LaggedError', writable: true, configurable: true });

exports.LaggedError = LaggedError;
