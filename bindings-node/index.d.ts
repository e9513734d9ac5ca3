/**
 * Fan-out inside a Node server: one event to every subscriber who asked for it, and to nobody else.
 *
 * @packageDocumentation
 */

import type { Moving } from './migration';
import type { Pipe, PipeOptions, PipeSocket, PipeStats } from './pipe';

export * from './gateway';
export * from './migration';
export * from './pipe';

/** The topics of a {@link Hub} and the type of their payloads, as in `Hub<{ 'order.changed': Order }>`. */
export type Topics = object;

/** The names of the topics. */
export type TopicOf<T extends Topics> = keyof T & string;

/** What JSON can say. A `BigInt` is written as an integer with all its digits. */
export type Json = string | number | bigint | boolean | null | { readonly [key: string]: Json | undefined } | readonly Json[];

/** Bytes that are published as they are. */
export type Bytes = ArrayBufferView | ArrayBufferLike;

/**
 * One published event: one object for all subscribers of this event loop who get it at the same time. It is immutable;
 * whatever it has is made when it is first asked for.
 */
export interface Event<P = any, K extends string = string> {
  /** The topic that it was published to. */
  readonly topic: K;
  /**
   * The payload. All subscribers have the same memory: read it, and never write to it. Small payloads lie in a
   * common slab of 16 KiB, which lives as long as any of them; copy what you keep for long.
   */
  readonly data: Buffer;
  /** The length of the payload in bytes. */
  readonly byteLength: number;
  /** The payload as UTF-8 text. */
  text(): string;
  /**
   * The payload parsed as JSON: parsed once, and the same object for all subscribers, so do not change it.
   * Throws with the code `ERR_NOT_JSON` if it is not JSON.
   */
  json(): P;
  /** The conflation key, or undefined. */
  readonly key: string | undefined;
  /**
   * The scalars that were given beside the payload. An integer that a number cannot hold exactly is a BigInt; a name
   * that was given several times has a list.
   */
  readonly attributes: { readonly [name: string]: Scalar | readonly Scalar[] };
  /** Where it stands in its topic. Subscribe {@link SelectorOptions.from} there to get what follows. */
  readonly position: string;
  /** When it was published: milliseconds since 1970, with a fraction. */
  readonly publishedAt: number;
}

/** What is an {@link Event}, for `instanceof`. */
export const Event: { readonly prototype: Event; [Symbol.hasInstance](value: unknown): value is Event };

/** The event of a topic of a typed hub; of several topics, their union, told apart by `topic`. */
export type EventOf<T extends Topics, K extends TopicOf<T> = TopicOf<T>> = K extends unknown ? Event<T[K], K> : never;

/** What an attribute may be. */
export type Scalar = string | number | bigint | boolean | null;

/** What gives way when a subscription does not keep up with its budget. */
export type Overflow =
  /** The oldest unread events; the subscriber is told how many it missed. */
  | 'drop-oldest'
  /** The newest ones: what waits stays. Costs a queue for each such subscription. */
  | 'drop-newest'
  /** The subscription: it is closed, and told so. */
  | 'disconnect'
  /** Older unread events of the same `key`; if that is not enough, the oldest. */
  | 'keep-latest';

/** How much may wait. */
export interface Budget {
  /** Events. Default: 1,024. */
  events?: number;
  /** Bytes, counting payloads and what an event costs beside. Default: 64 MiB. */
  bytes?: number;
  /** Milliseconds after which an unread event is dropped. Default: any. */
  age?: number;
}

/** What the topics that match a pattern keep for subscribers who come back. */
export interface HistoryRule extends Budget {
  /** A pattern. The first rule that matches a topic applies. */
  topics: string;
}

/** How this event loop is served: each loop that joins a hub has its own. */
export interface LoopOptions {
  /**
   * How long deliveries may take before the loop gets its turn, in milliseconds, with what subscribers do about them in
   * the same turn. Default: 4.
   */
  slice?: number;
  /**
   * Payloads of so many bytes and more are not copied: their `data` is the engine's own memory, shared with other
   * threads and the gateway. Nobody may write to it. `Infinity` copies all. Default: 65,536.
   */
  shareFrom?: number;
}

