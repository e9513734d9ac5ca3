// What the types of the drop-in admit and refuse. Compiled, never run.

import { EventEmitter } from 'node:events';

import Redis, { Cluster } from 'ioredis';

import { Filter, Hub } from '../../index';
import { PubSub, PubSubEngine, RedisPubSub, where, whereArgs, withFilter } from '../../graphql';
import type {
  FilterFn,
  IterableResolverFn,
  OverflowInfo,
  PubSubOptions,
  PubSubRedisOptions,
  ResolverFn,
  WithFilter,
} from '../../graphql';

interface Order {
  id: number;
  user: string;
}

interface Args {
  id: number;
  filter?: { user: string };
}

interface Context {
  user: { id: string };
}

// As with graphql-subscriptions.

const plain = new PubSub();
const emitter: PubSubOptions = { eventEmitter: new EventEmitter() };
const typed = new PubSub<{ ORDER: { order: Order }; NOTE: string }>(emitter);

const published: Promise<void> = plain.publish('ANY' as never, { anything: 1 });
const subscribed: Promise<number> = typed.subscribe('ORDER', (payload: { order: Order }) => payload.order.id);
subscribed.then((id) => typed.unsubscribe(id));
typed.publish('ORDER', { order: { id: 1, user: 'ann' } });
typed.publish('NOTE', 'text');
// @ts-expect-error: another payload
typed.publish('NOTE', 5);
// @ts-expect-error: no such trigger
typed.publish('NOTES', 'text');

const iterator: AsyncIterableIterator<{ order: Order }> = typed.asyncIterator<{ order: Order }>('ORDER');
const iterable: AsyncIterableIterator<string> = typed.asyncIterableIterator<string>(['NOTE', 'MORE'] as const);
async function read() {
  for await (const { order } of iterator) order.id.toFixed();
  const result: IteratorResult<string> = await iterable.next();
  await iterable.return?.();
  for await (const note of typed.asyncIterator<string>('NOTE')) note.trim();
  return result;
}

class Counted extends PubSub {
  count(trigger: string): number {
    return this.ee.listenerCount(trigger);
  }
}

class Own extends PubSubEngine {
  publish(triggerName: string, payload: any): Promise<void> {
    return Promise.resolve(void [triggerName, payload]);
  }
  subscribe(triggerName: string, onMessage: Function, options: Object): Promise<number> {
    return Promise.resolve([triggerName, onMessage, options].length);
  }
  unsubscribe(subId: number) {
    void subId;
  }
}
class Prefixed extends RedisPubSub {
  override subscribe<T>(trigger: string, onMessage: (message: T) => void, options?: unknown): Promise<number> {
    return super.subscribe(`x:${trigger}`, onMessage, options);
  }
  override asyncIterator<T>(triggers: string | string[], options?: unknown) {
    return super.asyncIterator<T>(triggers, options);
  }
  override asyncIterableIterator<T>(triggers: string | string[], options?: unknown) {
    return super.asyncIterableIterator<T>(triggers, options);
  }
}
const engines: PubSubEngine[] = [plain, typed, new Counted(), new Own(), new RedisPubSub(), new Prefixed()];
// @ts-expect-error: abstract
new PubSubEngine();

const resolve: ResolverFn<unknown, Args, Context> = () => typed.asyncIterator('ORDER');
const closure: FilterFn<{ order: Order }, Args, Context> = (payload, args) => payload?.order.id === args?.id;
const resolver: IterableResolverFn = withFilter(resolve, closure);
const asynchronous: IterableResolverFn = withFilter(() => typed.asyncIterator('ORDER'), async (payload) => payload.order.id > 1);
const asFunction: WithFilter = withFilter;
// @ts-expect-error: no boolean
withFilter(resolve, () => 'yes');

// As with graphql-redis-subscriptions.

