'use strict';

// What `authorize` and `onSubscribe` answer, and how it crosses the border.
//
// Whatever is wrong in an answer is an error that names the field. It never becomes a weaker answer: a client is let
// in exactly as was said, or not at all.

const check = require('../check');
const { described, typeError } = require('../errors');
const { parseSelector } = require('../selector');
const { time } = require('./limits');
const { isEmpty, native, saysAnything, wanted } = require('./wanted');

const CODE = 'ERR_BAD_OPTION';
const ACCEPT = 'what `authorize` returned';
const GRANT = 'what `onSubscribe` returned';
const REJECT = 'reject(status, options)';

/** What stands beside the fields of a first subscription. */
const BESIDE = ['session', 'subscriptions', 'allow', 'protocol', 'format', 'onLag', 'headers', 'ticket'];

/** What a client is told whose wish is denied without a reason. */
const DENIED = 'this may not be subscribed to';

/** A client is turned away. */
class Rejection {
  /** @param {import('../../native').NativeRefusal} refusal */
  constructor(refusal) {
    this.status = refusal.status;
    Object.defineProperty(this, 'native', { value: refusal });
  }
}

/**
 * Turns a client away, with this status.
 *
 * @param {number} status
 * @param {unknown} [given]
 */
function reject(status, given) {
  if (!Number.isInteger(status) || status < 300 || status > 599) {
    throw typeError(CODE, `${REJECT}: ${described(status)} turns nobody away: give a status from 300 to 599`);
  }
  const options = check.options(given, REJECT, ['headers', 'body', 'retryAfter']);
  return new Rejection({
    status,
    headers: headers(options.headers, REJECT),
    body: check.ofType(options.body, REJECT, 'body', 'string'),
    retryAfter: time(options.retryAfter, REJECT, 'retryAfter', 0),
  });
}

/** A wish is not granted. */
class Denial {
  /** @param {string} reason */
  constructor(reason) {
    this.reason = reason;
  }
}

/**
 * Denies a client what it wished to subscribe to, with a reason that it is told.
 *
 * @param {string} [reason]
 */
function deny(reason = DENIED) {
  check.ofType(reason, 'deny(reason)', 'reason', 'string');
  return new Denial(reason);
}

/**
 * What a client is granted that is let in.
 *
 * @param {unknown} answer
 * @returns {{ session: unknown, grant: import('../../native').NativeGrant }}
 */
function accepted(answer) {
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer)) {
    const found = described(answer);
    throw typeError(CODE, `${ACCEPT} is ${found}: return an object of what the client sees, such as { topics: 'news' }, or reject(403)`);
  }
  const parsed = parseSelector(answer, undefined, ACCEPT, BESIDE);
  const fields = parsed.rest;
  const subscriptions = saysAnything(parsed) && !isEmpty(parsed) ? [native(parsed)] : [];
  if (fields.subscriptions !== undefined) {
    if (!Array.isArray(fields.subscriptions)) {
      throw typeError(CODE, `${ACCEPT}: subscriptions is a list, not ${described(fields.subscriptions)}`);
    }
    fields.subscriptions.forEach((one, i) => subscriptions.push(wanted(one, `${ACCEPT}: subscriptions[${i}]`)));
  }
  return {
    session: fields.session,
    grant: {
      subscriptions,
      allow: allowed(fields.allow),
      protocol: check.ofType(fields.protocol, ACCEPT, 'protocol', 'string'),
      binary: check.oneOf(fields.format, ACCEPT, 'format', ['auto', 'binary']) === 'binary',
      goesOn: check.oneOf(fields.onLag, ACCEPT, 'onLag', ['close', 'continue']) === 'continue',
      headers: headers(fields.headers, ACCEPT),
      ticket: time(fields.ticket, ACCEPT, 'ticket'),
    },
  };
}

/**
 * What is granted of a wish: all of it, something else, or nothing.
 *
 * @param {unknown} answer
 * @returns {Denial | import('../../native').NativeWanted | undefined}
 */
function granted(answer) {
  if (answer === true) return undefined;
  if (answer === false) return new Denial(DENIED);
  if (answer instanceof Denial) return answer;
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer)) {
    throw typeError(CODE, `${GRANT} is ${described(answer)}: return true, false, deny('why'), or what is granted instead`);
  }
  const parsed = parseSelector(answer, undefined, GRANT);
  // Nothing is left of what was asked for; without names at all it would be everything.
  return isEmpty(parsed) ? new Denial(DENIED) : native(parsed);
}

/**
 * @param {unknown} given
 * @returns {string[]}
 */
function allowed(given) {
  if (given === undefined) return [];
  const list = Array.isArray(given) ? given : [given];
  for (const pattern of list) {
    if (typeof pattern !== 'string') {
      throw typeError(CODE, `${ACCEPT}: allow is a pattern or a list of them, not ${described(pattern)}`);
    }
  }
  return list;
}

/**
 * Names and values in turn, of an object, a list of pairs or a Headers.
 *
 * @param {unknown} given
 * @param {string} where
 * @returns {string[]}
 */
function headers(given, where) {
  if (given === undefined) return [];
  if (given === null || typeof given !== 'object') {
    throw typeError(CODE, `${where}: headers is an object of names and values, not ${described(given)}`);
  }
  const pairs = Symbol.iterator in given ? [.../** @type {Iterable<[string, unknown]>} */ (given)] : Object.entries(given);
  const flat = [];
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw typeError(CODE, `${where}: headers is a list of pairs of a name and a value, and one is ${described(pair)}`);
    }
    const [name, values] = pair;
    for (const value of Array.isArray(values) ? values : [values]) {
      if (typeof name !== 'string' || (typeof value !== 'string' && typeof value !== 'number')) {
        throw typeError(CODE, `${where}: headers: the value of ${described(name)} is a text, not ${described(value)}`);
      }
      flat.push(name, String(value));
    }
  }
  return flat;
}

module.exports = { Denial, Rejection, accepted, deny, granted, reject };
