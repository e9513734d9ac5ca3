'use strict';

// A worker thread that publishes to a hub that it has joined, every few milliseconds until it is terminated.

const { parentPort, workerData } = require('node:worker_threads');

const { Hub } = require('../../lib/hub');

const hub = Hub.join(workerData.token);
let published = 0;
setInterval(() => {
  published += 1;
  hub.publish('a', { published });
}, workerData.every);
parentPort?.postMessage('publishing');
