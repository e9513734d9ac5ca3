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

/** What the sentinels call the master. */
const NAME = 'main';

/** One redis-server, or a sentinel. */
class Server {
  #args;
  #folder;
  #child = null;

  constructor(port, args, folder) {
    this.port = port;
    this.#args = args;
    this.#folder = folder;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Asks it something, on a connection of its own. */
  async ask(...command) {
    const client = new Redis(this.connection).on('error', () => {});
    try {
      return await client.call(...command);
    } finally {
      client.disconnect();
    }
  }

  /** What ioredis takes. */
  get connection() {
    return { host: '127.0.0.1', port: this.port };
  }

  async start() {
    const child = spawn('redis-server', this.#args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    let log = '';
    const started = new Promise((resolve, reject) => {
      const hear = (chunk) => {
        log += chunk;
        if (/Ready to accept connections|Sentinel ID is/.test(log)) resolve();
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
async function startServer(...options) {
  return start((port, folder) => keepsNothing(port, folder, options));
}

function keepsNothing(port, folder, options) {
  return ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder, ...options];
}

/** Another try with other ports, where somebody took one before redis-server did. */
async function start(args, tries = 5) {
  const [port, another] = [await freePort(), await freePort()];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'distributary-redis-'));
  const server = new Server(port, args(port, folder, another), folder);
  try {
    return await server.start();
  } catch (error) {
    await server.stop();
    if (tries === 1) throw error;
    return start(args, tries - 1);
  }
}

/** A master with a replica, and three sentinels that call it dead after a second. */
class Watched {
  constructor(master, replica, sentinels) {
    this.master = master;
    this.replica = replica;
    this.sentinels = sentinels;
  }

  /** What a hub takes. */
  get options() {
    return { urls: this.sentinels.map((sentinel) => sentinel.url), sentinel: NAME };
  }

  async stop() {
    await Promise.all([...this.sentinels, this.replica, this.master].map((server) => server.stop()));
  }
}

/** @returns {Promise<Watched>} */
async function startWatched() {
  const started = [];
  const begin = async (server) => {
    started.push(await server);
    return started.at(-1);
  };
  try {
    const master = await begin(startServer());
    const replica = await begin(startServer('--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0'));
    await until(async () => /master_link_status:up/.test(await replica.ask('INFO', 'replication')), 'the replica has its copy');
    const sentinels = [];
    for (let i = 0; i < 3; i += 1) sentinels.push(await begin(startSentinel(master)));
    for (const sentinel of sentinels) {
      await until(async () => {
        const [others, replicas] = [await sentinel.ask('SENTINEL', 'SENTINELS', NAME), await sentinel.ask('SENTINEL', 'REPLICAS', NAME)];
        return others.length === 2 && replicas.length === 1;
      }, 'the sentinels know each other and the replica');
    }
    return new Watched(master, replica, sentinels);
  } catch (error) {
    await Promise.all(started.map((server) => server.stop()));
    throw error;
  }
}

function startSentinel(master) {
  return start((port, folder) => {
    const file = path.join(folder, 'sentinel.conf');
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${NAME} 1000`,
      `sentinel failover-timeout ${NAME} 3000`,
    ];
    fs.writeFileSync(file, `${lines.join('\n')}\n`);
    return [file, '--sentinel'];
  });
}

/** Three nodes that hold slots, and where that is asked for three replicas of theirs. */
class Cluster {
  #servers;

  constructor(servers) {
    this.#servers = servers;
  }

  /** What ioredis takes. */
  get nodes() {
    return this.#servers.map((server) => server.connection);
  }

  /** What a hub takes. */
  get options() {
    return { urls: this.#servers.map((server) => server.url), cluster: true };
  }

  get servers() {
    return this.#servers;
  }

  async stop() {
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

/** @returns {Promise<Cluster>} */
async function startCluster(size = 6) {
  const buses = [];
  const servers = [];
  for (let i = 0; i < size; i++) {
    servers.push(
      await start((port, folder, bus) => {
        buses[i] = bus;
        const options = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000'];
        return keepsNothing(port, folder, options);
      }),
    );
  }
  const cluster = new Cluster(servers);
  const clients = servers.map((server) => new Redis(server.connection));
  try {
    const slots = [0, 5461, 10923, 16384];
    for (let i = 0; i < 3; i++) await clients[i].call('CLUSTER', 'ADDSLOTSRANGE', slots[i], slots[i + 1] - 1);
    for (let i = 1; i < size; i++) await clients[0].call('CLUSTER', 'MEET', '127.0.0.1', servers[i].port, buses[i]);
    const known = async () => (await clients.at(-1).call('CLUSTER', 'NODES')).trim().split('\n').length;
    await until(async () => (await known()) === size, 'all nodes know each other');
    for (let i = 3; i < size; i++) {
      const id = await clients[i - 3].call('CLUSTER', 'MYID');
      await until(async () => (await clients[i].call('CLUSTER', 'NODES')).includes(id), 'a replica knows its master');
      await clients[i].call('CLUSTER', 'REPLICATE', id);
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

module.exports = { startServer, startCluster, startWatched, until, within };
