'use strict';

// The two clients of a RedisPubSub: the application's, if it gives both, else two of ioredis.
//
// ioredis is the application's own. It is loaded here and not before, so that nobody else needs it.

const { DistributaryError } = require('../errors');

/**
 * @param {any} options
 * @returns {{ publisher: any, subscriber: any }}
 */
function clientsOf({ publisher, subscriber, connection, connectionListener }) {
  if (publisher && subscriber) return { publisher, subscriber };
  const Redis = ioredis();
  const made = { publisher: connected(Redis, connection, connectionListener), subscriber: connected(Redis, connection, connectionListener) };
  // Between its CLIENT SETINFO and its INFO a new connection would send a SUBSCRIBE at once. INFO then fails, as the
  // connection is a subscriber's by now, and ioredis connects anew: messages in between are lost. Nothing reads what
  // CLIENT SETINFO says of a subscriber, so it is left out.
  if (made.subscriber.options) made.subscriber.options.disableClientInfo = true;
  return made;
}

function ioredis() {
  try {
    // @ts-ignore: it need not be there
    return require('ioredis');
  } catch (cause) {
    throw new DistributaryError(
      'ERR_NO_CLIENT',
      'new RedisPubSub(options): there are no clients: give `publisher` and `subscriber`, or install ioredis',
      { cause },
    );
  }
}

/**
 * @param {any} Redis
 * @param {any} connection
 * @param {((error?: Error) => void) | undefined} listener
 */
function connected(Redis, connection, listener) {
  const client = new Redis(connection);
  if (listener) client.on('connect', listener).on('error', listener);
  else client.on('error', console.error);
  return client;
}

exports.clientsOf = clientsOf;
