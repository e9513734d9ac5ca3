/// <reference types="node" />

import type { EventEmitter } from 'node:events';
// @ts-ignore: ioredis need not be installed by who does not use RedisPubSub
import type { Cluster, Redis, RedisOptions } from 'ioredis';

import type { Filter, Hub, RedisOptions as HubRedisOptions, Where } from './index';

/**
 * What happens to an iterator that is not read as fast as messages come, when its budget is used up:
 *
 * - `disconnect`: it is ended. What waits is given up, `next()` rejects once with an error whose `code` is
 *   `ERR_SLOW_CONSUMER`, and then it is done.
 * - `end`: the same without the error, as if there were no more messages: to GraphQL clients it is complete.
 * - `drop-oldest`, `drop-newest`: those messages are dropped, and the iterator goes on.
 * - `keep-latest`: a message takes the place of a waiting one with the same `key`; then as `drop-oldest`.
 */
export type Overflow = 'disconnect' | 'end' | 'drop-oldest' | 'drop-newest' | 'keep-latest';

/** How much may wait for one iterator. What is published in one turn of the event loop waits all at once. */
export interface Budget {
  /** Messages: 10,000 by default. */
  events?: number;
  /**
   * Bytes: 64 MiB by default. Messages from Redis count their length, objects about what they keep in memory:
   * strings two bytes a character, buffers their length; of large objects a sample is looked at. Objects that several
   * messages share count in each of them.
   */
  bytes?: number;
}

/** An iterator begins to lose messages, or was ended for being slow. */
export interface OverflowInfo {
  overflow: Overflow;
  /** The triggers of the iterator. */
  triggers: string[];
  /** How many messages wait. */
  events: number;
  /** What they weigh, about. */
  bytes: number;
}

/** What bounds the queues of iterators: for all of a PubSub, or for one. */
export interface QueueOptions {
  overflow?: Overflow;
  budget?: Budget;
  /** For `keep-latest`: what a message is about. Messages without a key (undefined, null) are all kept. */
  key?: (payload: any) => unknown;
  /**
   * Called when an iterator begins to lose messages, and again when it does so after it had caught up. Whether or not
   * it is given, the first overflow of a PubSub is a process warning (code `DISTRIBUTARY_OVERFLOW`).
   */
  onOverflow?: (info: OverflowInfo) => void;
}

/** Options of one iterator. */
export interface IteratorOptions extends QueueOptions {
  /** Only payloads that satisfy this are queued: it is asked before anything is, for all iterators in one look-up. */
  where?: Where;
  /** Values for the variables of `where`: strings, numbers, bigints, booleans, null, and lists of them. */
  variables?: object;
}

/** Options of one callback. */
export interface SubscribeOptions {
  where?: Where;
  variables?: object;
}

/** What `asyncIterator()` returns. It subscribes within its first `next()`; `return()` unsubscribes. */
export interface PubSubAsyncIterableIterator<T> extends AsyncIterableIterator<T> {
  next(): Promise<IteratorResult<T, any>>;
  return(): Promise<{ value: undefined; done: true }>;
  throw(error?: any): Promise<IteratorResult<T, any>>;
  [Symbol.asyncIterator](): this;
}

/** The base of every PubSub. A class that extends it and implements the three methods gets iterators. */
export abstract class PubSubEngine {
  abstract publish(triggerName: string, payload: any): Promise<void>;
  abstract subscribe(triggerName: string, onMessage: Function, options: Object): Promise<number>;
  abstract unsubscribe(subId: number): any;
  /** The same as {@link PubSubEngine.asyncIterableIterator}: the name of graphql-subscriptions 2. */
  asyncIterator<T = any>(triggers: string | readonly string[], options?: IteratorOptions): PubSubAsyncIterableIterator<T>;
  asyncIterableIterator<T = any>(
    triggers: string | readonly string[],
    options?: IteratorOptions,
  ): PubSubAsyncIterableIterator<T>;
}

export interface PubSubOptions extends QueueOptions {
  /** Where messages go through; what others emit there is delivered too. */
  eventEmitter?: EventEmitter;
}

/**
 * The in-process PubSub: payloads are handed on as they are, within `publish`.
 *
 * @typeParam Events the payload of each trigger
 */
export class PubSub<
  Events extends { [event: string]: unknown } = Record<string, never>,
> extends PubSubEngine {
  protected ee: EventEmitter;
  constructor(options?: PubSubOptions);
  /**
   * Delivers to all subscribers, in the order of subscribing, before it returns. If listeners throw, it throws the
   * first error when all have been served.
   */
  publish<K extends keyof Events>(
    triggerName: K & string,
    payload: Events[K] extends never ? any : Events[K],
  ): Promise<void>;
  subscribe<K extends keyof Events>(
    triggerName: K & string,
    onMessage: (...args: any[]) => void,
    options?: SubscribeOptions,
  ): Promise<number>;
  unsubscribe(subId: number): void;
}

