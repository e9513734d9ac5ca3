'use strict';

// WebSocket clients in processes of their own, several, for each may have only so many descriptors. They count the
// bytes that arrive and say when all of them are there, by the clock that processes of a machine share.
//
// This file is both ends: `Fleet` for the server's process, and the program of the clients.

const { fork } = require('node:child_process');
const net = require('node:net');

const { pin } = require('../harness/cores');

const PROCESSES = 2;

/** Connections that a process opens at a time, so that the server's backlog holds them. */
const AT_A_TIME = 200;

/** The clock of the machine, in nanoseconds. */
const clock = () => Number(process.hrtime.bigint());

/** All clients, as the server's process sees them. */
class Fleet {
  /** @type {import('node:child_process').ChildProcess[]} */
  #processes = [];

  /** @param {number} port @param {number} count divisible by the number of processes */
  async connect(port, count) {
    for (let i = 0; i < PROCESSES; i += 1) {
      const child = fork(__filename, ['clients'], { execArgv: [] });
      pin(/** @type {number} */ (child.pid), 1);
      process.on('exit', () => child.kill('SIGKILL'));
      this.#processes.push(child);
    }
    await this.#ask({ connect: count / PROCESSES, port });
  }

  /**
   * Clients now await so many bytes more. `received` settles with the time at which the last has its own.
   *
   * @param {number} bytes to all together
   */
  async expect(bytes) {
    const received = this.#answers('received').then((times) => Math.max(...times));
    await this.#ask({ expect: bytes / PROCESSES });
    return { received };
  }

  /**
   * So many clients close their sockets as soon as one gets something. `left` settles with the time at which the
   * last has.
   *
   * @param {number} count divisible by the number of processes
   */
  async leaveAtNext(count) {
    const left = this.#answers('left').then((times) => Math.max(...times));
    await this.#ask({ leave: count / PROCESSES });
    return { left };
  }

  /** @param {Record<string, number>} order @returns {Promise<number[]>} */
  #ask(order) {
    const answered = this.#answers(Object.keys(order)[0]);
    for (const child of this.#processes) child.send(order);
    return answered;
  }

  /** @param {string} to @returns {Promise<number[]>} */
  #answers(to) {
    const answer = (/** @type {import('node:child_process').ChildProcess} */ child) =>
      new Promise((resolve, reject) => {
        const listen = (/** @type {any} */ message) => {
          if (message.error) reject(new Error(message.error));
          if (!(to in message)) return;
          child.off('message', listen);
          resolve(message[to]);
        };
        child.on('message', listen);
      });
    return Promise.all(this.#processes.map(answer));
  }
}

function clients() {
  /** @type {Set<net.Socket>} */
  const sockets = new Set();
  const buffer = Buffer.alloc(64 * 1_024);
  let arrived = 0;
  let expected = Infinity;
  let leaving = 0;
  const tell = (/** @type {object} */ message) => process.send?.(message);

  const took = (/** @type {number} */ bytes) => {
    arrived += bytes;
    if (leaving > 0) {
      const some = [...sockets].slice(0, leaving);
      leaving = 0;
      for (const socket of some) socket.destroy();
      for (const socket of some) sockets.delete(socket);
      tell({ left: clock() });
    }
    if (arrived < expected) return;
    tell(arrived === expected ? { received: clock() } : { error: `${arrived} bytes in place of ${expected}` });
    [arrived, expected] = [0, Infinity];
  };

  const open = (/** @type {number} */ port) =>
    new Promise((resolve, reject) => {
      let head = '';
      let upgraded = false;
      const callback = (/** @type {number} */ bytes) => {
        if (upgraded) {
          took(bytes);
          return true;
        }
        head += buffer.toString('latin1', 0, bytes);
        if (head.endsWith('\r\n\r\n')) {
          upgraded = true;
          if (head.startsWith('HTTP/1.1 101')) resolve(undefined);
          else reject(new Error(head));
        }
        return true;
      };
      const socket = net.connect({ port, host: '127.0.0.1', onread: { buffer, callback } });
      sockets.add(socket);
      socket.on('error', (error) => (sockets.has(socket) ? tell({ error: error.message }) : undefined));
      socket.write(
        'GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
          'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
    });

  process.on('disconnect', () => process.exit(0));
  process.on('message', async (/** @type {any} */ order) => {
    if (order.connect) {
      for (let left = order.connect; left > 0; left -= AT_A_TIME) {
        await Promise.all(Array.from({ length: Math.min(left, AT_A_TIME) }, () => open(order.port)));
      }
      tell({ connect: sockets.size });
    } else if (order.expect) {
      [arrived, expected] = [0, order.expect];
      tell({ expect: expected });
    } else if (order.leave) {
      leaving = order.leave;
      tell({ leave: leaving });
    }
  });
}

if (require.main === module && process.argv[2] === 'clients') {
  clients();
}

exports.Fleet = Fleet;
exports.clock = clock;
