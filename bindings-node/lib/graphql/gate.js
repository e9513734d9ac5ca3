'use strict';

// A closure before the queue: decides for one iterator which messages may wait for it.
//
// It is asked when a message is published, with the arguments and context of the subscription. While it owes the
// answer to one message the next ones wait for their turn, so that order holds and no subscription asks more than
// one question at a time; they count against the budget of the iterator. Gates stand in a row: closures of nested
// withFilter() calls are asked from the innermost on.
//
// A closure runs in the async context of who subscribed, whoever publishes: an AsyncLocalStorage that it reads holds
// the user of the subscription.

const { AsyncResource } = require('node:async_hooks');

const { Ring } = require('./backlog');
const { Failure } = require('./message');
const { isThenable } = require('./thenable');

/** @typedef {import('./message').Message} Message */
/** @typedef {import('./inbox').Inbox} Inbox */
/** @typedef {(payload: any, args: any, context: any, info: any) => unknown} Closure */

class Gate {
  #closure;
  #args;
  #context;
  #info;
  #inbox;
  /** @type {Gate | Inbox} */
  #next;
  #subscriber = new AsyncResource('distributary.filter');
  /** Whether an answer is awaited. */
  #asking = false;
  /** @type {Ring<Message> | null} messages after the one that is asked about */
  #later = null;

  /**
   * @param {Closure} closure
   * @param {any} args
   * @param {any} context
   * @param {any} info
   * @param {Inbox} inbox
   */
  constructor(closure, args, context, info, inbox) {
    this.#closure = closure;
    this.#args = args;
    this.#context = context;
    this.#info = info;
    this.#inbox = inbox;
    this.#next = inbox;
  }

  /** Puts another gate after the last of the row. @param {Gate} gate */
  append(gate) {
    if (this.#next instanceof Gate) this.#next.append(gate);
    else this.#next = gate;
  }

  /** @param {Message} message */
  offer(message) {
    if (!this.#asking) this.#ask(message);
    else if (this.#inbox.hold(message)) (this.#later ??= new Ring()).push(message);
  }

  /** No more messages will come. */
  end() {
    this.#inbox.end();
  }

  /** @param {Message} message */
  #ask(message) {
    if (this.#inbox.ended) return;
    if (message.failed) return this.#next.offer(message);
    let answer;
    try {
      answer = this.#subscriber.runInAsyncScope(
        this.#closure,
        undefined,
        message.payload,
        this.#args,
        this.#context,
        this.#info,
      );
    } catch (error) {
      return this.#next.offer(new Failure(error));
    }
    if (answer === true) return this.#next.offer(message);
    if (!isThenable(answer) || !this.#inbox.hold(message)) return;
    this.#asking = true;
    Promise.resolve(answer).then(
      (settled) => this.#answered(message, settled === true),
      // As with graphql-subscriptions: a rejection is a no.
      () => this.#answered(message, false),
    );
  }

  /**
   * @param {Message} message
   * @param {boolean} passes
   */
  #answered(message, passes) {
    this.#asking = false;
    if (this.#inbox.ended) {
      this.#later = null;
      return;
    }
    this.#inbox.release(message);
    if (passes) this.#next.offer(message);
    while (!this.#asking) {
      const next = this.#later?.shift();
      if (next === undefined) return;
      this.#inbox.release(next);
      this.#ask(next);
    }
  }
}

exports.Gate = Gate;