/** A client of ioredis. */
export type RedisClient = Redis | Cluster;

/** What is used of a client: anything that has it will do. */
export interface RedisLike {
  publish(channel: string, message: any): any;
  subscribe(channel: string, callback: (error?: any, ...rest: any[]) => void): any;
  unsubscribe(channel: string): any;
  psubscribe(pattern: string, callback: (error?: any, ...rest: any[]) => void): any;
  punsubscribe(pattern: string): any;
  on(event: string, listener: (...args: any[]) => void): any;
  quit(): any;
}

export interface PubSubRedisOptions extends QueueOptions {
  /**
   * A hub in the place of ioredis: what joins it with other processes, or the hub itself, which then stays open. What this
   * process publishes reaches its own subscribers without Redis; others, with whatever client, are heard and hear as
   * before. In the place of `connection`, `publisher` and `subscriber`.
   */
  redis?: string | HubRedisOptions | Hub<any>;
  /** Given to ioredis, twice, where `publisher` and `subscriber` are not both given. */
  connection?: RedisOptions | string;
  /** On `connect` and `error` of clients that are made here; without it errors are logged. */
  connectionListener?: (err: Error) => void;
  publisher?: RedisClient | RedisLike;
  subscriber?: RedisClient | RedisLike;
  triggerTransform?: TriggerTransform;
  /** With it, or with a deserializer, messages are read before filters are asked. */
  reviver?: Reviver;
  serializer?: Serializer;
  deserializer?: Deserializer;
  messageEventName?: string;
  pmessageEventName?: string;
}

/** Options of one iterator or callback over Redis; they are handed to `triggerTransform` too. */
export interface ChannelOptions extends IteratorOptions {
  /** The trigger is a pattern. */
  pattern?: boolean;
  [option: string]: any;
}

/** The PubSub over Redis. */
export class RedisPubSub extends PubSubEngine {
  constructor(options?: PubSubRedisOptions);
  publish<T>(trigger: string, payload: T): Promise<void>;
  subscribe<T = any>(trigger: Trigger, onMessage: (message: T) => void, options?: ChannelOptions): Promise<number>;
  /** For classes that extend this one and declare their options as `unknown`. */
  subscribe<T = any>(trigger: Trigger, onMessage: (message: T) => void, options?: unknown): Promise<number>;
  unsubscribe(subId: number): void;
  asyncIterator<T = any>(triggers: string | readonly string[], options?: ChannelOptions): PubSubAsyncIterableIterator<T>;
  asyncIterator<T = any>(triggers: string | readonly string[], options?: unknown): PubSubAsyncIterableIterator<T>;
  asyncIterableIterator<T = any>(
    triggers: string | readonly string[],
    options?: ChannelOptions,
  ): PubSubAsyncIterableIterator<T>;
  asyncIterableIterator<T = any>(triggers: string | readonly string[], options?: unknown): PubSubAsyncIterableIterator<T>;
  getSubscriber(): RedisClient;
  getPublisher(): RedisClient;
  /** Ends all iterators and quits both clients. */
  close(): Promise<'OK'[]>;
}

export type Path = Array<string | number>;
export type Trigger = string | Path;
export type TriggerTransform = (trigger: Trigger, channelOptions?: any) => string;
export type Reviver = (key: any, value: any) => any;
export type Serializer = (source: any) => string | Buffer;
export type Deserializer = (source: any, context: { channel: string; pattern?: string }) => any;

/** A closure over payloads. Only `true`, or a promise of it, lets a payload through. */
export type FilterFn<TSource = any, TArgs = any, TContext = any> = (
  rootValue?: TSource,
  args?: TArgs,
  context?: TContext,
  info?: any,
) => boolean | Promise<boolean>;

export type ResolverFn<TSource = any, TArgs = any, TContext = any> = (
  rootValue?: TSource,
  args?: TArgs,
  context?: TContext,
  info?: any,
) => AsyncIterator<any> | Promise<AsyncIterator<any>>;

export type IterableResolverFn<TSource = any, TArgs = any, TContext = any> = (
  rootValue?: TSource,
  args?: TArgs,
  context?: TContext,
  info?: any,
) => AsyncIterableIterator<any> | Promise<AsyncIterableIterator<any>>;

/** A function of what a resolver is called with. */
export type FromResolver<T, TSource = any, TArgs = any, TContext = any> = (
  rootValue: TSource,
  args: TArgs,
  context: TContext,
  info: any,
) => T;

/** What makes the filter of each subscription: {@link where} and {@link whereArgs} return it. */
export interface FilterMaker<TSource = any, TArgs = any, TContext = any> {
  filter(rootValue: TSource, args: TArgs, context: TContext, info: any): Filter | Promise<Filter>;
}

