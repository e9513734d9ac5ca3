// A GraphQL server on graphql-yoga and graphql-ws: orders, and who watches them.
//
//   npm start                 with distributary: after.js
//   npm start -- --before     the same with graphql-subscriptions: before.js
//
// Open the address that it prints, and paste in one tab
//
//   subscription { orderChanged(id: 2) { id state total } }
//
// and in another
//
//   mutation { change(id: 2, state: "paid") { id } }
//
// The two files differ in how they say who gets what. With 10,000 subscriptions before.js calls 10,000 closures for a
// change, each when its client comes round to it, and queues the change for all of them first; after.js asks an index
// once and wakes the one whom it concerns.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { useServer } from 'graphql-ws/use/ws';
import { createSchema, createYoga } from 'graphql-yoga';
import { WebSocketServer } from 'ws';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '4050' }, before: { type: 'boolean', default: false } },
});

const { publish, subscriptions } = await import(options.before ? './before.js' : './after.js');

/** The orders there are. */
const orders = new Map([1, 2, 3].map((id) => [id, { id, state: 'new', total: 40 * id, customer: id % 2 ? 'ann' : 'bob' }]));

const typeDefs = /* GraphQL */ `
  type Order {
    id: Int!
    state: String!
    total: Float!
    customer: String!
  }
  type Query {
    orders: [Order!]!
  }
  type Mutation {
    change(id: Int!, state: String!): Order
  }
  type Subscription {
    "One order."
    orderChanged(id: Int!): Order!
    "Orders of some customer, all of them or from a total on."
    ordersOf(customer: String!, atLeast: Float): Order!
  }
`;

const resolvers = {
  Query: { orders: () => [...orders.values()] },
  Mutation: {
    async change(_, { id, state }) {
      const order = orders.get(id);
      if (!order) return null;
      const changed = { ...order, state };
      orders.set(id, changed);
      await publish(changed);
      return changed;
    },
  },
  Subscription: {
    orderChanged: { subscribe: subscriptions.orderChanged, resolve: ({ order }) => order },
    ordersOf: { subscribe: subscriptions.ordersOf, resolve: ({ order }) => order },
  },
};

const schema = createSchema({ typeDefs, resolvers });
const yoga = createYoga({ schema, logging: 'error', graphiql: { subscriptionsProtocol: 'WS' }, landingPage: false });
const server = createServer(yoga);
const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint });
const subscriptionServer = useServer({ schema }, sockets);

server.listen(Number(options.port), '127.0.0.1');
await once(server, 'listening');
console.log(`listening on http://127.0.0.1:${server.address().port}${yoga.graphqlEndpoint}`);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await subscriptionServer.dispose();
    server.close();
    server.closeAllConnections();
  });
}