export interface HubOptions extends LoopOptions {
  /** What gives way in subscriptions that do not say themselves. Default: `'drop-oldest'`. */
  overflow?: Overflow;
  /** How much may wait in subscriptions that do not say themselves. */
  budget?: Budget;
  /** How much the hub may hold in all, in bytes; over it, older halves of what waits give way. Default: 1 GiB. */
  bytes?: number;
  /** Topics that keep history. Default: none. */
  history?: readonly HistoryRule[];
  /** How many topics may be counted by themselves, see {@link Hub.countTopic}. Default: 1,000. */
  topicCounters?: number;
  /** Refuses filters that every event would have to be tried against. Default: false. */
  strictFilters?: boolean;
  /**
   * A Redis or Valkey server that joins this hub with those of other processes and machines; with {@link Moving}, topics
   * can be moved away from it while they are in use. Default: none.
   */
  redis?: string | RedisOptions | Moving;
}

/**
 * How safely events of a topic travel between machines:
 *
 * - `'live'`: at most once, as Redis' own pub/sub does;
 * - `'replay'`: kept in a log, from which whoever was cut off reads what it missed;
 * - `'durable'`: that, and confirmed by a replica before the publisher is told.
 */
export type RedisMode = 'live' | 'replay' | 'durable';

/**
 * A Redis or Valkey server, and how events travel over it. Give `url` or `urls`: `redis://[user[:password]@]host[:port][/database]`, or `rediss://` for TLS.
 *
 * A server that cannot be reached is no error: it is looked for as long as the hub lives, and {@link Hub.health} says so.
 */
export interface RedisOptions {
  /** Of the one server. */
  url?: string;
  /** Of Sentinels or of nodes of a cluster; they differ in host and port alone. */
  urls?: readonly string[];
  /** The URLs are of Sentinels, which know the master of this name. */
  sentinel?: string;
  /** For the Sentinels themselves. Default: those of the URLs. */
  sentinelCredentials?: { user: string; password: string };
  /** The URLs are of nodes of a cluster; the others are found. */
  cluster?: boolean;
  /** Publishes to the node that has the topic's slot, and not to all of them. There are no patterns then. */
  sharded?: boolean;
  /** How events travel: patterns and modes. The first pattern that matches a topic counts; other topics are live. */
  modes?: { readonly [topics: string]: RedisMode };
  /**
   * Patterns of live topics that nobody but hubs listens to: their events carry what lets a hub count what it missed,
   * and keys and attributes.
   */
  envelope?: readonly string[];
  /** Events that a topic's log keeps, about. Default: 10,000. */
  logLength?: number;
  /** Milliseconds that a durable event may wait for a replica once the log has it. Default: 500. */
  replicaWait?: number;
  /** Bytes that may wait to be sent. Default: 16 MiB. */
  queueBytes?: number;
  /** Milliseconds after which what waits to be sent is given up. Default: 10,000. */
  queueDeadline?: number;
  /**
   * Milliseconds that a topic is still listened to after its last subscription has gone, so that whoever comes back costs
   * nothing; 0 gives it up at once. Default: 2,000.
   */
  linger?: number;
  /** How many hubs there are, for the pace of coming back together. Default: it is counted. */
  fleet?: number;
  /** What the server calls the connections. Default: `distributary-` and the hub's number. */
  clientName?: string;
  /**
   * Certificates to trust instead of the system's, in PEM, as `ca` of `tls.connect`: the content of a file and not its name.
   * Default: the system's, where `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
   */
  rootCertificates?: string | Uint8Array | readonly (string | Uint8Array)[];
}

export interface PublishOptions {
  /**
   * Scalars for filters to look at. With any given, filters look at them alone, and the payload is not parsed. A list
   * is several values of one name.
   */
  attributes?: { readonly [name: string]: Scalar | readonly Scalar[] };
  /** Under `'keep-latest'` this event takes the place of unread older ones with the same key. */
  key?: string;
  /**
   * Gives a Buffer of {@link Hub.allocate} away without a copy: it is detached, and of no more use here. Only for bytes
   * that came from there, and that nobody writes to any more: what reads a file into them has to be done. The memory
   * comes back when nobody has the event any more and the loop has turned.
   */
  transfer?: boolean;
}

