'use strict';

// The drop-in below graphql's subscribe(), and below graphql-ws over a real socket.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { createServer } = require('node:http');
const { test } = require('node:test');

const { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString, parse, subscribe } = require('graphql');
const { createClient } = require('graphql-ws');
const { useServer } = require('graphql-ws/use/ws');
const { WebSocket, WebSocketServer } = require('ws');

const { PubSub, where, whereArgs, withFilter } = require('../../graphql');
const { until, within } = require('../rig/redis');
const { DONE, resultOf, settle } = require('./rig');

const soon = (promise) => within(promise, () => 'a promise settles');

/** One subscription per way to filter: all ask for the orders of one id. */
function schemaOf(pubsub) {
  const Order = new GraphQLObjectType({ name: 'Order', fields: { id: { type: GraphQLInt }, state: { type: GraphQLString } } });
  const iterate = () => pubsub.asyncIterator('ORDER');
  const field = (subscribe) => ({
    type: Order,
    args: { id: { type: new GraphQLNonNull(GraphQLInt) } },
    subscribe,
    resolve: ({ order }) => order,
  });
  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { works: { type: GraphQLString } } }),
    subscription: new GraphQLObjectType({
      name: 'Subscription',
      fields: {
        byClosure: field(withFilter(iterate, ({ order }, { id }) => order.id === id)),
        byAsyncClosure: field(withFilter(iterate, async ({ order }, { id }) => order.id === id)),
        byArgs: field(withFilter(iterate, whereArgs({ 'order.id': 'id' }))),
        byFunction: field(withFilter(iterate, where((root, { id }) => ({ 'order.id': id })))),
        byVariables: field(withFilter(iterate, { where: { 'order.id': { $var: 'id' } }, variables: (root, args) => args })),
        byIterator: field((root, variables) => pubsub.asyncIterableIterator('ORDER', { where: { 'order.id': { $var: 'id' } }, variables })),
      },
    }),
  });
}

const WAYS = ['byClosure', 'byAsyncClosure', 'byArgs', 'byFunction', 'byVariables', 'byIterator'];

for (const way of WAYS) {
  test(`subscribe(): ${way}`, async () => {
    const pubsub = new PubSub();
    const document = parse(`subscription ($id: Int!) { order: ${way}(id: $id) { id state } }`);
    const results = await subscribe({ schema: schemaOf(pubsub), document, variableValues: { id: 2 } });
    const next = results.next();
    await settle();
    assert.equal(pubsub.ee.listenerCount('ORDER'), 1);
    for (const id of [1, 2, 3]) pubsub.publish('ORDER', { order: { id, state: 'paid' } });
    const { value } = await resultOf(next);
    assert.deepEqual(JSON.parse(JSON.stringify(value)), { data: { order: { id: 2, state: 'paid' } } });
    const waiting = results.next();
    await settle();
    await results.return();
    assert.deepEqual(await resultOf(waiting), DONE);
    assert.equal(pubsub.ee.listenerCount('ORDER'), 0);
  });
}

test('subscribe(): a filter that cannot be made is an error of the operation', async () => {
  const pubsub = new PubSub();
  const field = { type: GraphQLString, args: { id: { type: GraphQLInt } }, subscribe: withFilter(() => pubsub.asyncIterator('a'), whereArgs({ id: 'id' })) };
  const schema = new GraphQLSchema({
    query: new GraphQLObjectType({ name: 'Query', fields: { works: { type: GraphQLString } } }),
    subscription: new GraphQLObjectType({ name: 'Subscription', fields: { a: field } }),
  });
  const result = await subscribe({ schema, document: parse('subscription { a }') });
  assert.equal(result.errors?.length, 1);
  assert.match(result.errors[0].message, /id/);
});

test('graphql-ws: many clients over one socket each, their end and the server\'s', async () => {
  const pubsub = new PubSub();
  const server = createServer();
  const sockets = new WebSocketServer({ server, path: '/graphql' });
  const graphql = useServer({ schema: schemaOf(pubsub) }, sockets);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}/graphql`;
  const clients = [];
  try {
    const received = [];
    const ends = [];
    for (const [i, way] of WAYS.entries()) {
      const client = createClient({ url, webSocketImpl: WebSocket, retryAttempts: 0 });
      clients.push(client);
      const query = `subscription ($id: Int!) { order: ${way}(id: $id) { id } }`;
      const iterator = client.iterate({ query, variables: { id: i } });
      const loop = async () => {
        for await (const { data } of iterator) received.push([way, data.order.id]);
      };
      // A connection that is broken ends its loop with an error.
      ends.push(loop().catch((error) => error));
    }
    await until(() => pubsub.ee.listenerCount('ORDER') === WAYS.length, 'all are subscribed');
    for (let round = 0; round < 3; round++) for (const i of WAYS.keys()) pubsub.publish('ORDER', { order: { id: i } });
    await until(() => received.length === 3 * WAYS.length, 'all have their orders');
    for (const [i, way] of WAYS.entries()) assert.equal(received.filter(([to, id]) => to === way && id === i).length, 3);
    await clients[0].dispose();
    await until(() => pubsub.ee.listenerCount('ORDER') === WAYS.length - 1, 'a client that has gone is unsubscribed');
    clients[1].terminate();
    await until(() => pubsub.ee.listenerCount('ORDER') === WAYS.length - 2, 'a connection that broke is unsubscribed');
    await soon(graphql.dispose());
    await until(() => pubsub.ee.listenerCount('ORDER') === 0, 'nobody is left');
    await soon(Promise.all(ends));
  } finally {
    for (const client of clients) client.terminate();
    sockets.close();
    server.close();
    server.closeAllConnections();
  }
});
