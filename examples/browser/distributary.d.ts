/** A client of the protocol `distributary.v1.json`. */

export interface Options {
  /**
   * Given to the application as the URL's parameter `token`: a text, or a function that
   * is asked before each attempt to connect.
   */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** Milliseconds: the wait before attempt n is random, below `base * 2 ** n` and `cap`. Default: 500. */
  base?: number;
  /** Default: 30,000. A connection that lasted for so long counts as a success. */
  cap?: number;
  /** Milliseconds until an unanswered handshake or ping is given up. Default: 20,000. */
  timeout?: number;
  /** The largest message that the server takes, in bytes. Default: 65,536. */
  maxMessage?: number;
  /** A number from 0 to below 1. Default: `Math.random`. */
  random?: () => number;
  /** The class to connect with. Default: the platform's. */
  WebSocket?: new (url: string, protocols: string[]) => object;
}

/** What to subscribe to. At least one topic or pattern. */
export interface Spec {
  topics?: string[];
  /** Redis globs over topics. */
  patterns?: string[];
  /** A filter over the fields of events. */
  where?: object;
  /** Values for the places of the filter that say `{"$var": "name"}`. */
  variables?: Record<string, Scalar | Scalar[]>;
  /** Positions to resume from, by topic. */
  from?: Record<string, string>;
  overflow?: "drop_oldest" | "drop_newest" | "keep_latest" | "disconnect";
  budget?: { events?: number; bytes?: number; age_ms?: number };
}

export type Scalar = string | number | boolean | null;

/** What was published: `data` if it is JSON, else `text` if it is text, else `bytes`. */
export interface Content {
  data?: unknown;
  text?: string;
  bytes?: Uint8Array;
}

export interface Event extends Content {
  topic: string;
  position: string;
  key?: string;
}

/** Events are gone: so many, or `null` when nobody knows how many. Load the state anew. */
export interface Lagged {
  missed: number | null;
  reason?: string;
}

/** What the server said no to: `denied`, `bad_request`, `too_many` or `unknown`. */
export interface ServerError extends Error {
  code: string;
  id?: number;
}

export interface Callbacks {
  onLagged?(lagged: Lagged): void;
  /** It is in force, for the first time or again. */
  onSubscribed?(subscribed: { at: Record<string, string> }): void;
  /** It has ended, by the server or with the client; unsubscribing does not call this. */
  onClosed?(reason: string): void;
  /** It was refused and is gone. Without this, the client's listeners for `error` are told. */
  onError?(error: ServerError): void;
}

export interface Subscription {
  readonly id: number;
  /** Nothing more is delivered once this has returned. */
  unsubscribe(): void;
}

export type State = "connecting" | "open" | "waiting" | "closed";

/** How the client stands, and why, as far as that can be seen. */
export interface StateChange {
  state: State;
  /** Milliseconds until the next attempt. */
  delay?: number;
  /** The code and the reason that the connection was closed with. */
  code?: number;
  reason?: string;
  /** The status of a refused handshake, with `ws` only. */
  status?: number;
  /** What went wrong: an error, or the event that stands for one. */
  cause?: unknown;
}

export interface Listeners {
  state(change: StateChange): void;
  /** What was refused or thrown. With no listener it is thrown where nobody catches it. */
  error(error: unknown): void;
  /** What the application says to this client alone. */
  message(content: Content): void;
  /** An event of a subscription that the application made for this client. */
  event(event: Event): void;
  /** The same subscriptions missed events. */
  lagged(lagged: Lagged): void;
  subscribed(subscribed: { at: Record<string, string> }): void;
}

export interface Client {
  readonly state: State;
  /** Subscribes, now or once it is connected, and again after each reconnect. */
  subscribe(spec: Spec, onEvent: (event: Event) => void, callbacks?: Callbacks): Subscription;
  /** Says something to the application. Throws unless the state is `open`. */
  send(data: unknown): void;
  /** Returns what takes the listener away again. */
  on<Name extends keyof Listeners>(name: Name, listener: Listeners[Name]): () => void;
  /** Closes the connection for good. */
  close(): void;
}

/** Connects, and goes on connecting until it is closed. Throws when `url` is none. */
export function connect(url: string | URL, options?: Options): Client;