/** What became of a published event. */
export interface Delivery {
  /** Subscriptions that it reached, in all threads. Each gets it, unless its budget is spent before. */
  readonly subscriptions: number;
  /** Distinct selectors among them. */
  readonly feeds: number;
  /** The share of all live subscriptions that is, from 0 to 1. */
  readonly share: number;
  /** Its position in its topic; null when nobody asked for it and the topic keeps no history: there is no event then. */
  readonly position: string | null;
  /**
   * What became of the part that concerns other machines: there are none (`'none'`); it is on its way, or waits for its
   * turn (`'queued'`); or why it reached the subscribers of this process and nobody else.
   */
  readonly forwarding: 'none' | 'queued' | ForwardKind;
}

/**
 * Why an event did not reach other machines, or may not have:
 *
 * - `'full'`: as many bytes wait to be sent as may wait; `'expired'`: it waited for its deadline;
 * - `'unconfirmed'`: the connection broke before the server answered: it may have arrived;
 * - `'rejected'`: the server refused it; `'unsupported'`: it cannot be carried in its topic's mode;
 * - `'not-kept'`: the server is out of memory and refused it: nobody elsewhere has it, publish it again later;
 * - `'not-replicated'`: the log has it, but no replica said so in time;
 * - `'closed'`: the hub was closed before it was sent.
 */
export type ForwardKind =
  | 'full'
  | 'expired'
  | 'unconfirmed'
  | 'rejected'
  | 'not-kept'
  | 'not-replicated'
  | 'unsupported'
  | 'closed';

/** An event that reached the backplane, as safely as its mode asks for. */
export interface Acknowledged {
  /** Listeners that the server counted: connections of other machines, in a cluster of one node alone. */
  readonly heard: number;
  /** Its number in the log of its topic, in the modes that keep one. */
  readonly number: number | null;
  /** What became of it in this process. */
  readonly delivery: Delivery;
}

/** How a backplane is, as of when it was asked. */
export interface Health {
  /**
   * The worst of what the reasons say: as it should be, or there is no backplane; it works, and something is not as it
   * should be; nothing comes and nothing goes, and this process' own events reach its own subscribers.
   */
  condition: HealthCondition;
  /** Everything that is not as it should be. Empty when all is well. */
  reasons: { code: string; condition: HealthCondition; text: string }[];
  /**
   * How late probes were, from publish over the whole path and back to this hub, in milliseconds; `late` counts those
   * beyond 900.
   */
  lag: { p50: number; p99: number; max: number; late: number };
  /** What has been counted since the hub was made. */
  counts: HealthCounts;
  /** Bytes that wait to be sent. */
  queuedBytes: number;
  /** Names that are wanted, and not yet heard. */
  joining: number;
}

export type HealthCondition = 'ok' | 'degraded' | 'away';

export interface HealthCounts {
  /** Events that came from other hubs and were handed on. */
  arrived: number;
  /** Events that the server confirmed. */
  sent: number;
  /** Events that were refused, expired or stayed unconfirmed. */
  failed: number;
  /** Events that were acknowledged, and that a server which took over may lack. */
  voided: number;
  /** Stretches that were found missing, and could not be repaired. */
  gaps: number;
  /** Events in them, where they could be counted. */
  lost: number;
  /** Events that were missing and were read from a log. */
  repaired: number;
  /** Events that came a second time and were let go. */
  duplicates: number;
  /**
   * Messages, and entries of logs, that could not be read: of a later version, damaged, or of somebody else. What is
   * lost by it is in the figures above as well.
   */
  unreadable: number;
  /** Attempts to connect. */
  attempts: number;
  /** Those that succeeded. */
  connections: number;
}

/** Who gets which events, beside the topics, and how they are kept. */
export interface SelectorOptions {
  /** A condition on the payload's fields, or on the attributes. */
  where?: Where;
  /** Values for the variables of `where`. */
  variables?: Variables;
  /** What gives way when this subscription does not keep up. Default: what the hub says. */
  overflow?: Overflow;
  /** How much may wait for it. What is not said, a part of it as well, is as the hub says. */
  budget?: Budget;
  /**
   * Starts after this position, which has to be of the one topic that is asked for; or after these, topic by topic,
   * where topics without one start now. Throws with the code `ERR_POSITION` if what follows cannot be had.
   */
  from?: string | { readonly [topic: string]: string };
}

/** Topics by name, and patterns: Redis globs (`*`, `?`, `[a-z]`, `\`) over topic names. */
export interface NamesOf<K extends string = string> {
  topics?: K | readonly K[];
  patterns?: string | readonly string[];
}

