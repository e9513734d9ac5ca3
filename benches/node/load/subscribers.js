'use strict';

// Those who subscribe, and what they check. What a consumer does is the same for all contenders: a `for await`
// loop that hands each event to its tally.

/** How many subscribers a topic has, and as many different ids. */
const SUBSCRIBERS = 10_000;

/** The topic of all rows. */
const TOPIC = 'documents';

/**
 * @typedef {object} Subscriber
 * @property {number} number
 * @property {any} where the filter, in distributary's words
 * @property {import('distributary').Variables} variables
 * @property {(event: any) => boolean} admits the same as a closure
 */

/**
 * Subscribers each of whom asks for the document of its own number.
 *
 * @param {number} count
 * @returns {Subscriber[]}
 */
function byDocument(count) {
  const where = { document: { id: { $var: 'id' } } };
  return Array.from({ length: count }, (_, number) => ({
    number,
    where,
    variables: { id: number },
    admits: (event) => event.document.id === number,
  }));
}

/** What arrived: how much, to whom, and which. */
class Tally {
  count = 0;
  who = 0;
  which = 0;
  #read;

  /** @param {(taken: any) => number} [read] which one it is that was taken */
  constructor(read = (event) => event.serial) {
    this.#read = read;
  }

  /** @param {Pick<Subscriber, 'number'>} subscriber @param {any} taken */
  take(subscriber, taken) {
    this.count += 1;
    this.who += subscriber.number;
    this.which += this.#read(taken);
  }

  /** @param {Tally} expected */
  check(expected) {
    const same = this.count === expected.count && this.who === expected.who && this.which === expected.which;
    if (!same) throw new Error(`expected ${JSON.stringify(expected)}, got ${JSON.stringify(this)}`);
  }
}

/**
 * @param {AsyncIterable<any> | Promise<AsyncIterable<any>>} iterable
 * @param {Subscriber} subscriber
 * @param {Pick<Tally, 'take'>} tally
 */
async function consume(iterable, subscriber, tally) {
  for await (const event of await iterable) tally.take(subscriber, event);
}

/** The end of this turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Waits, turn by turn, until this holds.
 *
 * @param {() => boolean} holds
 * @param {() => string} described
 */
async function until(holds, described, seconds = 45) {
  const deadline = performance.now() + seconds * 1_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited for ${seconds} s: ${described()}`);
    await turn();
  }
}

exports.SUBSCRIBERS = SUBSCRIBERS;
exports.TOPIC = TOPIC;
exports.byDocument = byDocument;
exports.Tally = Tally;
exports.consume = consume;
exports.turn = turn;
exports.until = until;
