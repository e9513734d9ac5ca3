'use strict';

// The hub: where events are published and asked for.

const check = require('./check');
const { Delivery } = require('./delivery');
const { described, DistributaryError, fromNative, typeError } = require('./errors');
const { HealthChanges } = require('./health');
const { laneOf, rung } = require('./lane');
const { listen } = require('./listener');
const { Moving } = require('./migration');
const { NativeHub } = require('./native');
const { toContent } = require('./payload');
const { pipe, pipeStats } = require('./pipe');
const { redisOptions } = require('./redis');
const { OVERFLOWS, parseBudget } = require('./selector');
const { disposable, subscribe } = require('./subscription');
const { waitsOf } = require('./waits');

/** How this loop is served: not of the hub, but of each loop that has it. */
const LOOP = ['slice', 'shareFrom'];
const OPTIONS = ['overflow', 'budget', 'bytes', 'history', 'topicCounters', 'strictFilters', 'redis', ...LOOP];

const PUBLISH = 'hub.publish(topic, payload, options)';

const SLICE = 4;
const SHARE_FROM = 64 << 10;

/** What a native publish writes down; see src/hub.rs. */
const written = new Float64Array(10);
const RUNG = 3;
/** What there is to say of an event that nobody wanted. */
const nothing = new Float64Array(written.length);

const NO_BYTES = new Uint8Array();

/** Buffers that can be given away. @type {WeakSet<ArrayBufferLike>} */
const allocated = new WeakSet();

/** What another thread's hub is joined with. */
class Share {
  /**
   * @param {NativeHub} native
   * @param {{ slice: number, shareFrom: number }} loop
   */
  constructor(native, loop) {
    this.native = native;
    this.loop = loop;
  }
}

/**
 * The native calls that publish what has neither key nor attributes; see src/publisher.rs. The topic is left out where it
 * is that of the call before.
 *
 * @typedef {object} Publisher
 * @property {(topic: string | undefined, payload: Uint8Array) => number} bytes
 * @property {(topic: string | undefined, payload: string) => number} text
 */

class Hub {
  #native;
  #loop;
  /** @type {Publisher} */
  #publisher;
  /** The topic that it published to last: the native half has it still. @type {string | undefined} */
  #topicBefore;

  /** @param {unknown} [options] */
  constructor(options) {
    if (options instanceof Share) {
      this.#native = options.native;
      this.#loop = options.loop;
      this.#publisher = /** @type {Publisher} */ (options.native.publisher(written));
      return;
    }
    const where = 'new Hub(options)';
    const given = check.options(options, where, OPTIONS);
    this.#loop = loopOptions(given, where);
    const moving = given.redis instanceof Moving ? given.redis : undefined;
    try {
      this.#native = new NativeHub(hubOptions(given, where));
    } catch (error) {
      throw fromNative(error);
    }
    moving?.attach(this.#native);
    this.#publisher = /** @type {Publisher} */ (this.#native.publisher(written));
  }

  /**
   * @param {string} token
   * @param {unknown} [options]
   * @returns {Hub}
   */
  static join(token, options) {
    const where = 'Hub.join(token, options)';
    const loop = loopOptions(check.options(options, where, LOOP), where);
    const [, pid, number] = /^hub:(\d+):(\d+)$/.exec(String(token)) ?? [];
    const native = Number(pid) === process.pid ? NativeHub.join(Number(number)) : null;
    if (native === null) {
      throw new DistributaryError(
        'ERR_NO_HUB',
        `${where}: ${described(token)} stands for no hub of this process: it comes from hub.share(), and somebody has to hold that hub`,
      );
    }
    return new this(new Share(native, loop));
  }

  /**
   * @param {number} size
   * @returns {Buffer}
   */
  static allocate(size) {
    const where = 'Hub.allocate(size)';
    if (check.whole(size, where, 'size', { least: 1, most: 2 ** 32 - 1 }) === undefined) {
      throw typeError('ERR_BAD_OPTION', `${where}: give a size in bytes`);
    }
    try {
      const memory = NativeHub.allocate(size);
      allocated.add(memory);
      return Buffer.from(memory);
    } catch (error) {
      throw fromNative(error);
    }
  }

  share() {
    return `hub:${process.pid}:${this.#native.share()}`;
  }

  /**
   * @param {string} topic
   * @param {unknown} payload
   * @param {unknown} [options]
   * @returns {Delivery}
   */
  publish(topic, payload, options) {
    if (typeof topic !== 'string') {
      throw typeError('ERR_BAD_TOPIC', `hub.publish(topic, payload): the topic is a string, not ${described(topic)}`);
    }
    // Options first: looking at them may run code that does something to the payload.
    const extras = options === undefined ? undefined : publishOptions(options);
    const content = toContent(payload, 'payload');
    try {
      if (extras !== undefined) this.#publishWith(topic, content, extras);
      else if (!this.#publishPlain(topic, content)) return new Delivery(nothing);
    } catch (error) {
      throw fromNative(error);
    }
    const delivery = new Delivery(written);
    if (written[RUNG] !== 0) rung(this, written[RUNG]);
    return delivery;
  }

  /**
   * Whether there is something to say of it.
   *
   * @param {string} topic
   * @param {string | Uint8Array} content
   */
  #publishPlain(topic, content) {
    const name = topic === this.#topicBefore ? undefined : topic;
    this.#topicBefore = undefined;
    const publisher = this.#publisher;
    const said = typeof content === 'string' ? publisher.text(name, content) : publisher.bytes(name, content);
    this.#topicBefore = topic;
    return said !== 0;
  }

  /**
   * @param {string} topic
   * @param {string | Uint8Array} content
   * @param {ReturnType<typeof publishOptions>} extras
   */
  #publishWith(topic, content, { key, names, values, transfer }) {
    if (!transfer) {
      this.#native.publishWith(topic, content, key, names, values, written);
      return;
    }
    const { buffer, byteOffset, byteLength } = typeof content === 'string' ? NO_BYTES : content;
    if (!allocated.has(buffer)) {
      throw typeError('ERR_BAD_PAYLOAD', `${PUBLISH}: transfer takes a Buffer of Hub.allocate() that has not been published yet`);
    }
    // What is wrong is found before the memory is gone.
    if (this.closed) throw new DistributaryError('ERR_CLOSED', 'the hub is closed: make a new one');
    const memory = /** @type {ArrayBuffer} */ (buffer);
    if (!this.#native.publishTaken(topic, memory, byteOffset, byteLength, key, names, values, written)) {
      // There is no external memory on this system: it is ordinary memory, and copied.
      this.#native.publishWith(topic, content, key, names, values, written);
      structuredClone(memory, { transfer: [memory] });
    }
  }

