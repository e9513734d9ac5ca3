'use strict';

// The test suites that the two packages were published with, unmodified, against ours.
//
// graphql-redis-subscriptions is published with its suite. graphql-subscriptions was until 0.5.0. Two tests of that
// version await `true` from publish(), which has returned a promise since 0.6 and of undefined since 2.0: one of them
// cannot pass, the other says so in a rejection that nobody sees.

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { startServer } = require('../rig/redis');

const MOCHA = require.resolve('mocha/bin/mocha.js');
const REDIS = path.join(path.dirname(require.resolve('graphql-redis-subscriptions')), 'test');
const SUBSCRIPTIONS = path.join(__dirname, 'node_modules', 'graphql-subscriptions', 'dist', 'test');

/** @type {Awaited<ReturnType<typeof startServer>>} */
let server;
before(async () => {
  server = await startServer();
});
after(() => server?.stop());

/** Runs a suite in a process of its own, and returns how many of its tests passed and failed. */
function run(file, options = []) {
  const args = [MOCHA, '--exit', '--reporter', 'json', '--require', path.join(__dirname, 'redirect.js'), ...options, file];
  const env = { ...process.env, DISTRIBUTARY_TEST_REDIS_PORT: String(server.port) };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { env, timeout: 60_000, cwd: path.join(__dirname, '..', '..') }, (_, stdout, stderr) => {
      try {
        const report = JSON.parse(stdout.slice(stdout.indexOf('{')));
        resolve({ passed: report.stats.passes, failed: report.failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.stack}`) });
      } catch (cause) {
        reject(new Error(`mocha gave no report:\n${stdout}\n${stderr}`, { cause }));
      }
    });
  });
}

test('graphql-redis-subscriptions: unit tests, with mocks', async () => {
  assert.deepEqual(await run(path.join(REDIS, 'tests.js')), { passed: 23, failed: [] });
});

test('graphql-redis-subscriptions: integration tests, with a redis-server', async () => {
  assert.deepEqual(await run(path.join(REDIS, 'integration-tests.js')), { passed: 3, failed: [] });
});

test('graphql-subscriptions: unit tests', async () => {
  const options = ['--grep', 'PubSub can unsubscribe', '--invert'];
  assert.deepEqual(await run(path.join(SUBSCRIPTIONS, 'tests.js'), options), { passed: 6, failed: [] });
});

test('graphql-subscriptions: GraphQL execution', async () => {
  assert.deepEqual(await run(path.join(SUBSCRIPTIONS, 'asyncIteratorSubscription.js')), { passed: 3, failed: [] });
});
