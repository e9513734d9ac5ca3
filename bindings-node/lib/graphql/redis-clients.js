'use strict';

// The two clients of a RedisPubSub: a hub, if it asks for one; the application's, if it gives both; else two of ioredis.
//
// ioredis is the application's own. It is loaded here and not before, so that nobody else needs it.

const { DistributaryError, typeError } = require('../errors');
const { HubClient } = require('./hub-client');

const WHERE = 'new RedisPubSub(options)';

/**
 * @param {any} options
 * @returns {{ publisher: any, subscriber: any }}
 */
function clientsOf({ redis, publisher, subscriber, connection, connectionListener }) {
  if (redis !== undefined) {
    for (const [name, given] of Object.entries({ publisher, subscriber, connection, connectionListener })) {
      if (given != null) throw typeError('ERR_BAD_OPTION', `${WHERE}: give \`redis\` or \`${name}\`, and not both`);
    }
    const client = new HubClient(redis, WHERE);
    return { publisher: client, subscriber: client };
  }
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
