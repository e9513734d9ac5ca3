// What the types of the hub admit and refuse. Compiled, never run.

import { DistributaryError, Event, Filter, ForwardError, Hub, LaggedError, MigrationError, Moving, NotHeardError } from '../../index';
import type {
  Acknowledged, Closed, Delivery, EventOf, ForwardKind, Health, HubOptions, HubStats, Listener, Migration, MigrationCourse,
  MigrationDemands, MigrationStage, Overflow, Pipe, RedisOptions, Subscription, TopicStats, Where,
} from '../../index';

interface Order {
  id: bigint;
  total: number;
}

interface User {
  name: string;
}

interface Shop {
  'order.changed': Order;
  'user.joined': User;
  raw: Buffer;
  note: string;
}

const options: HubOptions = {
  overflow: 'keep-latest',
  budget: { events: 1, bytes: 2, age: 3 },
  bytes: 1 << 30,
  history: [{ topics: 'order.*', events: 100, age: 60_000 }],
  topicCounters: 10,
  strictFilters: true,
  slice: 4,
  shareFrom: Infinity,
};
const hub = new Hub<Shop>(options);

// Publishing.

const delivery: Delivery = hub.publish('order.changed', { id: 1n, total: 2 }, { key: 'k', attributes: { a: [1, null], b: 2n } });
const reached: number = delivery.subscriptions;
const at: string | null = delivery.position;
hub.publish('order.changed', Buffer.from('{"id":1,"total":2}'));
hub.publish('order.changed', new Uint16Array(4));
hub.publish('order.changed', new ArrayBuffer(4));
hub.publish('raw', Hub.allocate(10), { transfer: true });
hub.publish('note', 'text');
// @ts-expect-error a field is missing
hub.publish('order.changed', { id: 1n });
// @ts-expect-error a text is no order
hub.publish('order.changed', 'text');
// @ts-expect-error there is no such topic
hub.publish('order.canged', { id: 1n, total: 2 });
// @ts-expect-error the payload is of another topic
hub.publish('user.joined', { id: 1n, total: 2 });
// @ts-expect-error an attribute is a scalar
hub.publish('note', '', { attributes: { a: {} } });
// @ts-expect-error there is no such option
hub.publish('note', '', { keys: 'a' });

// Subscribing: the event has the type of its topic.

async function read() {
  for await (const event of hub.subscribe('order.changed')) {
    const total: number = event.json().total;
    const topic: 'order.changed' = event.topic;
    const data: Buffer = event.data;
    // @ts-expect-error it is no user
    event.json().name;
    // @ts-expect-error it is immutable
    event.topic = 'order.changed';
    void [total, topic, data];
  }
  for await (const event of hub.subscribe(['order.changed', 'user.joined'], { onLag: 'skip' })) {
    if (event.topic === 'user.joined') {
      const name: string = event.json().name;
      void name;
    } else {
      const total: number = event.json().total;
      void total;
    }
    // @ts-expect-error it may be either
    event.json().name;
  }
  for await (const event of hub.subscribe({ patterns: ['order.*'], where: { id: [1n] } })) {
    const any: EventOf<Shop> = event;
    if (any.topic === 'note') {
      const note: string = any.json();
      void note;
    }
  }
  for await (const batch of hub.subscribe({ topics: 'user.joined' }).batches({ max: 10 })) {
    const names: string[] = batch.map((event) => event.json().name);
    void names;
  }
  await using subscription = hub.subscribe('note');
  using again = hub.subscribe('note');
  const result: IteratorResult<Event<string, 'note'>, undefined> = await subscription.next();
  if (!result.done) void result.value.text();
  const how: Closed = await again.ended;
  const why: 'closed' | 'aborted' | 'slow-consumer' | 'lost' | 'hub-closed' | 'failed' = how.reason;
  return why;
}