/** Topics, or topics and patterns. */
export type Names<K extends string = string> = K | readonly K[] | NamesOf<K>;

export interface SubscribeOptions extends SelectorOptions {
  /**
   * What is done when events are missed.
   *
   * - `'throw'` (default): `next()` rejects once with a {@link LaggedError}; the call after it goes on. A `for await`
   *   loop ends by it: load the current state and subscribe again.
   * - `'skip'`: nothing; they are counted in {@link Subscription.missed}.
   * - a function: it is called with their number, in the place where they would have come.
   */
  onLag?: 'throw' | 'skip' | ((missed: number) => void);
  /** Ends the subscription; whoever waits, or reads next, gets its reason thrown. */
  signal?: AbortSignal;
}

export interface ListenerOptions extends SelectorOptions {
  /** Called with the number of events that were missed. Without it, the first time is a warning of the process. */
  onLag?: (missed: number) => void;
  /**
   * Called with what the handler has thrown, or the promise that it returned was rejected with. Without it, that is an
   * uncaught exception (or an unhandled rejection), as with the listeners of an EventEmitter. The handler stays
   * subscribed either way, and the others are served.
   */
  onError?: (error: unknown) => void;
  /** Called once when it has ended, however. */
  onClose?: (how: Closed) => void;
  /** Ends it. */
  signal?: AbortSignal;
}

/**
 * How a subscription ended:
 *
 * - `'closed'`: by `close()`, `return()`, `off()`, the end of a `for await` loop, or because nobody held it any more;
 * - `'aborted'`: by its signal;
 * - `'slow-consumer'`: it did not keep up, under the policy `'disconnect'`;
 * - `'lost'`: events were lost on their way from other machines, under the policy `'disconnect'`;
 * - `'hub-closed'`: the hub was closed;
 * - `'failed'`: the engine failed it.
 */
export interface Closed {
  readonly reason: 'closed' | 'aborted' | 'slow-consumer' | 'lost' | 'hub-closed' | 'failed';
}

/**
 * The events of a selector, to be pulled.
 *
 * ```js
 * for await (const event of hub.subscribe('orders')) console.log(event.json());
 * ```
 *
 * Events that are not read wait in the engine, once for all who wait for them, under the subscription's policy and
 * budget. A subscription does not keep the process alive. Once nobody holds it, it is undone;
 * an `onLag` that refers to it holds it, and then it has to be closed.
 */
export interface Subscription<E extends Event = Event> extends AsyncIterableIterator<E, undefined> {
  /**
   * The next event. It may be called again before it has settled: the promises settle in order.
   *
   * Rejects with `ERR_LAGGED` (see {@link SubscribeOptions.onLag}), once with `ERR_SLOW_CONSUMER` or
   * `ERR_EVENTS_LOST`, and once with the reason of the signal; after that, and when it was closed, it is done.
   */
  next(): Promise<IteratorResult<E, undefined>>;
  /** Ends it. Whoever waits for `next()` is told that it is done. */
  return(value?: any): Promise<IteratorResult<E, any>>;
  /** Ends it, and rejects with this. */
  throw(error?: unknown): Promise<IteratorResult<E, undefined>>;
  /** Ends it: when this returns, nothing more comes out, and what has not been read is dropped. */
  close(): void;

  /**
   * The same subscription, read in batches: whatever is there, at least one event and at most `max` (1,024). Ending the
   * loop ends the subscription.
   */
  batches(options?: { max?: number }): AsyncIterableIterator<E[]> & AsyncDisposable & Disposable;

  /** Adds topics or patterns; in force when this returns. How many were not there already. */
  add(names: Names): number;
  /**
   * Removes topics or patterns: nothing of them comes any more when this returns, unless another name covers it. How
   * many were there. The last one cannot be removed: close the subscription instead.
   */
  remove(names: Names): number;
  /** The topics it has now. */
  readonly topics: string[];
  /** The patterns it has now. */
  readonly patterns: string[];

  /** Events that wait to be read. */
  readonly lag: number;
  /** Events that were missed and told of so far. */
  readonly missed: number;
  /** How it ended, or null. What came before the end can still be read. */
  readonly closed: Closed | null;
  /** Resolves when it has ended; never rejects. */
  readonly ended: Promise<Closed>;

