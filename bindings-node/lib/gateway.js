'use strict';

// The gateway: WebSockets and server-sent events to browsers, from a hub.
//
// Its sockets live on native threads, which write, ping, time out and close them. JavaScript decides: it is asked who
// may come in and what they see, and is told what clients say. It never runs for a delivery, so a busy event loop makes
// nobody wait but newcomers.

const { DistributaryError, described, typeError } = require('./errors');
const { NativeGateway, NativeHub } = require('./native');
const { Desk } = require('./gateway/desk');
const { read } = require('./gateway/options');
const { time } = require('./gateway/limits');
const { deny, reject } = require('./gateway/verdict');

/** As long as a timer can be; what it does does not matter, only that it is there. */
const LONGEST = 2 ** 31 - 1;

/** A WebSocket and SSE endpoint. */
class Gateway {
  #desk;
  #native;
  /** @type {Promise<this> | undefined} */
  #started;
  /** @type {Promise<void> | undefined} */
  #closed;
  /** Keeps the process alive while clients may come, as a listening socket of Node's does. @type {NodeJS.Timeout | undefined} */
  #alive;
  #isReferenced = true;
  #running = 0;

  /**
   * @param {{ native: InstanceType<typeof NativeHub> }} hub
   * @param {unknown} options
   */
  constructor(hub, options) {
    if (!(hub?.native instanceof NativeHub)) {
      throw typeError('ERR_BAD_OPTION', `new Gateway(hub, options): hub is a Hub, not ${described(hub)}`);
    }
    const { settings, hooks } = read(options);
    this.#desk = new Desk(hooks);
    this.#native = new NativeGateway(hub.native, settings, this.#desk.ring);
    this.#desk.native = this.#native;
  }

  /** Starts to listen. */
  start() {
    if (this.#closed !== undefined) return Promise.reject(closed('start'));
    this.#started ??= this.#start();
    return this.#started;
  }

  async #start() {
    this.#alive = setInterval(() => {}, LONGEST);
    try {
      await this.#run((number) => this.#native.start(number));
    } catch (error) {
      this.#closed ??= Promise.resolve(this.#release());
      throw error;
    }
    return this;
  }

  /**
   * An operation of the native half. The process does not end before it.
   *
   * @param {(number: number) => void} begin
   */
  async #run(begin) {
    this.#running += 1;
    this.#alive?.ref();
    try {
      await this.#desk.operation(begin);
    } finally {
      this.#running -= 1;
      this.#settle();
    }
  }

  #settle() {
    if (this.#isReferenced || this.#running > 0) this.#alive?.ref();
    else this.#alive?.unref();
  }

  /** Where clients connect, or null when it does not listen. */
  get address() {
    return this.#native.address;
  }

  /** Where metrics and health are asked for, or null. */
  get adminAddress() {
    return this.#native.adminAddress;
  }

  /** All counters. */
  stats() {
    const stats = this.#native.stats();
    if (stats === null) throw closed('stats');
    return stats;
  }

  /**
   * Sends everybody away, spread over this time.
   *
   * @param {number} over
   * @returns {Promise<void>}
   */
  async drain(over) {
    if (time(over, 'gateway.drain(over)', 'over', 0) === undefined) {
      throw typeError('ERR_BAD_OPTION', 'gateway.drain(over): give the time over which clients are sent away, in milliseconds');
    }
    if (this.#closed !== undefined || this.#started === undefined) throw closed('drain');
    await this.#started;
    await this.#run((number) => this.#native.drain(number, over));
  }

  /** Closes all connections, and ends the threads. */
  close() {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close() {
    try {
      if (this.#started !== undefined) await this.#run((number) => this.#native.close(number));
    } finally {
      this.#release();
    }
  }

  #release() {
    clearInterval(this.#alive);
    this.#native.release();
    this.#desk.close();
  }

  /** Keeps the process alive while it listens, as it does from the start. */
  ref() {
    this.#isReferenced = true;
    this.#settle();
    return this;
  }

  /** Lets the process end although it listens. */
  unref() {
    this.#isReferenced = false;
    this.#settle();
    return this;
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.close();
  }
}

/** @param {string} call */
function closed(call) {
  return new DistributaryError('ERR_CLOSED', `gateway.${call}(): the gateway does not run: it was closed, or never started`);
}

module.exports = { Gateway, deny, reject };
