'use strict';

const { DistributaryError, ForwardError, NotHeardError } = require('./lib/errors');
const { Event } = require('./lib/event');
const { Filter } = require('./lib/filter');
const { Gateway, deny, reject } = require('./lib/gateway');
const { Hub } = require('./lib/hub');
const { LaggedError } = require('./lib/lagged');

module.exports = { DistributaryError, Event, Filter, ForwardError, Gateway, Hub, LaggedError, NotHeardError, deny, reject };