  [Symbol.asyncIterator](): this;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A handler of {@link Hub.on}. */
export interface Listener {
  /** Ends it: the handler is not called after this returns. */
  off(): void;
  /** Adds topics or patterns, as {@link Subscription.add}. */
  add(names: Names): number;
  /** Removes topics or patterns, as {@link Subscription.remove}. */
  remove(names: Names): number;
  /** The topics it has now. */
  readonly topics: string[];
  /** The patterns it has now. */
  readonly patterns: string[];
  /** Events that wait for it. */
  readonly lag: number;
  /** Events that it was told it missed. */
  readonly missed: number;
  /** How it ended, or null. */
  readonly closed: Closed | null;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The engine: where events are published and asked for.
 *
 * ```ts
 * const hub = new Hub<{ 'order.changed': Order }>();
 * hub.on({ topics: 'order.changed', where: { customer: [42] } }, (event) => console.log(event.json().total));
 * hub.publish('order.changed', { id: 7, customer: 42, total: 12.5 });
 * ```
 *
 * Each event loop that uses it has a lane of its own: deliveries come in slices, between which the loop gets its turn,
 * and never inside `publish`. Subscriptions do not keep the process alive; what has been published to them is
 * delivered before it ends by itself.
 */
export class Hub<T extends Topics = Record<string, any>> implements Disposable, AsyncDisposable {
  constructor(options?: HubOptions);

  /**
   * Joins the hub of another thread of this process: the same engine, served on this thread's loop.
   *
   * Throws with the code `ERR_NO_HUB` if nobody holds that hub any more.
   *
   * @param token from {@link Hub.share}
   */
  static join<T extends Topics = Record<string, any>>(token: string, options?: LoopOptions): Hub<T>;

  /**
   * A Buffer that can be published without a copy, see {@link PublishOptions.transfer}. It is filled with zeros.
   *
   * @param size in bytes
   */
  static allocate(size: number): Buffer;

  /** A token for {@link Hub.join}, to be handed to worker threads. It does not keep the hub alive. */
  share(): string;

  /**
   * Publishes to everybody who asked for the topic. Never waits, and calls nobody.
   *
   * @param payload bytes and strings as they are; anything else as JSON. Bytes are copied: they may be used again.
   */
  publish<K extends TopicOf<T>>(topic: K, payload: T[K] | Bytes, options?: PublishOptions): Delivery;

  /**
   * As {@link publish}, and tells what becomes of the event on other machines. Subscribers of this process have it when
   * this returns. Without a backplane it resolves at once.
   *
   * Rejects with a {@link ForwardError} if it did not reach the other machines, or may not have.
   */
  publishAcknowledged<K extends TopicOf<T>>(
    topic: K,
    payload: T[K] | Bytes,
    options?: Omit<PublishOptions, 'transfer'>,
  ): Promise<Acknowledged>;

  /**
   * Waits until all that this hub listens to now is also heard from other machines; without a backplane, not at all. A
   * subscription is in force for this process when `subscribe` returns, for others when this has been waited for.
   *
   * Resolves to false after `timeout` milliseconds, and when the hub is closed before. Rejects with a {@link NotHeardError}
   * if the server does not let the hub hear some of the names; the others are heard.
   */
  joined(options?: { timeout?: number }): Promise<boolean>;

  /** How the backplane is. Without one, all is well. */
  health(): Health;

  /**
   * The health now, and again whenever its condition or its reasons change. Ends with the hub or the signal, and without
   * a backplane after the first. It does not keep the process alive.
   */
  healthChanges(options?: { signal?: AbortSignal }): AsyncIterableIterator<Health, undefined>;

  /** Subscribes. In force when this returns: what is published after it is delivered, or told as missed. */
  subscribe<K extends TopicOf<T>>(
    topics: K | readonly K[] | ({ topics: K | readonly K[]; patterns?: readonly [] } & SubscribeOptions),
    options?: SubscribeOptions,
  ): Subscription<EventOf<T, K>>;
  subscribe(selector: NamesOf<TopicOf<T>> & SubscribeOptions, options?: SubscribeOptions): Subscription<EventOf<T>>;

