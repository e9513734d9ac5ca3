// The gateway: WebSockets and server-sent events from a hub, on native threads.

import type { AddressInfo } from 'node:net';
import type { Durations, Hub, NamesOf, SelectorOptions } from './index';

/**
 * A WebSocket and SSE endpoint that brings a hub's events to sockets.
 *
 * Its sockets live on native threads, which write, ping, time out and close them. JavaScript is asked who may come in
 * and what they see, and is told what clients say; it never runs for a delivery. A busy event loop makes nobody wait
 * but newcomers.
 *
 * ```js
 * const gateway = new Gateway(hub, {
 *   listen: '127.0.0.1:8080',
 *   async authorize(request) {
 *     const user = await users.byToken(request.bearer);
 *     return user ? { topics: `user.${user.id}`, session: user } : reject(401);
 *   },
 * });
 * await gateway.start();
 * ```
 *
 * While it listens it keeps the process alive, as a server of Node's does.
 */
export class Gateway<Session = unknown> implements AsyncDisposable {
  /** A gateway that does not listen yet. Throws a `TypeError` with the code `ERR_BAD_OPTION` where an option is wrong. */
  constructor(hub: Hub<any>, options: GatewayOptions<Session>);

  /**
   * Starts to listen. Resolves to the gateway; called again, to the same.
   *
   * Rejects with the code `ERR_LISTEN` when an address cannot be listened on, `ERR_BAD_OPTION` when no client can ask
   * for a path, `ERR_SYSTEM` when the system gives no thread, `ERR_CLOSED` when it has been closed.
   */
  start(): Promise<this>;

  /** Where clients connect; `null` when it does not listen. */
  readonly address: AddressInfo | null;
  /** Where `/metrics` and `/healthz` are answered; `null` when they are not. */
  readonly adminAddress: AddressInfo | null;

  /** A snapshot of all counters. Throws with the code `ERR_CLOSED` when it does not run. */
  stats(): GatewayStats;

  /**
   * Sends everybody away for a deploy: closes are spread evenly over this time, each with a hint when to come back.
   * New connections are refused with 503, and `/healthz` says `draining`. Resolves when the last connection has gone.
   * A second drain can shorten the first, not prolong it.
   *
   * @param over milliseconds
   */
  drain(over: number): Promise<void>;

  /**
   * Ends the gateway: no new connections; those that exist are closed with code 1001. Resolves when its threads have
   * ended and `onEnd` has been called for everybody. A `drain` under way ends with it.
   */
  close(): Promise<void>;

  /** Keeps the process alive while it listens; it does so from the start. */
  ref(): this;
  /** Lets the process end although it listens. */
  unref(): this;

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a gateway is told. */
export interface GatewayOptions<Session = unknown> {
  /** Where clients connect: `'127.0.0.1:8080'`, `'[::1]:8080'`, or an object. Port 0 lets the system choose. */
  listen: string | ListenAddress;
  /**
   * Where `/metrics` (for Prometheus) and `/healthz` are answered: a loopback address, unless you know better.
   * Default: nowhere.
   */
  admin?: string | ListenAddress;
  /**
   * The paths that are served, percent-encoded as clients send them; others get 404 without a question.
   * Default: all.
   */
  path?: string | readonly string[];
  /** Whether clients that offer `distributary.v1.json` get the JSON protocol. Default: `true`. */
  jsonProtocol?: boolean;
  /** What is admitted, and how long things may take. */
  limits?: GatewayLimits;
  /**
   * How much of what clients said may wait until this event loop hears it. A client may have a sixteenth of it;
   * one that says more is closed with code 1013, and `onError` is told, with the code `ERR_OVERRUN`.
   */
  backlog?: {
    /** Default: 65,536. */
    messages?: number;
    /** Default: 64 MiB. */
    bytes?: number;
  };

  /**
   * Who may come in, and what they see. Called for each client that shows no valid ticket.
   *
   * The answer may be a promise. It is waited for as long as {@link GatewayLimits.handshakeTimeout} says, then the
   * client gets a 503, `request.signal` is aborted, and the answer ignored; so it is when the client goes meanwhile. When this throws, rejects or answers what is
   * no answer, the client gets a plain 500 and `onError` is told why. A `reject(…)` may be thrown as well.
   */
  authorize(request: GatewayRequest): Accept<Session> | Rejection | Promise<Accept<Session> | Rejection>;

  /**
   * A client is served and subscribed. It is called before what the client says, though events may have been written
   * to it already.
   */
  onOpen?(client: GatewayClient<Session>): void | Promise<void>;

