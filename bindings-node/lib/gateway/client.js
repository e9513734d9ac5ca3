'use strict';

// A connected client, as the application holds it: a number that the native half knows, and the session. It outlives
// the connection, and then does nothing.

const { described, typeError } = require('../errors');
const { toContent } = require('../payload');
const { called } = require('./called');
const { wanted } = require('./wanted');

/** What fits into a close frame, in bytes. */
const LONGEST_REASON = 123;

/** A client that is, or was, connected. */
class Client {
  #native;

  /**
   * @param {import('../../native').NativeGateway} native
   * @param {number} id
   * @param {unknown} session
   */
  constructor(native, id, session) {
    this.#native = native;
    /** Names the connection among all that this gateway ever had. */
    this.id = id;
    /** What `authorize` gave it. */
    this.session = session;
  }

  /**
   * Sends a message to this client alone.
   *
   * @param {unknown} message
   */
  send(message) {
    const content = toContent(message, 'message');
    return typeof content === 'string' ? this.#native.sendText(this.id, content) : this.#native.sendBytes(this.id, content);
  }

  /**
   * Subscribes the client to more.
   *
   * @param {unknown} selector
   * @returns {number} for `unsubscribe`; 0 if the client has gone
   */
  subscribe(selector) {
    const native = wanted(selector, 'client.subscribe(selector)');
    return called(() => this.#native.subscribe(this.id, native));
  }

  /**
   * Ends a subscription that `subscribe` made.
   *
   * @param {number} subscription
   */
  unsubscribe(subscription) {
    if (!Number.isInteger(subscription) || subscription < 0) {
      const found = described(subscription);
      throw typeError('ERR_BAD_OPTION', `client.unsubscribe(subscription): give what \`subscribe\` returned, not ${found}`);
    }
    return this.#native.unsubscribe(this.id, subscription);
  }

  /**
   * Closes the connection.
   *
   * @param {string} [reason]
   */
  close(reason = '') {
    return this.#native.closeClient(this.id, checked(reason, 'client.close(reason)'));
  }

  /**
   * Closes the connection for now.
   *
   * @param {string} [reason]
   */
  turnAway(reason = '') {
    return this.#native.turnClientAway(this.id, checked(reason, 'client.turnAway(reason)'));
  }
}

/**
 * A reason for a close frame.
 *
 * @param {unknown} reason
 * @param {string} where
 */
function checked(reason, where) {
  if (typeof reason !== 'string' || Buffer.byteLength(reason) > LONGEST_REASON) {
    throw typeError('ERR_BAD_OPTION', `${where}: a text of at most ${LONGEST_REASON} bytes, not ${described(reason)}`);
  }
  return reason;
}

module.exports = { Client };
