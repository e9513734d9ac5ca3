'use strict';

const { DistributaryError, ForwardError, NotHeardError } = require('./lib/errors');
const { Event } = require('./lib/event');
const { Filter } = require('./lib/filter');
const { Gateway, deny, reject } = require('./lib/gateway');
const { Hub } = require('./lib/hub');
const { LaggedError } = require('./lib/lagged');
const { MigrationError, Moving } = require('./lib/migration');

module.exports = {
  DistributaryError,
  Event,
  Filter,
  ForwardError,
  Gateway,
  Hub,
  LaggedError,
  MigrationError,
  Moving,
  NotHeardError,
  deny,
  reject,
};
