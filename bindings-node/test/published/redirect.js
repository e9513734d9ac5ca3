'use strict';

// Loaded before a published suite: its `../pubsub`, `../redis-pubsub` and `../with-filter` are ours, and what ours and
// the suite load are the packages that the suite was written for. The suite itself is not touched.

const { createRequire, Module } = require('node:module');
const path = require('node:path');

const OURS = require.resolve('../../graphql.js');
const PACKAGE = path.dirname(OURS);
const REDIS = path.join(PACKAGE, 'node_modules', 'graphql-redis-subscriptions');
const SUITES = [path.join(REDIS, 'dist', 'test'), path.join(__dirname, 'node_modules', 'graphql-subscriptions', 'dist', 'test')];

/** The newest graphql whose subscribe(schema, document) these tests can call. */
const GRAPHQL = { graphql: 'graphql-15', 'graphql/subscription': 'graphql-15/subscription' };

const beside = createRequire(__filename);
const resolve = Module._resolveFilename;

Module._resolveFilename = function redirected(request, parent, ...rest) {
  const from = parent?.filename ?? '';
  const suite = SUITES.find((folder) => from.startsWith(folder + path.sep));
  if (suite !== undefined) {
    if (['../pubsub', '../redis-pubsub', '../with-filter'].includes(request)) return OURS;
    if (suite.startsWith(REDIS) && Object.hasOwn(GRAPHQL, request)) return beside.resolve(GRAPHQL[request]);
  }
  // ioredis is the suite's own, ours included; its default port is that of the server for this run.
  if (request === 'ioredis' && (suite !== undefined || from.startsWith(path.join(PACKAGE, 'lib')))) {
    return path.join(__dirname, 'ioredis.js');
  }
  return resolve.call(this, request, parent, ...rest);
};
