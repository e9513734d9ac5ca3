'use strict';

// A redis-server of one's own, on a socket in a directory of its own, ended with this process.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

/** @returns {Promise<string>} the path of its socket */
async function start() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'distributary-bench-'));
  const socket = path.join(folder, 'redis.sock');
  const args = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder];
  const server = spawn('redis-server', args, { stdio: 'ignore' });
  process.on('exit', () => {
    server.kill('SIGKILL');
    fs.rmSync(folder, { recursive: true, force: true });
  });
  const deadline = performance.now() + 10_000;
  while (!(await answers(socket))) {
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`);
    if (performance.now() > deadline) throw new Error('redis-server does not answer');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return socket;
}

/** @param {string} socket */
function answers(socket) {
  return new Promise((resolve) => {
    const client = net.connect(socket, () => {
      client.destroy();
      resolve(true);
    });
    client.on('error', () => resolve(false));
  });
}

/**
 * Publishes for others at the least cost to this process: commands that were encoded before, on a bare socket.
 *
 * @param {string} socket
 */
async function publisher(socket) {
  const client = net.connect(socket);
  await new Promise((resolve, reject) => client.on('connect', resolve).on('error', reject));
  client.resume();
  return {
    publish: (/** @type {Buffer} */ command) => client.write(command),
    close: () => client.destroy(),
  };
}

/** @param {string} channel @param {string} message */
function publishCommand(channel, message) {
  const words = ['PUBLISH', channel, message].map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return Buffer.from(`*3\r\n${words.join('')}`);
}

module.exports = { start, publisher, publishCommand };