  /**
   * May this client of the JSON protocol subscribe to this, beyond what {@link Accept.allow} lets it?
   *
   * `true` grants it, `false` or `deny('why')` does not. An object grants something else: what stands in it takes the
   * place of what was wished (`topics` and `patterns` together), and the rest stays. Lists of names that are all empty
   * grant nothing. Without this function the answer is no.
   */
  onSubscribe?(client: GatewayClient<Session>, wish: Wish): GrantedWish | Promise<GrantedWish>;

  /**
   * What a client says, in order: text as a string (in the JSON protocol, the JSON text of its `data`), binary as a
   * Buffer. Without this function a client of a plain WebSocket that says anything is closed with code 1003.
   */
  onMessage?(client: GatewayClient<Session>, message: string | Buffer): void | Promise<void>;

  /** A client that was served has gone. Called once for each `onOpen`, with the same client. */
  onEnd?(client: GatewayClient<Session>, ended: Ended): void | Promise<void>;

  /**
   * What one of these functions has thrown, or what was wrong with its answer. The connections go on; clients are told
   * nothing but `internal error`. Without this function, each is a warning of the process.
   */
  onError?(error: unknown, where: HookFailure<Session>): void;
}

/** Where an error comes from. */
export interface HookFailure<Session = unknown> {
  /** The function that failed. */
  hook: 'authorize' | 'onOpen' | 'onSubscribe' | 'onMessage' | 'onEnd';
  /** Of `authorize`: who asked. */
  request?: GatewayRequest;
  /** Of the others: the client that it was about. */
  client?: GatewayClient<Session>;
}

/** An address to listen on. */
export interface ListenAddress {
  /** A name or an IP address. Default: `127.0.0.1`, which nobody reaches from outside. */
  host?: string;
  /** 0 lets the system choose. */
  port: number;
}

/** What a gateway allows. All times are in milliseconds; one of more than ten years is taken as ten years. */
export interface GatewayLimits {
  /** The most connections at a time; more are refused with 503. Default: no limit but the system's. */
  connections?: number;
  /** The most new connections in a second, in total; more are refused with 503. Default: no limit. */
  perSecond?: number;
  /** The most connections from one address at a time; more are refused with 429. Default: no limit. */
  perAddress?: number;
  /** The most new connections in a second from one address; more are refused with 429. Default: no limit. */
  perAddressPerSecond?: number;
  /** The most handshakes under way at a time, `authorize` included; more are refused with 503. Default: 1,024. */
  handshakes?: number;
  /**
   * How long a handshake may take, `authorize` included, before the connection is dropped; a client whose request is
   * there by then gets a 503. Default: 10,000.
   */
  handshakeTimeout?: number;
  /**
   * How many proxies of your own stand before the gateway, each adding the address it sees to `X-Forwarded-For`.
   * Default: 0, the header is not looked at.
   */
  trustedProxies?: number;
  /** Refuses new connections with 503 while the process holds more memory than this, in bytes. Default: no limit. */
  memory?: number;
  /** The earliest and the latest time at which a refused client is told to come back. Default: `[1_000, 10_000]`. */
  retryAfter?: readonly [least: number, most: number];
  /** How many native threads serve sockets. Default: 0, one for each core. */
  lanes?: number;
  /** How long such a thread writes before it looks at reads, pings, closes and newcomers again. */
  slice?: {
    /** Default: 512. */
    deliveries?: number;
    /** Default: 0.5. */
    time?: number;
  };
  /** The largest message that a client may send, in bytes; a larger one closes it with 1009. Default: 65,536. */
  maxMessage?: number;
  /** The most subscriptions that a client of the JSON protocol may make itself. Default: 100. */
  maxSubscriptions?: number;
  /** The most topics and patterns that it may follow by these, taken together. Default: 1,000. */
  maxTopics?: number;
  /** The largest WebSocket fragment, in bytes of payload, from 1,024 to 16 MiB. Default: 65,536. */
  fragment?: number;
  /** How many bytes the system takes for a socket beyond what is on its way. Default: 131,072. */
  unsent?: number;
  /** When a client from which nothing was heard is pinged, and how long it may take to answer. */
  ping?: {
    /** Default: 25,000. */
    every: number;
    /** Default: 20,000. */
    timeout: number;
  };
  /** How long a socket may take no byte of what waits for it before it is closed. Default: 30,000. */
  writeTimeout?: number;
  /** How long the answer to a close frame is waited for. Default: 5,000. */
  closeTimeout?: number;
}

/** The request of a client that wants to come in. */
export interface GatewayRequest {
  /** How it wants its events. */
  readonly transport: 'websocket' | 'sse';
  /** Its IP address: the peer's, or the one that {@link GatewayLimits.trustedProxies} report. */
  readonly address: string;
  /** The path and the query, as they were sent. */
  readonly url: string;
  /** The path, as it was sent: percent-encoded. */
  readonly path: string;
  /** What stands behind the `?`, as it was sent. */
  readonly query: string | undefined;
  /** The query, decoded. */
  readonly searchParams: URLSearchParams;
  /** All headers, by names in lower case. Several of one name are joined by `, `, cookies by `; `. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** One header, by its name in any case. */
  header(name: string): string | undefined;
  /**
   * The site whose page a browser connects from. Browsers send cookies along with WebSockets of any site: who lets
   * clients in by a cookie has to look at this.
   */
  readonly origin: string | undefined;
  /** The token of an `Authorization: Bearer` header. */
  readonly bearer: string | undefined;
  /** The WebSocket subprotocols that the client offers, best first. */
  readonly protocols: string[];
  /** Where a returning client of server-sent events stopped. The gateway resumes from there by itself. */
  readonly lastEventId: string | undefined;
  /**
   * Aborted when nobody waits for the answer any more: the client left, its handshake took too long, or the gateway was
   * closed.
   */
  readonly signal: AbortSignal;
}

/** What a client is subscribed to: topics, patterns, a filter, and how it is served. */
export interface ClientSubscription extends NamesOf, Omit<SelectorOptions, 'from'> {
  /**
   * Where it starts, instead of now: a position in its one topic, or one for each topic. Where that is not held any
   * more it starts now, and the client is told, if it speaks a protocol in which it can be.
   */
  from?: SelectorOptions['from'];
}

/**
 * A client is let in: what it sees, and what the application keeps with it.
 *
 * The fields of a subscription may stand in it directly. A list of topics that is empty lets a client in that sees
 * nothing yet.
 */
export interface Accept<Session = unknown> extends ClientSubscription {
  /** Any value; it comes back, the same, as `client.session`. It is let go of when the client cannot come back. */
  session?: Session;
  /**
   * Further subscriptions, each with an order, a budget and positions of its own. An event that several of them admit
   * comes once for each.
   */
  subscriptions?: readonly (string | readonly string[] | ClientSubscription)[];
  /** In the JSON protocol: patterns of topics that the client may subscribe to by itself, without a question. */
  allow?: string | readonly string[];
  /** The WebSocket subprotocol of the answer: one that the client offered. */
  protocol?: string;
  /**
   * How payloads become messages on plain WebSockets: text where they are UTF-8, or always binary.
   * Default: `'auto'`.
   */
  format?: 'auto' | 'binary';
  /**
   * What becomes of a plain WebSocket that missed events: it is closed with code 1013, so that it comes back and loads
   * what it needs, or goes on and does not know. Default: `'close'`.
   */
  onLag?: 'close' | 'continue';
  /** Headers of the answer. Those of the connection itself are left out. */
  headers?: HeadersLike;
  /**
   * In the JSON protocol, for how many milliseconds after its connection ended the client may come back without a call
   * of `authorize`, with the same session and subscriptions. Whoever has the ticket is that client: over TLS only.
   * `client.close()` makes it worthless. Default: it gets none.
   */
  ticket?: number;
}

/** Headers: an object, a `Headers`, or pairs. */
export type HeadersLike =
  | Record<string, string | number | readonly (string | number)[]>
  | Iterable<readonly [string, string | number]>;

/** What a client of the JSON protocol wishes to subscribe to. */
export interface Wish {
  readonly topics: readonly string[];
  readonly patterns: readonly string[];
}

/** What `onSubscribe` answers. */
export type GrantedWish = boolean | Denial | ClientSubscription;

/** A connected client. It outlives the connection, and then does nothing. */
export interface GatewayClient<Session = unknown> {
  /** Names the connection among all that this gateway ever had. */
  readonly id: number;
  /** What `authorize` gave it. */
  readonly session: Session;
  /**
   * Sends a message to this client alone, before any event that waits for it: a text, bytes, or a value as JSON. In
   * the JSON protocol it becomes a `message`; a client of server-sent events gets none. It is not an event: nobody
   * keeps it for a client that has gone. One that lets more than 64 KiB of such messages wait is closed as too slow.
   *
   * @returns `false` when the client is known to have gone
   */
  send(message: string | Uint8Array | object | number | boolean | null): boolean;
  /**
   * Subscribes the client to more, whatever it speaks. In force before anything that is sent to it afterwards.
   *
   * @returns a number for {@link unsubscribe}; 0 when the client is known to have gone
   */
  subscribe(selector: string | readonly string[] | ClientSubscription): number;
  /** Ends a subscription that {@link subscribe} made. */
  unsubscribe(subscription: number): boolean;
  /**
   * Closes the connection with code 1000. Its ticket is worthless from then on.
   *
   * @param reason at most 123 bytes, which the client is told
   */
  close(reason?: string): boolean;
  /**
   * Closes the connection for now, because the application cannot keep up with what this client says: with code 1013,
   * which tells it to come back later. Its ticket stays good.
   *
   * @param reason at most 123 bytes, which the client is told
   */
  turnAway(reason?: string): boolean;
}

/** Why a connection ended. */
export interface Ended {
  reason: EndReason;
  /** The code that a WebSocket is closed with for this reason. */
  code: number;
}

/**
 * - `left`: the client said goodbye.
 * - `broken`: the connection broke.
 * - `protocol_error`, `not_text`, `too_large`, `unwanted`: the client broke the protocol, sent what was no text in a
 *   text message, sent more than it may, spoke where nobody listens.
 * - `silent`: it did not answer a ping in time. `write_timeout`: it took nothing of what waited for it in time.
 * - `slow`: it did not keep up. `lagged`: it missed events and could not be told.
 * - `application`: `client.close()`. `overloaded`: `client.turnAway()`, or it said more than {@link GatewayOptions.backlog}.
 * - `drained`, `closed`: the gateway or the hub was. `panicked`: a fault of the gateway's.
 */
export type EndReason =
  | 'left'
  | 'broken'
  | 'protocol_error'
  | 'not_text'
  | 'too_large'
  | 'unwanted'
  | 'silent'
  | 'write_timeout'
  | 'slow'
  | 'lagged'
  | 'application'
  | 'overloaded'
  | 'panicked'
  | 'drained'
  | 'closed';

/** Why a connection was turned away. */
export type RefusalReason =
  | 'draining'
  | 'memory'
  | 'descriptors'
  | 'connections'
  | 'handshakes'
  | 'rate'
  | 'address_connections'
  | 'address_rate'
  | 'not_found'
  | 'method'
  | 'bad_request'
  | 'application'
  | 'panicked'
  | 'timeout'
  | 'broken';

/** The counters of a gateway, from its start. Durations are milliseconds. */
export interface GatewayStats {
  /** Connections that are served now. */
  open: number;
  /** Of these, connections that take no more at the moment. */
  stalled: number;
  /** Of these, connections that have been told goodbye. */
  closing: number;
  /** Connections let in so far. */
  opened: number;
  /** Bytes that the system took for sockets. */
  bytesWritten: number;
  /** How often something was written to a socket. */
  writes: number;
  /** Frames made: each once per event and kind, however many sockets it goes to. */
  framesMade: number;
  /** Messages that clients sent. */
  messagesRead: number;
  /** Clients told, or closed for it, that they missed events. */
  lagTold: number;
  /** Attempts to write to a socket that had been closed. Stays 0. */
  closedWrites: number;
  /** Connections accepted from the listening socket. */
  accepted: number;
  /** Errors of the listening socket, such as having no descriptor left. */
  acceptErrors: number;
  /** Handshakes under way. */
  handshaking: number;
  /** Clients let in by a ticket. */
  returned: number;
  /** Connections turned away without an answer, because too many others were just being answered. */
  unanswered: number;
  /** The share of open connections that single events were sent to, from 0 to 1. */
  share: { last: number; max: number; sum: number };
  /** How long what clients sent may have waited until a thread looked at it, at most. */
  readWait: Durations;
  /** From the posting of a command (a message, a subscription, a close) until it was carried out. */
  commandWait: Durations;
  /** How many connections have ended for each reason. */
  ended: Record<EndReason, number>;
  /** How many connections were turned away for each reason. */
  refused: Record<RefusalReason, number>;
}

/** A client is turned away: what {@link reject} makes. */
export interface Rejection {
  readonly status: number;
}

/**
 * Turns a client away.
 *
 * @param status 300 to 599
 */
export function reject(status: number, options?: RejectOptions): Rejection;

export interface RejectOptions {
  /** Headers of the answer. Those of the connection itself are left out. */
  headers?: HeadersLike;
  /** A text for people, sent as `text/plain`. */
  body?: string;
  /** When to come back, in milliseconds; the client is told whole seconds, rounded up. */
  retryAfter?: number;
}

/** A wish is not granted: what {@link deny} makes. */
export interface Denial {
  readonly reason: string;
}

/** Denies what a client wished to subscribe to, with a reason that it is told. */
export function deny(reason?: string): Denial;
