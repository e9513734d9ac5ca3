'use strict';

// Redis servers for tests: real ones, on loopback, on ports that the system gives, ended by their process.

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const Redis = require('ioredis');

const DEADLINE = 20_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** One redis-server. */
class Server {
  #args;
  #folder;
  #child = null;

  constructor(port, args, folder) {
    this.port = port;
    this.#args = args;
    this.#folder = folder;
  }

  /** What ioredis takes. */
  get connection() {
    return { host: '127.0.0.1', port: this.port };
  }

  async start() {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', this.#folder];
    const child = spawn('redis-server', [...args, ...this.#args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    let log = '';
    const started = new Promise((resolve, reject) => {
      const hear = (chunk) => {
        log += chunk;
        if (log.includes('Ready to accept connections')) resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('error', reject);
      child.once('exit', (code, signal) => reject(new Error(`redis-server ended (${code ?? signal}):\n${log}`)));
    });
    await within(started, () => `redis-server on port ${this.port} is ready\n${log}`);
    child.stdout.resume();
    child.stderr.resume();
    return this;
  }

  /** Ends it as a crash does. */
  async kill() {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await within(once(child, 'exit'), () => 'redis-server ends');
  }

  async stop() {
    await this.kill();
    fs.rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** @returns {Promise<Server>} */
async function startServer() {
  return start(() => []);
}

/** Another try with other ports, where somebody took one before redis-server did. */
async function start(args, tries = 5) {
  const server = new Server(await freePort(), args(await freePort()), fs.mkdtempSync(path.join(os.tmpdir(), 'distributary-redis-')));
  try {
    return await server.start();
  } catch (error) {
    await server.stop();
    if (tries === 1) throw error;
    return start(args, tries - 1);
  }
}

/** Six nodes: three that hold slots, each with a replica. */
class Cluster {
  #servers;

  constructor(servers) {
    this.#servers = servers;
  }

  /** What ioredis takes. */
  get nodes() {
    return this.#servers.map((server) => server.connection);
  }

  get servers() {
    return this.#servers;
  }

  async stop() {
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

/** @returns {Promise<Cluster>} */
async function startCluster() {
  const buses = [];
  const servers = [];
  for (let i = 0; i < 6; i++) {
    servers.push(
      await start((bus) => {
        buses[i] = bus;
        return ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000'];
      }),
    );
  }
  const cluster = new Cluster(servers);
  const clients = servers.map((server) => new Redis(server.connection));
  try {
    const slots = [0, 5461, 10923, 16384];
    for (let i = 0; i < 3; i++) await clients[i].call('CLUSTER', 'ADDSLOTSRANGE', slots[i], slots[i + 1] - 1);
    for (let i = 1; i < 6; i++) await clients[0].call('CLUSTER', 'MEET', '127.0.0.1', servers[i].port, buses[i]);
    await until(async () => (await clients[5].call('CLUSTER', 'NODES')).trim().split('\n').length === 6, 'all nodes know each other');
    for (let i = 0; i < 3; i++) {
      const id = await clients[i].call('CLUSTER', 'MYID');
      await until(async () => (await clients[i + 3].call('CLUSTER', 'NODES')).includes(id), 'a replica knows its master');
      await clients[i + 3].call('CLUSTER', 'REPLICATE', id);
    }
    for (const client of clients) {
      await until(async () => (await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'), 'the cluster is well');
    }
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  } finally {
    for (const client of clients) client.disconnect();
  }
}

/** Asks again until it holds, or fails. */
async function until(holds, what) {
  const deadline = Date.now() + DEADLINE;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${DEADLINE} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The promise, or an error after the deadline. */
async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${DEADLINE} ms in vain until ${what()}`)), DEADLINE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

module.exports = { startServer, startCluster, until, within };
