'use strict';

// Where the native half's calls are taken up: who wants to come in, what clients say, who has gone.
//
// The native half rings when there is something, and the desk pulls, in batches, for at most a slice of time before it
// gives the loop back. Answers go back with the number that the question had; no promise crosses the border. Sessions
// and clients are kept here by number, from when they begin until the native half says that they are over.
//
// Invariants:
// - Nothing that the application's functions throw comes out of here. It is reported, and whoever asked gets a plain no.
// - Every question that is still asked gets one answer.

const { detailOf, DistributaryError, rethrow } = require('../errors');
const { called } = require('./called');
const { Client } = require('./client');
const { Request } = require('./request');
const { Denial, Rejection, accepted, granted } = require('./verdict');

/** How long calls are served before the loop has its turn, in milliseconds. */
const SLICE = 4;

/** The most calls that are taken at once. */
const BATCH = 256;

/** What a client is told when the application fails. The application is told more. */
const FAILED = { status: 500, headers: [], body: 'internal error' };
const FAILED_WISH = 'internal error';

/**
 * The numbers of the calls, and how many arguments follow each. `src/gateway/calls.rs` has the same.
 */
const ADMIT = 0;
const GRANT = 1;
const WITHDRAWN = 2;
const OPENED = 3;
const SAID = 4;
const OVERRUN = 5;
const ENDED = 6;
const FORGET = 7;
const DONE = 8;

/**
 * @typedef {import('./options').Hooks} Hooks
 * @typedef {InstanceType<typeof import('./client').Client>} GatewayClient
 * @typedef {InstanceType<typeof import('./request').Request>} GatewayRequest
 * @typedef {InstanceType<typeof import('../errors').DistributaryError>} Failure
 * @typedef {import('../../native').NativeGateway} NativeGateway
 */

class Desk {
  /** @type {NativeGateway} set once, right after this was made: each needs the other */
  native = /** @type {any} */ (undefined);
  #hooks;
  /** @type {Map<number, GatewayRequest>} questions about who may come in */
  #admissions = new Map();
  /** @type {Map<number, unknown>} */
  #sessions = new Map();
  #latestSession = 0;
  /** @type {Map<number, GatewayClient>} */
  #clients = new Map();
  /** @type {Map<number, (failure: Failure | undefined) => void>} */
  #operations = new Map();
  #latestOperation = 0;
  /** @type {any[]} calls that were taken and not yet served */
  #calls = [];
  #at = 0;
  #more = false;
  #turning = false;

  /** @param {Hooks} hooks */
  constructor(hooks) {
    this.#hooks = hooks;
  }