  /** Calls a handler for each event, in turn, on this loop. */
  on<K extends TopicOf<T>>(
    topics: K | readonly K[] | ({ topics: K | readonly K[]; patterns?: readonly [] } & ListenerOptions),
    handler: (event: EventOf<T, K>) => unknown,
    options?: ListenerOptions,
  ): Listener;
  on(
    selector: NamesOf<TopicOf<T>> & ListenerOptions,
    handler: (event: EventOf<T>) => unknown,
    options?: ListenerOptions,
  ): Listener;

  /**
   * Sends the events of a selector to a socket: a WebSocket of `ws`, or any Writable. The frame is made once per event
   * and shared by all sockets that have the same function `frame`.
   */
  pipe<K extends TopicOf<T>>(
    topics: K | readonly K[] | ({ topics: K | readonly K[]; patterns?: readonly [] } & SelectorOptions),
    socket: PipeSocket,
    options?: PipeOptions<EventOf<T, K>> & SelectorOptions,
  ): Pipe;
  pipe(
    selector: NamesOf<TopicOf<T>> & SelectorOptions,
    socket: PipeSocket,
    options?: PipeOptions<EventOf<T>> & SelectorOptions,
  ): Pipe;

  /** What the pipes of this hub and this event loop have done. */
  pipeStats(): PipeStats;

  /** A snapshot of all counters of the engine, all threads together. Meant for every few seconds. */
  stats(): HubStats;

  /** The same as Prometheus reads it (text format 0.0.4). */
  prometheus(): string;

  /**
   * Where a topic that keeps history stands: whoever subscribes {@link SelectorOptions.from} here gets all that is
   * published from now on. Null where nothing is kept.
   */
  position(topic: TopicOf<T>): string | null;

  /** Counts a topic by itself from now on. Throws with the code `ERR_TOO_MANY`, see {@link HubOptions.topicCounters}. */
  countTopic(topic: TopicOf<T>): void;
  /** Stops counting a topic by itself. */
  uncountTopic(topic: TopicOf<T>): void;
  /** The counters of all topics that are counted by themselves, by name. */
  topicStats(): TopicStats[];

