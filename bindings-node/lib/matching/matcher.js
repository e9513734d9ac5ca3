'use strict';

// Members, each with a filter: who of them wants an event. Synchronous, in the order in which they joined.
//
// The filters are the engine's and their members are here, in a table by the dense numbers that the engine gives. One
// native call per event says who; what the event costs does not depend on who does not want it.
//
// Invariants:
// - A ticket is given once. What is removed twice, or after the matcher has given its number away, is not there.
// - Between the answer and the array that `match` returns nothing of the caller's runs: a listener may publish, add
//   and remove.

const { NativeMatcher } = require('../native');
const { answers, heads, native: desk, numbers, questions, STALE } = require('./desk');
const { Node } = require('./fields');
const { forget, LEFT, read, READ, strings } = require('./reader');
const { textOf } = require('./text');

/** @type {any[]} */
const NOBODY = /** @type {any} */ (Object.freeze([]));

/** How often a payload is read again because meanwhile other fields are named, as its own code can bring about. */
const PATIENCE = 4;

/**
 * @template {object} M
 */
class Matcher {
  #native = new NativeMatcher(desk);
  #number = this.#native.number;

  /** The members by number. @type {(M | undefined)[]} */
  #members = [];

  /** The numbers by ticket. @type {Map<number, number>} */
  #tickets = new Map();

  #lastTicket = 0;

  /** What the filters name, as of a version. */
  #root = Node.tree([]);
  #version = 0;

  /** How many members there are. */
  get size() {
    return this.#tickets.size;
  }

  /**
   * Adds a member, behind all others.
   *
   * @param {import('../filter').Filter} filter
   * @param {M} member
   * @returns {number} its ticket, which is greater than all before
   */
  add(filter, member) {
    const number = this.#native.add(filter.native);
    const ticket = (this.#lastTicket += 1);
    this.#members[number] = member;
    this.#tickets.set(ticket, number);
    return ticket;
  }

  /**
   * Takes a member out; whether it was there.
   *
   * @param {number} ticket
   * @returns {boolean}
   */
  remove(ticket) {
    const number = this.#tickets.get(ticket);
    if (number === undefined) return false;
    this.#tickets.delete(ticket);
    this.#native.remove(number);
    if (this.#tickets.size === 0) this.#members = [];
    else this.#members[number] = undefined;
    return true;
  }

  /**
   * Who wants a payload that is a JavaScript value.
   *
   * @param {unknown} payload
   * @returns {readonly M[]}
   */
  match(payload) {
    if (this.#tickets.size === 0) return NOBODY;
    for (let tries = 0; tries < PATIENCE; tries += 1) {
      const became = read(this.#root, payload);
      const text = became === LEFT ? textOf(this.#root, payload) : undefined;
      // Only now, for code of the payload's may have run, and asked about another matcher.
      heads[0] = this.#number;
      numbers[0] = this.#version;
      const answer = became === READ ? askFields() : text === undefined ? questions.unreadable() : questions.shown(text);
      if (answer !== STALE) return this.#answered(answer);
      this.#learn();
    }
    return this.matchBytes(textOf(this.#root, payload) ?? '');
  }

  /**
   * Who wants a payload that is JSON text.
   *
   * @param {Uint8Array | string} json
   * @returns {readonly M[]}
   */
  matchBytes(json) {
    if (this.#tickets.size === 0) return NOBODY;
    heads[0] = this.#number;
    return this.#answered(typeof json === 'string' ? questions.text(json) : questions.bytes(json));
  }

  /** Learns which fields are named now. */
  #learn() {
    this.#version = this.#native.version;
    this.#root = Node.tree(this.#native.fields());
  }

  /**
   * @param {number} answer
   * @returns {readonly M[]}
   */
  #answered(answer) {
    if (answer === 0) return NOBODY;
    if (answer > 0) return [/** @type {M} */ (this.#members[answer - 1])];
    return this.#all(-answer);
  }

  /** @param {number} count */
  #all(count) {
    /** @type {M[]} */
    const members = new Array(count);
    for (let from = 0; from < count; ) {
      const upto = from === 0 ? Math.min(count, answers.length) : from + desk.answers(from);
      for (let at = from; at < upto; at += 1) members[at] = /** @type {M} */ (this.#members[answers[at - from]]);
      from = upto;
    }
    return members;
  }
}

/** Asks about what the reader has laid on the desk. */
function askFields() {
  const count = heads[2];
  let at = 0;
  for (; count - at > 4; at += 4) {
    heads[2] = 4;
    questions.strings(strings[at], strings[at + 1], strings[at + 2], strings[at + 3]);
  }
  heads[2] = count - at;
  const answer = askWith(count - at, at);
  if (count > 0) forget();
  return answer;
}

/**
 * @param {number} count how many strings are left, at most four
 * @param {number} at
 */
function askWith(count, at) {
  switch (count) {
    case 0:
      return questions.fields();
    case 1:
      return questions.fields(strings[at]);
    case 2:
      return questions.fields(strings[at], strings[at + 1]);
    case 3:
      return questions.fields(strings[at], strings[at + 1], strings[at + 2]);
    default:
      return questions.fields(strings[at], strings[at + 1], strings[at + 2], strings[at + 3]);
  }
}

exports.Matcher = Matcher;