  /** There is something to take. */
  ring = () => {
    if (!this.#turning) this.#turn();
  };

  /**
   * Begins an operation of the native half, and waits for its end.
   *
   * @param {(number: number) => void} begin
   * @returns {Promise<void>}
   */
  operation(begin) {
    return new Promise((resolve, reject) => {
      this.#latestOperation += 1;
      const number = this.#latestOperation;
      this.#operations.set(number, (failure) => (failure === undefined ? resolve() : reject(failure)));
      try {
        called(() => begin(number));
      } catch (error) {
        this.#operations.delete(number);
        reject(error);
      }
    });
  }

  /** Nothing comes any more. */
  close() {
    for (const request of this.#admissions.values()) Request.abort(request);
    this.#admissions.clear();
    this.#clients.clear();
    this.#sessions.clear();
  }

  #turn = () => {
    this.#turning = true;
    let isMore = true;
    try {
      isMore = this.#work();
    } catch (error) {
      // The next calls are served all the same: nobody would ring for them again.
      rethrow(error);
    } finally {
      if (isMore) setImmediate(this.#turn);
      else this.#turning = false;
    }
  };

  /** Serves calls for a slice of time. Whether there is more to do. */
  #work() {
    const until = performance.now() + SLICE;
    do {
      if (this.#at === this.#calls.length && !this.#take()) return false;
      this.#serve();
    } while (performance.now() < until);
    return true;
  }

  /** Whether there was anything. */
  #take() {
    do {
      this.#calls = this.native.take(BATCH);
      this.#more = this.#calls[0];
      this.#at = 1;
    } while (this.#more && this.#calls.length === 1);
    return this.#calls.length > 1;
  }

  /** Serves one call. */
  #serve() {
    const calls = this.#calls;
    const at = this.#at;
    switch (calls[at]) {
      case ADMIT:
        this.#at += 7;
        return this.#admit(calls[at + 1], new Request(calls[at + 2], calls[at + 3], calls[at + 4], calls[at + 5], calls[at + 6]));
      case GRANT:
        this.#at += 5;
        return this.#grant(calls[at + 1], calls[at + 2], { topics: calls[at + 3], patterns: calls[at + 4] });
      case WITHDRAWN:
        this.#at += 2;
        return this.#withdraw(calls[at + 1]);
      case OPENED:
        this.#at += 3;
        return this.#open(calls[at + 1], calls[at + 2]);
      case SAID:
        this.#at += 3;
        return this.#hear(calls[at + 1], calls[at + 2]);
      case OVERRUN:
        this.#at += 2;
        return this.#overrun(calls[at + 1]);
      case ENDED:
        this.#at += 4;
        return this.#end(calls[at + 1], { reason: calls[at + 2], code: calls[at + 3] });
      case FORGET:
        this.#at += 2;
        this.#sessions.delete(calls[at + 1]);
        return undefined;
      case DONE:
        this.#at += 4;
        return this.#done(calls[at + 1], calls[at + 2], calls[at + 3]);
      default:
        this.#at = calls.length;
        throw new Error(`the native half calls for ${calls[at]}, which is not known: build it again`);
    }
  }

  /**
   * @param {number} question
   * @param {GatewayRequest} request
   */
  #admit(question, request) {
    this.#admissions.set(question, request);
    this.#ask(
      () => this.#hooks.authorize?.(request),
      (answer) => this.#verdict(question, request, answer),
      (error) => this.#refuse(question, request, error),
    );
  }

  /**
   * @param {number} question
   * @param {GatewayRequest} request
   * @param {unknown} answer
   */
  #verdict(question, request, answer) {
    if (answer instanceof Rejection) return this.#refuse(question, request, answer);
    // Nobody waits for it any more: it took too long.
    if (!this.#admissions.has(question)) return;
    const { session, grant } = accepted(answer);
    const number = session === undefined ? undefined : ++this.#latestSession;
    const isThere = called(() => this.native.accept(question, number, grant));
    this.#admissions.delete(question);
    if (isThere && number !== undefined) this.#sessions.set(number, session);
  }

  /**
   * @param {number} question
   * @param {GatewayRequest} request
   * @param {unknown} error what `authorize` has thrown, or a rejection
   */
  #refuse(question, request, error) {
    if (!this.#admissions.delete(question)) return;
    try {
      if (error instanceof Rejection) {
        called(() => this.native.reject(question, /** @type {any} */ (error).native));
        return;
      }
    } catch (wrong) {
      // A header that is none, say: only the native half knows.
      error = wrong;
    }
    this.native.reject(question, FAILED);
    this.#report(error, { hook: 'authorize', request });
  }

  /**
   * @param {number} question
   * @param {number} id
   * @param {{ topics: string[], patterns: string[] }} wish
   */
  #grant(question, id, wish) {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#ask(
      () => this.#hooks.onSubscribe?.(client, wish),
      (answer) => {
        const grant = granted(answer);
        if (grant instanceof Denial) this.native.deny(question, grant.reason);
        else called(() => this.native.grant(question, grant));
      },
      (error) => {
        if (error instanceof Denial) {
          this.native.deny(question, error.reason);
          return;
        }
        this.native.deny(question, FAILED_WISH);
        this.#report(error, { hook: 'onSubscribe', client });
      },
    );
  }

  /** @param {number} question */
  #withdraw(question) {
    const request = this.#admissions.get(question);
    if (request === undefined) return;
    this.#admissions.delete(question);
    Request.abort(request);
  }

  /**
   * @param {number} id
   * @param {number | null} session
   */
  #open(id, session) {
    const client = new Client(this.native, id, session === null ? undefined : this.#sessions.get(session));
    this.#clients.set(id, client);
    this.#tell('onOpen', client);
  }

  /**
   * @param {number} id
   * @param {string | Buffer} message
   */
  #hear(id, message) {
    const client = this.#clients.get(id);
    if (client !== undefined) this.#tell('onMessage', client, message);
  }

  /** @param {number} id */
  #overrun(id) {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    const error = new DistributaryError(
      'ERR_OVERRUN',
      `client ${id} said more than this event loop has heard so far, and was closed: is the loop blocked? ` +
        'If it is just busy, raise `backlog`',
    );
    this.#report(error, { hook: 'onMessage', client });
  }

  /**
   * @param {number} id
   * @param {{ reason: string, code: number }} ended
   */
  #end(id, ended) {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#clients.delete(id);
    this.#tell('onEnd', client, ended);
  }

  /**
   * @param {number} number
   * @param {string | null} code
   * @param {string} message
   */
  #done(number, code, message) {
    const done = this.#operations.get(number);
    this.#operations.delete(number);
    done?.(code === null ? undefined : new DistributaryError(code, message));
  }

  /**
   * Calls a function that nobody waits for.
   *
   * @param {'onOpen' | 'onMessage' | 'onEnd'} hook
   * @param {GatewayClient} client
   * @param {unknown} [what]
   */
  #tell(hook, client, what) {
    if (this.#hooks[hook] === undefined) return;
    const failed = (/** @type {unknown} */ error) => this.#report(error, { hook, client });
    this.#ask(() => this.#hooks[hook]?.(client, what), undefined, failed);
  }

  /**
   * Calls a function of the application, which may be async.
   *
   * @param {() => unknown} call
   * @param {((answer: unknown) => void) | undefined} answered what it throws counts as the application's failure
   * @param {(error: unknown) => void} failed
   */
  #ask(call, answered, failed) {
    try {
      const answer = call();
      if (isThenable(answer)) Promise.resolve(answer).then(answered).then(undefined, failed);
      else answered?.(answer);
    } catch (error) {
      failed(error);
    }
  }

  /**
   * @param {unknown} error
   * @param {{ hook: string, client?: GatewayClient, request?: GatewayRequest }} where
   */
  #report(error, where) {
    if (this.#hooks.onError === undefined) {
      const message = `gateway: \`${where.hook}\` failed, and there is no \`onError\` to be told`;
      process.emitWarning(message, { type: 'DistributaryWarning', code: 'ERR_HOOK', detail: detailOf(error) });
      return;
    }
    try {
      this.#hooks.onError(error, where);
    } catch (thrown) {
      // There is nobody left to tell but the process.
      rethrow(thrown);
    }
  }
}

/**
 * @param {unknown} value
 * @returns {value is Promise<unknown>}
 */
function isThenable(value) {
  return value !== null && typeof value === 'object' && typeof (/** @type {any} */ (value).then) === 'function';
}

module.exports = { Desk };
