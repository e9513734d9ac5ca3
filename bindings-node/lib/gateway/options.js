'use strict';

// What a gateway is told before it starts, read once: names, types and bounds. What only the engine knows, such as
// whether a port is free, it says when the gateway starts.

const check = require('../check');
const { described, typeError } = require('../errors');
const { limits } = require('./limits');

const CODE = 'ERR_BAD_OPTION';
const WHERE = 'new Gateway(hub, options)';

/** The functions of the application, in the order of a client's life. */
const HOOKS = /** @type {const} */ (['authorize', 'onOpen', 'onSubscribe', 'onMessage', 'onEnd', 'onError']);

const KNOWN = ['listen', 'admin', 'path', 'jsonProtocol', 'limits', 'backlog', ...HOOKS];

/** What clients have said may wait for the event loop so far, if nothing else is given. */
const BACKLOG = { messages: 65_536, bytes: 64 * 1024 * 1024 };

const LOOPBACK = '127.0.0.1';
const MAX_PORT = 65_535;

/**
 * @typedef {{ [H in (typeof HOOKS)[number]]?: (...args: any[]) => any }} Hooks
 */

/**
 * @param {unknown} given
 * @returns {{ settings: import('../../native').NativeSettings, hooks: Hooks }}
 */
function read(given) {
  const options = check.options(given, WHERE, KNOWN);
  const hooks = /** @type {Hooks} */ ({});
  for (const name of HOOKS) hooks[name] = check.ofType(options[name], WHERE, name, 'function');
  if (hooks.authorize === undefined) {
    throw typeError(CODE, `${WHERE}: give \`authorize\`, the function that says who may come in and what they see`);
  }
  const listen = address(options.listen, 'listen');
  if (listen === undefined) {
    throw typeError(CODE, `${WHERE}: give \`listen\`, where clients connect, as in '127.0.0.1:8080'`);
  }
  const backlog = check.options(options.backlog, `${WHERE}: backlog`, ['messages', 'bytes']);
  const least = { least: 1 };
  const settings = {
    listen,
    admin: address(options.admin, 'admin'),
    paths: paths(options.path),
    json: check.ofType(options.jsonProtocol, WHERE, 'jsonProtocol', 'boolean') ?? true,
    limits: limits(options.limits, `${WHERE}: limits`),
    backlogMessages: check.whole(backlog.messages, `${WHERE}: backlog`, 'messages', least) ?? BACKLOG.messages,
    backlogBytes: check.whole(backlog.bytes, `${WHERE}: backlog`, 'bytes', least) ?? BACKLOG.bytes,
    hearsClients: Boolean(hooks.onOpen ?? hooks.onSubscribe ?? hooks.onMessage ?? hooks.onEnd),
    hearsWishes: hooks.onSubscribe !== undefined,
    hearsMessages: hooks.onMessage !== undefined,
  };
  return { settings, hooks };
}

/**
 * An address as the engine takes it, `host:port`.
 *
 * @param {unknown} given
 * @param {string} name
 */
function address(given, name) {
  if (given === undefined) return undefined;
  if (typeof given === 'string') {
    if (!/^(\[[^\]]+\]|[^:[\]]+):\d{1,5}$/.test(given)) {
      throw typeError(CODE, `${WHERE}: ${name} is a host and a port, as in '127.0.0.1:8080' or '[::1]:8080', not ${described(given)}`);
    }
    return given;
  }
  const { host = LOOPBACK, port } = check.options(given, `${WHERE}: ${name}`, ['host', 'port']);
  check.ofType(host, `${WHERE}: ${name}`, 'host', 'string');
  if (check.whole(port, `${WHERE}: ${name}`, 'port', { most: MAX_PORT }) === undefined) {
    throw typeError(CODE, `${WHERE}: ${name}: give a port; 0 lets the system choose one`);
  }
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * @param {unknown} given
 * @returns {string[]}
 */
function paths(given) {
  if (given === undefined) return [];
  const list = Array.isArray(given) ? given : [given];
  for (const path of list) {
    if (typeof path !== 'string' || !path.startsWith('/')) {
      throw typeError(CODE, `${WHERE}: path is a text that begins with '/', or several, not ${described(path)}`);
    }
  }
  return list;
}

module.exports = { read };
