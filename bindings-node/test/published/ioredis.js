'use strict';

// The suites connect to the default port. The server for them is on another one.

const { createRequire } = require('node:module');
const path = require('node:path');

const suite = path.join(path.dirname(require.resolve('graphql-redis-subscriptions')), '..', 'package.json');
const Redis = createRequire(suite)('ioredis');
const port = Number(process.env.DISTRIBUTARY_TEST_REDIS_PORT);

module.exports = class extends Redis {
  constructor(connection = { port }) {
    super(connection);
  }
};
