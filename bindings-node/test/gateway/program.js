'use strict';

// A gateway in a process or a worker thread of its own, for the tests that end those.

const { isMainThread, parentPort, workerData } = require('node:worker_threads');

const { Gateway } = require('../../lib/gateway');
const { Hub } = require('../../lib/hub');

const what = process.argv[2];

const say = (message) => (isMainThread ? process.send?.(message) : parentPort?.postMessage(message));

async function main() {
  const hub = isMainThread ? new Hub() : Hub.join(workerData.token);
  const gateway = new Gateway(hub, {
    listen: { port: 0 },
    authorize({ path }) {
      if (path !== '/never') return { topics: 'a', session: {} };
      say('asked');
      return new Promise(() => {});
    },
    onOpen() {
      if (what === 'throw') throw new Error('onOpen');
    },
    onMessage() {},
    onError() {
      throw new Error('onError');
    },
  });
  if (what === 'unref') {
    gateway.unref();
    process.disconnect?.();
  }
  await gateway.start();
  if (what === 'unref') {
    await gateway.drain(10);
    setImmediate(() => (process.exitCode = 3));
    return;
  }
  say(gateway.address.port);
  if (what === 'close') {
    process.once('message', async () => {
      await gateway.close();
      process.disconnect();
    });
    // What keeps the process is the gateway alone.
    process.channel?.unref();
  }
  if (what === 'exit') process.once('message', () => process.exit(7));
}

main();
