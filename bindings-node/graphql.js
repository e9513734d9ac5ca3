'use strict';

// `distributary/graphql`: what graphql-subscriptions and graphql-redis-subscriptions export, and filters beside it.

exports.PubSubEngine = require('./lib/graphql/engine').PubSubEngine;
exports.PubSub = require('./lib/graphql/pubsub').PubSub;
exports.RedisPubSub = require('./lib/graphql/redis-pubsub').RedisPubSub;
exports.withFilter = require('./lib/graphql/with-filter').withFilter;
exports.where = require('./lib/graphql/where').where;
exports.whereArgs = require('./lib/graphql/where').whereArgs;