  /**
   * @param {string} topic
   * @param {unknown} payload
   * @param {unknown} [options]
   * @returns {Promise<{ heard: number, number: number | null, delivery: Delivery }>}
   */
  async publishAcknowledged(topic, payload, options) {
    const where = 'hub.publishAcknowledged(topic, payload, options)';
    if (typeof topic !== 'string') {
      throw typeError('ERR_BAD_TOPIC', `${where}: the topic is a string, not ${described(topic)}`);
    }
    const { key, names, values, transfer } = publishOptions(options, where);
    if (transfer) throw typeError('ERR_BAD_OPTION', `${where}: transfer is for hub.publish, as what is sent is copied`);
    const content = toContent(payload, 'payload');
    let wait;
    try {
      wait = waitsOf(this).wait((waits, number) =>
        this.#native.publishAcknowledged(waits, number, topic, content, key, names, values, written),
      );
    } catch (error) {
      throw fromNative(error);
    }
    const delivery = new Delivery(written);
    if (written[RUNG] !== 0) rung(this, written[RUNG]);
    const { heard, number } = await wait.settled;
    return { heard: heard ?? 0, number: number ?? null, delivery };
  }

  /**
   * @param {unknown} [options]
   * @returns {Promise<boolean>}
   */
  async joined(options) {
    const where = 'hub.joined(options)';
    const { timeout } = check.options(options, where, ['timeout']);
    if (timeout !== undefined && (typeof timeout !== 'number' || !(timeout >= 0 && timeout < 2 ** 31))) {
      throw typeError('ERR_BAD_OPTION', `${where}: timeout is a time in milliseconds, not ${described(timeout)}`);
    }
    if (this.closed) throw new DistributaryError('ERR_CLOSED', 'the hub is closed: make a new one');
    const { settled, forget } = waitsOf(this).wait((waits, number) => this.#native.joined(waits, number));
    if (timeout === undefined) {
      await settled;
      return !this.closed;
    }
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, timeout, false);
    });
    try {
      return /** @type {boolean} */ (await Promise.race([settled.then(() => !this.closed), late]));
    } finally {
      clearTimeout(timer);
      forget();
    }
  }

  health() {
    return this.#native.health();
  }

  /** @param {unknown} [options] */
  healthChanges(options) {
    return new HealthChanges(this, options);
  }

  /**
   * @param {unknown} selector
   * @param {unknown} [options]
   */
  subscribe(selector, options) {
    return subscribe(laneOf(this), selector, options);
  }

  /**
   * @param {unknown} selector
   * @param {unknown} handler
   * @param {unknown} [options]
   */
  on(selector, handler, options) {
    return listen(laneOf(this), selector, handler, options);
  }

  /**
   * @param {unknown} selector
   * @param {unknown} socket
   * @param {unknown} [options]
   */
  pipe(selector, socket, options) {
    return pipe(this, selector, socket, options);
  }

  pipeStats() {
    return pipeStats(this);
  }

  stats() {
    return this.#native.stats();
  }

  prometheus() {
    return this.#native.prometheus();
  }

  /**
   * @param {string} topic
   * @returns {string | null}
   */
  position(topic) {
    return this.#topic('hub.position(topic)', topic, (name) => this.#native.position(name) ?? null);
  }

  /** @param {string} topic */
  countTopic(topic) {
    this.#topic('hub.countTopic(topic)', topic, (name) => this.#native.countTopic(name));
  }

  /** @param {string} topic */
  uncountTopic(topic) {
    this.#topic('hub.uncountTopic(topic)', topic, (name) => this.#native.uncountTopic(name));
  }

  topicStats() {
    return this.#native.topicStats();
  }

  /** @returns {Promise<void>} */
  close() {
    const id = this.#native.close();
    if (id !== 0) rung(this, id);
    if (this.#native.parted) return Promise.resolve();
    const { settled } = waitsOf(this).wait((waits, number) => this.#native.parting(waits, number));
    return settled.then(() => {});
  }

  get closed() {
    return this.#native.closed;
  }

  /** @internal */
  get native() {
    return this.#native;
  }

  /** @internal */
  get loop() {
    return this.#loop;
  }

  /**
   * @template T
   * @param {string} where
   * @param {unknown} topic
   * @param {(topic: string) => T} act
   * @returns {T}
   */
  #topic(where, topic, act) {
    if (typeof topic !== 'string') {
      throw typeError('ERR_BAD_TOPIC', `${where}: the topic is a string, not ${described(topic)}`);
    }
    try {
      return act(topic);
    } catch (error) {
      throw fromNative(error);
    }
  }
}