const options: PubSubRedisOptions = {
  connection: { host: 'localhost', retryStrategy: (times) => Math.min(times * 50, 2_000) },
  connectionListener: (error: Error) => error?.message,
  triggerTransform: (trigger, { path }: any) => [trigger, ...path].join('.'),
  reviver: (key, value) => (key === 'at' ? new Date(value) : value),
};
new RedisPubSub({ redis: 'redis://a' });
new RedisPubSub({ redis: { url: 'redis://a', queueDeadline: 1 } });
new RedisPubSub({ redis: new Hub() });
// @ts-expect-error a port is no URL
new RedisPubSub({ redis: 6379 });
const redis = new RedisPubSub({ publisher: new Redis(), subscriber: new Redis() });
const cluster = new RedisPubSub({ publisher: new Cluster([]), subscriber: new Cluster([]), messageEventName: 'messageBuffer', pmessageEventName: 'pmessageBuffer' });
new RedisPubSub({ ...options, connection: 'redis://localhost' });
new RedisPubSub({ serializer: (value) => JSON.stringify(value), deserializer: (message: Buffer, { channel, pattern }) => [message, channel, pattern] });
const mock = { publish() {}, subscribe() {}, unsubscribe() {}, psubscribe() {}, punsubscribe() {}, on() {}, quit() {} };
new RedisPubSub({ publisher: mock, subscriber: mock });
redis.subscribe<Order>('a.*', (order) => order.user, { pattern: true }).then((id: number) => redis.unsubscribe(id));
redis.asyncIterator<Order>(['a', 'b'], { pattern: true, room: 1 });
const closed: Promise<'OK'[]> = cluster.close();
const client: Redis | Cluster = redis.getSubscriber();
// @ts-expect-error: no such option
new RedisPubSub({ conection: {} });

// Filters.

typed.asyncIterator('ORDER', { where: { 'order.id': { $var: 'id' }, order: { user: [{ prefix: 'a' }, 'bob'] } }, variables: { id: 1 } });
typed.asyncIterator('ORDER', { where: new Filter({ $or: [{ a: 1 }, { b: 2n }] }) });
typed.subscribe('ORDER', () => {}, { where: '{"order":{"id":[1]}}' });
redis.asyncIterator('a', { where: { id: [1, 2, null] }, overflow: 'drop-oldest', budget: { events: 100, bytes: 1 << 20 } });
new PubSub({ overflow: 'keep-latest', key: (payload: Order) => payload.id, onOverflow: (info: OverflowInfo) => info.triggers.join() });
// @ts-expect-error: no scalar
typed.asyncIterator('ORDER', { where: { id: () => 1 } });
// @ts-expect-error: no filter
typed.asyncIterator('ORDER', { where: 5 });
// @ts-expect-error: no such policy
new PubSub({ overflow: 'drop' });
// @ts-expect-error: no such bound
new PubSub({ budget: { messages: 1 } });

const iterate = () => typed.asyncIterator('ORDER');
const declarative: IterableResolverFn[] = [
  withFilter(iterate, { 'order.id': 1 }),
  withFilter(iterate, new Filter({ 'order.id': 1 })),
  withFilter(iterate, { where: { 'order.id': { $var: 'id' } }, variables: { id: 1 } }),
  withFilter<unknown, Args, Context>(iterate, { where: { 'order.id': { $var: 'id' } }, variables: (root, args) => args }),
  withFilter<unknown, Args, Context>(iterate, { where: (root, args) => ({ 'order.id': args.id }) }),
  withFilter(iterate, where((root, args: Args, context: Context) => ({ 'order.id': args.id, 'order.user': context.user.id }))),
  withFilter(iterate, where(async () => ({ 'order.id': 1 }))),
  withFilter(iterate, whereArgs({ 'order.id': 'id', 'order.user': { arg: 'filter.user', optional: true } })),
  withFilter(iterate, whereArgs<unknown, Args, Context>({ 'order.user': (root, args, { user }) => user.id })),
];
whereArgs({ a: { arg: 'id', as: Number }, b: { arg: 'id', as: BigInt }, c: { arg: 'id', as: (id: string) => Number.parseInt(id, 36) } });
// @ts-expect-error: no function
whereArgs({ a: { arg: 'id', as: 'number' } });
// @ts-expect-error: neither a name nor a function
whereArgs({ 'order.id': 5 });
// @ts-expect-error: no function
where({ 'order.id': 5 });

export { asFunction, asynchronous, client, closed, declarative, engines, published, read, resolver };
