'use strict';

// What a client asks before it is let in. Read lazily: most applications look at a token and nothing else.

const { described, typeError } = require('../errors');

/** The request of a client that wants to be let in. */
class Request {
  /** @type {string[]} names and values in turn */
  #raw;
  /** @type {Record<string, string> | undefined} */
  #headers;
  /** @type {URLSearchParams | undefined} */
  #searchParams;
  /** @type {AbortController | undefined} */
  #aborter;
  #gone = false;

  /**
   * @param {boolean} isWebSocket
   * @param {string} address
   * @param {string} path
   * @param {string | null} query
   * @param {string[]} headers
   */
  constructor(isWebSocket, address, path, query, headers) {
    /** How the client wants its events. @type {'websocket' | 'sse'} */
    this.transport = isWebSocket ? 'websocket' : 'sse';
    this.address = address;
    this.path = path;
    this.query = query ?? undefined;
    this.#raw = headers;
  }

  /** The path and the query, as they were sent. */
  get url() {
    return this.query === undefined ? this.path : `${this.path}?${this.query}`;
  }

  get searchParams() {
    this.#searchParams ??= new URLSearchParams(this.query ?? '');
    return this.#searchParams;
  }

  /** By name in lower case; several of one name are joined as HTTP has it. */
  get headers() {
    this.#headers ??= joined(this.#raw);
    return this.#headers;
  }

  /** @param {string} name */
  header(name) {
    if (typeof name !== 'string') {
      throw typeError('ERR_BAD_OPTION', `request.header(name): the name is a text, not ${described(name)}`);
    }
    return this.headers[name.toLowerCase()];
  }

  get origin() {
    return this.headers.origin;
  }

  /** The token of `Authorization: Bearer`. */
  get bearer() {
    const [, token] = /^bearer +(.*)$/is.exec(this.headers.authorization ?? '') ?? [];
    return token?.trim();
  }

  /** The subprotocols that a WebSocket offers, best first. */
  get protocols() {
    const list = this.headers['sec-websocket-protocol'] ?? '';
    return list.split(',').map((name) => name.trim()).filter((name) => name !== '');
  }

  /** Where a returning client of server-sent events stopped. */
  get lastEventId() {
    return this.headers['last-event-id'] || undefined;
  }

  /** Aborted when nobody waits for the answer any more. */
  get signal() {
    if (this.#aborter === undefined) {
      this.#aborter = new AbortController();
      if (this.#gone) this.#aborter.abort();
    }
    return this.#aborter.signal;
  }

  /**
   * Its handshake took too long, or the gateway was closed.
   *
   * @param {InstanceType<typeof Request>} request
   */
  static abort(request) {
    request.#gone = true;
    request.#aborter?.abort();
  }
}

/**
 * @param {string[]} raw
 * @returns {Record<string, string>}
 */
function joined(raw) {
  const headers = Object.create(null);
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i], raw[i + 1]];
    const glue = name === 'cookie' ? '; ' : ', ';
    headers[name] = name in headers ? headers[name] + glue + value : value;
  }
  return headers;
}

module.exports = { Request };