for (const name of ['native', 'loop']) Object.defineProperty(Hub.prototype, name, { enumerable: false });
disposable(Hub, 'close');

/**
 * @param {Record<string, any>} given
 * @param {string} where
 */
function loopOptions({ slice, shareFrom }, where) {
  return {
    slice: check.whole(slice, where, 'slice', { least: 1, most: 1000 }) ?? SLICE,
    shareFrom: shareFrom === Infinity ? Infinity : check.whole(shareFrom, where, 'shareFrom', { least: 1 }) ?? SHARE_FROM,
  };
}

/**
 * @param {Record<string, any>} given
 * @param {string} where
 * @returns {import('../native').NativeHubOptions}
 */
function hubOptions(given, where) {
  return {
    overflow: check.oneOf(given.overflow, where, 'overflow', OVERFLOWS),
    budget: parseBudget(given.budget, where, 'budget'),
    bytes: check.whole(given.bytes, where, 'bytes', { least: 1 }),
    history: rules(given.history, where),
    topicCounters: check.whole(given.topicCounters, where, 'topicCounters'),
    strictFilters: check.ofType(given.strictFilters, where, 'strictFilters', 'boolean'),
    redis: given.redis instanceof Moving ? given.redis.redis(where) : redisOptions(given.redis, where),
    moving: given.redis instanceof Moving,
  };
}

/**
 * @param {unknown} options
 * @param {string} [where]
 */
function publishOptions(options, where = PUBLISH) {
  const { attributes, key, transfer } = check.options(options, where, ['attributes', 'key', 'transfer']);
  check.ofType(key, where, 'key', 'string');
  check.ofType(transfer, where, 'transfer', 'boolean');
  return { key, transfer: transfer === true, ...toAttributes(attributes, where) };
}

/**
 * @param {unknown} history
 * @param {string} where
 * @returns {import('../native').NativeHistory[] | undefined}
 */
function rules(history, where) {
  if (history === undefined) return undefined;
  if (!Array.isArray(history)) {
    throw typeError(
      'ERR_BAD_OPTION',
      `${where}: history is a list of { topics, events, bytes, age }, not ${described(history)}`,
    );
  }
  return history.map((rule, at) => {
    const name = `history[${at}]`;
    const { topics, ...keep } = check.options(rule, `${where}: ${name}`, ['topics', 'events', 'bytes', 'age']);
    if (typeof topics !== 'string') {
      throw typeError('ERR_BAD_OPTION', `${where}: ${name}.topics is a pattern, not ${described(topics)}`);
    }
    return { topics, keep: parseBudget(keep, where, name) ?? {} };
  });
}

/**
 * @param {unknown} attributes
 * @param {string} where
 */
function toAttributes(attributes, where) {
  /** @type {string[]} */
  const names = [];
  /** @type {any[]} */
  const values = [];
  if (attributes === undefined) return { names, values };
  if (attributes === null || typeof attributes !== 'object' || Array.isArray(attributes)) {
    throw typeError('ERR_BAD_OPTION', `${where}: attributes is an object of names and scalars, not ${described(attributes)}`);
  }
  for (const [name, given] of Object.entries(attributes)) {
    for (const value of Array.isArray(given) ? given : [given]) {
      if (value !== null && !['string', 'number', 'bigint', 'boolean'].includes(typeof value)) {
        throw typeError(
          'ERR_BAD_OPTION',
          `${where}: attributes.${name} is a string, a number, a BigInt, a boolean, null or a list of such, not ${described(value)}`,
        );
      }
      names.push(name);
      values.push(value);
    }
  }
  return { names, values };
}

exports.Hub = Hub;