  /**
   * Ends the hub for all threads, at once. Subscriptions get what they have asked for, then their end; publishing and
   * subscribing throw with the code `ERR_CLOSED`.
   *
   * The promise is resolved once what waited for other machines has gone out or was given up, after two seconds at most;
   * the process does not end by itself before that.
   */
  close(): Promise<void>;
  /** Whether it was closed, here or in another thread. */
  readonly closed: boolean;

  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Counters of a hub. Counts run from its start. */
export interface HubStats {
  /** Subscriptions alive now. */
  subscriptions: number;
  /** Topics known now. */
  topics: number;
  /** Distinct selectors alive now. */
  feeds: number;
  /** Patterns alive now. */
  patterns: number;
  /** Filters that are found through the index. */
  filtersIndexed: number;
  /** Filters that every event of their topic is tried against. */
  filtersScanned: number;
  /** What the indexes over filters take, in bytes. */
  indexBytes: number;
  /** Weight of all events alive, in bytes. */
  bytesHeld: number;
  /** What the queues take themselves to hold them, in bytes. */
  logBytes: number;
  /** Events published. */
  published: number;
  /** Of these, events that nobody asked for. */
  unmatched: number;
  /** Distinct selectors that admitted an event, summed over events. */
  matched: number;
  /** Subscriptions reached, summed over events. */
  reached: number;
  /** Events handed to subscribers' loops. */
  delivered: number;
  /** Events that subscribers were told they missed. */
  missed: number;
  /** Events whose payload some filter wanted to read and that is not a JSON object. */
  unreadable: number;
  /** Unread events pushed out by newer ones. */
  droppedOldest: number;
  /** Events refused by what is full. */
  droppedNewest: number;
  /** Unread events dropped for their age. */
  droppedStale: number;
  /** Unread events dropped because the whole hub was over its budget. */
  droppedPressed: number;
  /** Unread events replaced by a newer one with the same key. */
  conflated: number;
  /** Subscriptions closed as slow consumers. */
  slowClosed: number;
  /** Subscriptions that failed. */
  panicked: number;
  /** Deliveries to a socket that had been closed. Stays 0. */
  closedWrites: number;
  /** The share of live subscriptions that single events reached, from 0 to 1. */
  share: { last: number; max: number; sum: number };
  /** From publish until the last subscription of a selector had the event. */
  drain: Durations;
  /** How long commands to a loop have waited there. */
  controlWait: Durations;
}

/** How long something took, in milliseconds. */
export interface Durations {
  count: number;
  sum: number;
  max: number;
  p50: number;
  p99: number;
}

/** What a topic has seen since it was asked to be counted. */
export interface TopicStats {
  topic: string;
  published: number;
  matched: number;
  reached: number;
  /** Payload bytes published. */
  bytes: number;
}

/** Values for the variables of a filter. A list stands for any of its values. */
export interface Variables {
  readonly [name: string]: Scalar | readonly Scalar[] | undefined;
}

/** A variable in a filter. With `optional`, its condition is dropped where it has no value. */
export interface Variable {
  $var: string;
  optional?: boolean;
}

type Text = string | Variable;
type Texts = Text | readonly Text[];
type Bound = number | bigint | Variable;
type Comparison = '<' | '<=' | '=' | '>=' | '>';

/** A test of a field, other than being equal to something. */
export type Operator =
  | { prefix: Text | { 'equals-ignore-case': Text } }
  | { suffix: Text | { 'equals-ignore-case': Text } }
  | { 'equals-ignore-case': Text }
  | { wildcard: Text }
  | { numeric: readonly [Comparison, Bound] | readonly [Comparison, Bound, Comparison, Bound] }
  | { cidr: Text }
  | {
      'anything-but':
        | Scalar
        | Variable
        | readonly (Scalar | Variable)[]
        | { prefix: Texts }
        | { suffix: Texts }
        | { 'equals-ignore-case': Texts }
        | { wildcard: Texts };
    }
  | { exists: boolean };

/** What a field has to be: any of these. */
export type Alternatives = Scalar | Variable | readonly (Scalar | Variable | Operator)[];

/**
 * A condition on the fields of an event, in the language of AWS EventBridge: all fields have to hold, each by one of its
 * alternatives.
 *
 * ```js
 * { document: { id: [42] }, size: [{ numeric: ['>', 0] }], $or: [{ kind: 'edit' }, { kind: 'create' }] }
 * ```
 */
export interface Condition {
  readonly $or?: readonly Condition[];
  readonly $and?: readonly Condition[];
  readonly $not?: Condition;
  readonly [field: string]: Alternatives | Condition | readonly Condition[] | undefined;
}

/** A condition, its JSON text, or a compiled filter. */
export type Where = Condition | string | Filter;

/** A compiled condition. Immutable, and cheap to bind for each subscriber. */
export class Filter {
  /**
   * Throws a TypeError with the code `ERR_BAD_FILTER` or `ERR_BAD_VARIABLE`, whose message names the place.
   *
   * @param variables values for its variables; without them, {@link bind} has to be called before it can be used
   */
  constructor(where: Where, variables?: Variables);
  /** This filter with values for its variables. */
  bind(variables?: Variables): Filter;
  /** The names of variables that have no value yet. */
  readonly variables: readonly string[];
  /** Whether it admits everything. */
  readonly isAll: boolean;
  /** Whether events find it by look-ups alone; if not, each event is tried against it. */
  readonly isIndexed: boolean;
  /** How events find it, in words. */
  explain(): string;
  /** Whether both mean the same, as far as their form tells. */
  equals(other: Filter): boolean;
  /** Whether an event with this payload is admitted. */
  matches(payload: unknown): boolean;
}

/** An error of this package: `code` says which. Bad arguments are TypeErrors, with a `code` as well. */
export class DistributaryError extends Error {
  constructor(code: string, message: string, options?: ErrorOptions);
  readonly code: string;
}

/** An event that reached the subscribers of this process, and did not reach other machines, or may not have. */
export class ForwardError extends DistributaryError {
  constructor(kind: ForwardKind, message: string);
  readonly code: 'ERR_FORWARD';
  readonly kind: ForwardKind;
}

/** Names that the server of the backplane does not let the hub hear. All others are heard. */
export class NotHeardError extends DistributaryError {
  constructor(names: readonly string[], message: string);
  readonly code: 'ERR_NOT_HEARD';
  /** The topics and patterns. */
  readonly names: readonly string[];
}

/** Events of a subscription are gone; reading goes on behind them. */
export class LaggedError extends DistributaryError {
  constructor(missed: number);
  /** Exactly how many. */
  readonly missed: number;
}
