'use strict';

const { DistributaryError } = require('./lib/errors');
const { Event } = require('./lib/event');
const { Filter } = require('./lib/filter');
const { Gateway, deny, reject } = require('./lib/gateway');
const { Hub } = require('./lib/hub');
const { LaggedError } = require('./lib/lagged');

module.exports = { DistributaryError, Event, Filter, Gateway, Hub, LaggedError, deny, reject };
