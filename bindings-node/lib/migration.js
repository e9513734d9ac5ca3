'use strict';

// Topics that are moved to other names and other servers while they are in use: stage by stage, on one hub after the
// other.

const check = require('./check');
const { described, DistributaryError, fromNative, typeError } = require('./errors');
const { NativeMigration } = require('./native');
const { redisOptions, time } = require('./redis');

const STAGES = /** @type {const} */ (['old', 'dual-read', 'new-write', 'new']);
const COURSE = ['topic', 'to', 'onto', 'window', 'quiet', 'demands'];
const DEMANDS = ['replicas', 'stable', 'steady', 'behind', 'lag', 'memory'];

const BEGIN = 'moving.begin(course, stage)';

/** Milliseconds that a stage may take to be entered, where nothing is said. */
const TIMEOUT = 10_000;

/** @typedef {import('../native').NativeHub} NativeHub */
/** @typedef {import('../native').NativeObstacle} Obstacle */

/** What is in the way of a stage, or of a migration: nothing has changed. */
class MigrationError extends DistributaryError {
  /**
   * @param {string} kind
   * @param {string} message
   * @param {Partial<Obstacle>} [details]
   */
  constructor(kind, message, { peers = [], findings = [], connections, hubs, side, ago, hub } = {}) {
    super('ERR_MIGRATION', message);
    this.kind = kind;
    this.peers = peers;
    this.findings = findings;
    this.connections = connections;
    this.hubs = hubs;
    this.side = side;
    this.ago = ago;
    this.hub = hub;
  }
}

Object.defineProperty(MigrationError.prototype, 'name', { value: 'MigrationError', writable: true, configurable: true });

/** The servers of one hub, between which its topics can be moved. */
class Moving {
  #redis;
  /** The hub's, which it does not hold. @type {WeakRef<NativeHub> | undefined} */
  #hub;

  /** @param {unknown} redis */
  constructor(redis) {
    const where = 'new Moving(redis)';
    const options = redisOptions(redis, where);
    if (options === undefined) throw typeError('ERR_BAD_OPTION', `${where}: give the server where the topics are`);
    this.#redis = options;
  }

  /**
   * The server, for the hub that is made with it.
   *
   * @internal
   * @param {string} where
   */
  redis(where) {
    if (this.#hub !== undefined) {
      throw typeError('ERR_BAD_OPTION', `${where}: redis: another hub has been made with this Moving: each takes one of its own`);
    }
    return this.#redis;
  }

  /**
   * @internal
   * @param {NativeHub} hub
   */
  attach(hub) {
    this.#hub = new WeakRef(hub);
  }

  /**
   * @param {unknown} course
   * @param {unknown} stage
   */
  begin(course, stage) {
    const parsed = courseOf(course);
    const at = stageOf(stage, BEGIN);
    if (this.#hub === undefined) {
      throw new DistributaryError('ERR_NO_HUB', `${BEGIN}: it has no hub yet: give it to one, as in new Hub({ redis: moving })`);
    }
    const hub = this.#hub.deref();
    if (hub === undefined) throw closed();
    let begun;
    try {
      begun = hub.begin(parsed, at);
    } catch (error) {
      throw fromNative(error);
    }
    if (begun instanceof NativeMigration) return new Migration(begun);
    throw inTheWay(begun);
  }
}

for (const name of ['redis', 'attach']) Object.defineProperty(Moving.prototype, name, { enumerable: false });

/** The migration of one topic, as this hub takes part in it. */
class Migration {
  #native;

  /** @param {NativeMigration} native */
  constructor(native) {
    this.#native = native;
  }

  get topic() {
    return this.#native.topic;
  }

  get stage() {
    return this.#native.stage;
  }

  counts() {
    return this.#native.counts();
  }

  peers() {
    return this.#native.peers();
  }

  /**
   * @param {unknown} stage
   * @param {unknown} [options]
   */
  enter(stage, options) {
    return this.#go('Enter', 'migration.enter(stage, options)', stage, options);
  }

  /**
   * @param {unknown} stage
   * @param {unknown} [options]
   */
  force(stage, options) {
    return this.#go('Force', 'migration.force(stage, options)', stage, options);
  }

  /**
   * @param {unknown} stage
   * @param {unknown} [options]
   */
  check(stage, options) {
    return this.#go('Check', 'migration.check(stage, options)', stage, options);
  }

  /**
   * @param {'Enter' | 'Force' | 'Check'} how
   * @param {string} where
   * @param {unknown} stage
   * @param {unknown} options
   */
  async #go(how, where, stage, options) {
    const to = stageOf(stage, where);
    const { timeout } = check.options(options, where, ['timeout']);
    const obstacle = await this.#native.go(/** @type {any} */ (how), to, time(timeout, where, 'timeout') ?? TIMEOUT);
    if (obstacle !== null) throw inTheWay(obstacle);
  }
}

/**
 * @param {unknown} given
 * @returns {import('../native').NativeCourse}
 */
function courseOf(given) {
  if (given === undefined) throw typeError('ERR_BAD_OPTION', `${BEGIN}: give a course: what is moved, and where to`);
  const { topic, to, onto, window, quiet, demands } = check.read(given, BEGIN, COURSE);
  for (const [name, value] of Object.entries({ topic, to })) {
    if (typeof value !== 'string' && (name === 'topic' || value !== undefined)) {
      throw typeError('ERR_BAD_TOPIC', `${BEGIN}: ${name} is a string, not ${described(value)}`);
    }
  }
  return {
    topic,
    to,
    onto: redisOptions(onto, BEGIN, 'onto'),
    window: time(window, BEGIN, 'window', 0),
    quiet: time(quiet, BEGIN, 'quiet', 0),
    demands: demandsOf(demands),
  };
}

/**
 * @param {unknown} given
 * @returns {import('../native').NativeDemands | undefined}
 */
function demandsOf(given) {
  if (given === undefined) return undefined;
  const where = `${BEGIN}: demands`;
  const { replicas, stable, steady, behind, lag, memory } = check.read(given, where, DEMANDS);
  if (memory !== undefined && (typeof memory !== 'number' || !(memory > 0))) {
    throw typeError('ERR_BAD_OPTION', `${where}: memory is a share, as 0.8, not ${described(memory)}`);
  }
  return {
    replicas: check.whole(replicas, where, 'replicas', { most: 2 ** 32 - 1 }),
    stable: time(stable, where, 'stable', 0),
    steady: time(steady, where, 'steady', 0),
    behind: check.whole(behind, where, 'behind'),
    lag: time(lag, where, 'lag'),
    memory,
  };
}

/**
 * @param {unknown} given
 * @param {string} where
 */
function stageOf(given, where) {
  const stage = check.oneOf(given, where, 'stage', STAGES);
  if (stage === undefined) throw typeError('ERR_BAD_OPTION', `${where}: give a stage`);
  return stage;
}

/** @param {Obstacle} obstacle */
function inTheWay(obstacle) {
  return obstacle.kind === 'closed' ? closed() : new MigrationError(obstacle.kind, obstacle.message, obstacle);
}

function closed() {
  return new DistributaryError('ERR_CLOSED', 'the hub is closed: make a new one');
}

exports.MigrationError = MigrationError;
exports.Moving = Moving;