const subscription: Subscription<Event<Order, 'order.changed'>> = hub.subscribe({
  topics: ['order.changed'],
  where: { total: [{ numeric: ['>', 0, '<=', 10n] }] },
  variables: { id: [1, 2n], name: 'x' },
  overflow: 'disconnect',
  budget: { events: 10 },
  from: '1-2',
  onLag: (missed: number) => void missed,
  signal: AbortSignal.timeout(10),
});
const count: number = subscription.add('user.joined') + subscription.remove({ topics: ['a'], patterns: 'b' });
const names: string[] = [...subscription.topics, ...subscription.patterns];
const lag: number = subscription.lag + subscription.missed;
const closed: Closed | null = subscription.closed;
// @ts-expect-error there is no such topic
hub.subscribe('nothing');
// @ts-expect-error there is no such policy
hub.subscribe('note', { overflow: 'drop_oldest' });
// @ts-expect-error there is no such option
hub.subscribe({ topics: 'note', onlag: 'skip' });
// @ts-expect-error a lag policy is a word or a function
hub.subscribe('note', { onLag: 7 });

// Handlers.

const listener: Listener = hub.on('user.joined', (event) => void event.json().name, {
  onError: (error: unknown) => void error,
  onLag: (missed: number) => void missed,
  onClose: (how: Closed) => void how.reason,
});
hub.on({ topics: ['order.changed', 'note'], from: { note: '1-2' } }, (event) => {
  if (event.topic === 'note') void event.json().length;
});
hub.on({ patterns: '*' }, async (event) => void event.topic);
listener.off();
// @ts-expect-error it is no order
hub.on('user.joined', (event) => void event.json().total);
// @ts-expect-error a handler is wanted
hub.on('user.joined');
// @ts-expect-error handlers have no such policy
hub.on('user.joined', () => {}, { onLag: 'skip' });

// Pipes.

const pipe: Pipe = hub.pipe('order.changed', process.stdout, {
  frame: (event) => `${event.json().total}\n`,
  overflow: 'drop-oldest',
  highWater: 10,
});
// @ts-expect-error no socket
hub.pipe('order.changed', {});

// Filters.

const wheres: Where[] = [
  {},
  { id: 1 },
  { id: [1, 2n, 'x', null, true] },
  { a: { b: { c: ['x'] } }, 'd.e': [1] },
  { name: [{ prefix: 'a' }, { suffix: { 'equals-ignore-case': 'z' } }, { wildcard: 'a*b' }, { exists: false }] },
  { size: [{ numeric: ['=', 3] }, { cidr: '10.0.0.0/8' }] },
  { name: [{ 'anything-but': ['a', 'b'] }, { 'anything-but': { prefix: ['a', 'b'] } }] },
  { $or: [{ a: [1] }, { b: [2] }], $not: { c: [3] }, $and: [{ d: [4] }] },
  { id: { $var: 'id' }, name: [{ prefix: { $var: 'name', optional: true } }] },
  '{"id":[1]}',
  new Filter({ id: [{ $var: 'id' }] }, { id: [1, 2] }).bind({ id: 1 }),
];
// @ts-expect-error a function is no filter
hub.subscribe('note', { where: () => true });

// Without types, everything goes.

const plain = new Hub();
plain.publish('anything', { a: 1 });
plain.publish('anything', 1n);
plain.on('anything', (event) => void event.json().whatever.there.is);
const untyped: Subscription = plain.subscribe({ patterns: ['*'] });

// Topics by template.

const templated = new Hub<{ [user: `user.${number}`]: User; all: Order }>();
templated.publish('user.7', { name: 'ann' });
templated.on('user.7', (event) => void event.json().name);
// @ts-expect-error no number
templated.publish('user.x', { name: 'ann' });

// Other machines.

