'use strict';

// The desk of this event loop: memory that it shares with the native half, in which questions are put and answered.
//
// src/matcher/desk.rs says what lies where. A question is a few writes into typed arrays and one native call that takes
// the strings as arguments: no object is made for it on either side.

const { NativeDesk } = require('../native');

/** How many values a question can have; a payload that shows more goes as text. */
const ROOM = 252;

/** Where the values begin. */
const VALUES = 4;

/** What a value is. */
const NULL = 0;
const FALSE = 1;
const TRUE = 2;
const NUMBER = 3;
const SIGNED = 4;
const UNSIGNED = 5;
const STRING = 6;

/** The answer to a question about fields of another version. */
const STALE = -0x80000000;

/**
 * The calls by which questions are asked; each gives an answer.
 *
 * @typedef {object} Questions
 * @property {(...strings: string[]) => number} fields about the values on the desk
 * @property {(...strings: string[]) => number} strings takes strings before that, four at a time
 * @property {(json: string) => number} shown about the text of a payload as far as the fields go that are named
 * @property {(json: string) => number} text
 * @property {(json: Uint8Array) => number} bytes
 * @property {() => number} unreadable about a payload of which nothing can be read
 */

const heads = new Uint32Array(VALUES + ROOM);
const numbers = new Float64Array(VALUES + ROOM);
const answers = new Uint32Array(1024);
const native = new NativeDesk(heads, numbers, answers);

module.exports = {
  ROOM,
  VALUES,
  NULL,
  FALSE,
  TRUE,
  NUMBER,
  SIGNED,
  UNSIGNED,
  STRING,
  STALE,
  heads,
  numbers,
  /** The same memory, for integers that a double does not hold. */
  signed: new BigInt64Array(numbers.buffer),
  unsigned: new BigUint64Array(numbers.buffer),
  answers,
  native,
  questions: /** @type {Questions} */ (native.questions()),
};