/** A filter and the values of its variables, each as it is or as a function of what the resolver is called with. */
export interface FilterOptions<TSource = any, TArgs = any, TContext = any> {
  where: Where | FromResolver<Where | Promise<Where>, TSource, TArgs, TContext>;
  variables?: object | FromResolver<object | Promise<object>, TSource, TArgs, TContext>;
}

export type WithFilter<TSource = any, TArgs = any, TContext = any> = (
  asyncIteratorFn: ResolverFn<TSource, TArgs, TContext>,
  filterFn: FilterFn<TSource, TArgs, TContext>,
) => IterableResolverFn<TSource, TArgs, TContext>;

/**
 * A resolver whose iterator yields only what passes a filter.
 *
 * A **function** is a closure `(payload, args, context, info)`, as in graphql-subscriptions. It is asked once per
 * message and subscription, when the message is published and before it is queued.
 *
 * Anything else is a filter as data: all subscriptions of a trigger are asked together, in an index.
 *
 * ```js
 * // before: each message calls it for every subscriber
 * withFilter(() => pubsub.asyncIterator('ORDER'), (payload, args) => payload.order.id === args.id)
 * // after
 * withFilter(() => pubsub.asyncIterator('ORDER'), whereArgs({ 'order.id': 'id' }))
 * withFilter(() => pubsub.asyncIterator('ORDER'), {
 *   where: { 'order.id': { $var: 'id' }, 'order.total': [{ numeric: ['>', 100] }] },
 *   variables: (root, args) => args,
 * })
 * ```
 *
 * A function that *returns* a filter goes into {@link where}. It is not taken as it is, because nothing tells it from
 * a closure before a payload comes, and to take one for the other would let everything through or nothing. An object
 * with the key `where` is `{ where, variables }`: a filter on a field of that name is `{ where: { where: … } }`.
 *
 * Iterators of this package that have not begun are filtered before the queue. Others are read, and what they yield is
 * held against the filter.
 *
 * What it returns is the promise of an iterator, which can also be read at once.
 */
export function withFilter<TSource = any, TArgs = any, TContext = any>(
  asyncIteratorFn: ResolverFn<TSource, TArgs, TContext>,
  filterFn: FilterFn<TSource, TArgs, TContext>,
): IterableResolverFn<TSource, TArgs, TContext>;
export function withFilter<TSource = any, TArgs = any, TContext = any>(
  asyncIteratorFn: ResolverFn<TSource, TArgs, TContext>,
  filter: FilterMaker<TSource, TArgs, TContext> | FilterOptions<TSource, TArgs, TContext> | Where,
): IterableResolverFn<TSource, TArgs, TContext>;

/**
 * A filter that each subscription makes for itself, once, from what its resolver was called with.
 *
 * ```js
 * withFilter(() => pubsub.asyncIterator('ORDER'), where((root, args, context) => ({ 'order.user': context.user.id })))
 * ```
 *
 * What clients send should come in as a variable or through {@link whereArgs}: as a variable a value can never become
 * an operator of the filter.
 */
export function where<TSource = any, TArgs = any, TContext = any>(
  make: FromResolver<Where | Promise<Where>, TSource, TArgs, TContext>,
): FilterMaker<TSource, TArgs, TContext>;

/** The argument that a field is to equal. */
export interface ArgumentOptions {
  /** Its name, with dots for a part of it. */
  arg: string;
  /** Whether the field is not asked about where the argument is missing or null. */
  optional?: boolean;
  /**
   * Makes of the argument, or of each of a list, what the payload has: `Number`, `String`, `BigInt`, or a function.
   * What is no number to `Number` or `BigInt` is an error for the client, with the code `ERR_BAD_VARIABLE`.
   */
  as?: (value: any) => unknown;
}

/**
 * A filter for fields that equal arguments: what most closures say. Each field is given the name of an argument (with
 * dots for a part of it) or a function of what the resolver is called with.
 *
 * ```js
 * // (payload, args, context) => payload.order.id === args.id && payload.order.user === context.user.id
 * whereArgs({ 'order.id': 'id', 'order.user': (root, args, context) => context.user.id })
 * ```
 *
 * **Numbers and strings are two.** An argument of the type `ID` is a string: where the payload has a number, nothing
 * matches without `{ arg: 'id', as: Number }`.
 *
 * **A filter sees what JSON would show of a payload**: own enumerable fields, and what `toJSON` returns. Getters of a
 * class and fields of a prototype are not among them. If the payload has a list, one element that matches will do.
 *
 * A list admits each of its values, an empty one nothing. A missing argument is an error for the client; with `{ arg: 'id', optional: true }`
 * the field is then not asked about, also if the argument is null.
 */
export function whereArgs<TSource = any, TArgs = any, TContext = any>(
  fields: Record<string, string | ArgumentOptions | FromResolver<unknown, TSource, TArgs, TContext>>,
): FilterMaker<TSource, TArgs, TContext>;