const redis: RedisOptions = {
  urls: ['redis://a', 'redis://b'], sentinel: 'm', sentinelCredentials: { user: 'ann', password: 'secret' }, sharded: false,
  modes: { 'a.*': 'replay', b: 'durable', '*': 'live' }, envelope: ['c'], logLength: 1, replicaWait: 1, queueBytes: 1, queueDeadline: 1,
  linger: 1, fleet: 1, clientName: 'n', rootCertificates: ['', Buffer.of()],
};
const elsewhere = new Hub<Shop>({ redis });
new Hub({ redis: 'redis://a' });
async function forward() {
  const { heard, number, delivery }: Acknowledged = await elsewhere.publishAcknowledged('note', 'text', { key: 'k' });
  const forwarding: 'none' | 'queued' | ForwardKind = delivery.forwarding;
  const isJoined: boolean = await elsewhere.joined({ timeout: 10 });
  const health: Health = elsewhere.health();
  const lost: number = health.counts.lost + health.lag.p99 + health.queuedBytes + health.joining;
  for await (const { condition, reasons } of elsewhere.healthChanges({ signal: AbortSignal.timeout(10) })) {
    const word: 'ok' | 'degraded' | 'away' = condition;
    const code: string | undefined = reasons[0]?.code;
    void [word, code];
  }
  // @ts-expect-error a text is no order
  await elsewhere.publishAcknowledged('order.changed', 'text');
  // @ts-expect-error what is sent is copied
  await elsewhere.publishAcknowledged('raw', Hub.allocate(1), { transfer: true });
  try {
    await elsewhere.publishAcknowledged('note', '');
  } catch (error) {
    if (error instanceof ForwardError && error.kind === 'expired') void (error.code satisfies 'ERR_FORWARD');
    if (error instanceof NotHeardError) void (error.names satisfies readonly string[]);
  }
  void [heard, number, forwarding, isJoined, lost];
}
async function move() {
  const moving = new Moving({ url: 'redis://a', modes: { '*': 'replay' } });
  const hub = new Hub<Shop>({ redis: moving });
  const demands: MigrationDemands = { replicas: 1, stable: 1, steady: 1, behind: 1, lag: 1, memory: 0.5 };
  const course: MigrationCourse = { topic: 'note', to: 'n', onto: { urls: ['redis://b'], cluster: true }, window: 0, quiet: 0, demands };
  const migration: Migration = moving.begin(course, 'old');
  await migration.check('dual-read');
  await migration.enter('dual-read', { timeout: 10 });
  await migration.force('new-write', { timeout: 10 });
  const carried: number = migration.counts().old.read + migration.counts().new.only;
  const [peer] = migration.peers();
  const stage: MigrationStage | undefined = peer?.stage;
  const side: 'old' | 'new' | undefined = peer?.hears[0];
  try {
    await migration.enter('new');
  } catch (error) {
    if (error instanceof MigrationError && error.kind === 'readers') void (error.code satisfies 'ERR_MIGRATION');
    if (error instanceof MigrationError) void [error.peers[0]?.hub, error.findings[0]?.text, error.ago, error.side];
  }
  // @ts-expect-error there is no such stage
  await migration.enter('cleanup');
  // @ts-expect-error a course has a topic
  moving.begin({ to: 'n' }, 'old');
  // @ts-expect-error a stage is said
  moving.begin(course);
  // @ts-expect-error migrations begin
  new Migration();
  void [hub, carried, stage, side, migration.topic, migration.stage];
}
// @ts-expect-error there is no such mode
new Hub({ redis: { url: 'redis://a', modes: { a: 'safe' } } });
// @ts-expect-error a port is no URL
new Hub({ redis: 6379 });

// The rest.

const joined = Hub.join<Shop>(hub.share(), { slice: 2 });
const stats: HubStats = joined.stats();
const topics: TopicStats[] = joined.topicStats();
const text: string = joined.prometheus();
const position: string | null = joined.position('note');
const policy: Overflow = 'drop-newest';
joined.countTopic('note');
joined.close();
if (joined.closed) void joined;
try {
  void read();
} catch (error) {
  if (error instanceof LaggedError) {
    const missed: number = error.missed;
    const code: string = error.code;
    void [missed, code];
  }
  if (error instanceof DistributaryError) void error.code;
  if (error instanceof Event) void error.topic;
}
// @ts-expect-error there is no such option
new Hub({ slices: 4 });
// @ts-expect-error events are not made, they are published
new Event();

void [forward, move, reached, at, count, names, lag, closed, pipe, wheres, untyped, stats, topics, text, position, policy];
