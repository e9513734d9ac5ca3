// What the types of the gateway admit and refuse. Compiled, never run.

import type { AddressInfo } from 'node:net';

import { Filter, Gateway, Hub, deny, reject } from '../../index';
import type { Accept, Ended, EndReason, GatewayClient, GatewayRequest, Rejection } from '../../index';

interface User {
  id: number;
}

const hub = new Hub<{ 'order.changed': { id: number } }>();

const gateway = new Gateway<User>(hub, {
  listen: '127.0.0.1:8080',
  admin: { port: 0 },
  path: ['/a', '/b'],
  jsonProtocol: false,
  backlog: { messages: 10 },
  limits: {
    connections: 10,
    retryAfter: [1, 2],
    ping: { every: 1, timeout: 1 },
    slice: { deliveries: 1, time: 0.5 },
  },
  async authorize(request) {
    const transport: 'websocket' | 'sse' = request.transport;
    const token: string | undefined = request.bearer ?? request.searchParams.get('token') ?? undefined;
    await fetch(`http://users/${transport}/${token}`, { signal: request.signal });
    if (request.path === '/no') return reject(401, { headers: { 'www-authenticate': 'Bearer' }, retryAfter: 1_000 });
    return {
      topics: ['a'],
      patterns: 'b*',
      where: { x: [1] },
      variables: { y: 1n },
      subscriptions: ['c', { topics: 'd', where: new Filter({ x: 1 }), overflow: 'keep-latest', budget: { events: 1 } }],
      allow: 'public.*',
      session: { id: 7 },
      protocol: request.protocols[0],
      format: 'binary',
      onLag: 'continue',
      headers: new Headers({ a: 'b' }),
      ticket: 60_000,
    };
  },
  onOpen(client) {
    const id: number = client.session.id;
    const subscription: number = client.subscribe({ topics: `user.${id}`, from: 'a-1' });
    client.unsubscribe(subscription);
    client.send('text');
    client.send(Buffer.from('bytes'));
    client.send({ json: [id] });
  },
  onSubscribe(client, wish) {
    if (wish.patterns.length > 0) return deny('no patterns');
    if (client.session.id === 1) return true;
    return { topics: wish.topics.filter((topic) => topic.startsWith('a')) };
  },
  async onMessage(client, message) {
    const text: string = typeof message === 'string' ? message : message.toString('utf8');
    if (text === '') client.turnAway();
    else client.close(text);
  },
  onEnd(client, { reason, code }) {
    const why: EndReason = reason;
    const number: number = code;
    console.log(client.session.id, why, number);
  },
  onError(error, { hook, client, request }) {
    console.error(error, hook, client?.session.id, request?.path);
  },
});

async function run() {
  const same: Gateway<User> = await gateway.start();
  const address: AddressInfo | null = same.address;
  console.log(address?.port, gateway.stats().ended.left, gateway.stats().readWait.p99);
  await gateway.drain(1_000);
  await gateway.close();
  gateway.ref().unref();
}

async function disposed() {
  await using held = new Gateway(hub, { listen: { port: 0 }, authorize: () => ({}) });
  await held.start();
}

// The session is what `authorize` answers.
new Gateway(hub, {
  listen: '',
  authorize: () => ({ session: { name: 'ann' } }),
  onOpen: (client) => console.log(client.session.name),
});

const answer = (request: GatewayRequest): Accept<User> | Rejection =>
  request.origin === 'https://a.example' ? { session: { id: 1 } } : reject(403);
const said = (client: GatewayClient<User>, ended: Ended) => console.log(client.id, ended.code);
new Gateway<User>(hub, { listen: '', authorize: answer, onEnd: said });

// @ts-expect-error: nobody says who may come in
new Gateway(hub, { listen: '' });
// @ts-expect-error: a misspelt option
new Gateway(hub, { listen: '', authorize: () => ({}), onopen() {} });
// @ts-expect-error: a misspelt field of the answer
new Gateway(hub, { listen: '', authorize: () => ({ topic: 'a' }) });
// @ts-expect-error: an answer is needed
new Gateway(hub, { listen: '', authorize() {} });
// @ts-expect-error: a policy that there is not
new Gateway(hub, { listen: '', authorize: () => ({ topics: 'a', overflow: 'drop' }) });
// @ts-expect-error: another session
new Gateway<User>(hub, { listen: '', authorize: () => ({ session: 'ann' }) });
// @ts-expect-error: a ping has two times
new Gateway(hub, { listen: '', authorize: () => ({}), limits: { ping: { every: 1 } } });
// @ts-expect-error: a wish is granted, denied or replaced
new Gateway(hub, { listen: '', authorize: () => ({}), onSubscribe: () => 'yes' });
// @ts-expect-error: a status is a number
reject('401');
// @ts-expect-error: over how long?
gateway.drain();

export { disposed, run };
