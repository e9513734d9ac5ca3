// Subscriptions as graphql-subscriptions has them: closures that are called for each message and each subscriber.

import { PubSub, withFilter } from 'graphql-subscriptions';

const pubsub = new PubSub();
const changes = () => pubsub.asyncIterableIterator('ORDER_CHANGED');

export const publish = (order) => pubsub.publish('ORDER_CHANGED', { order });

export const subscriptions = {
  orderChanged: withFilter(changes, ({ order }, args) => order.id === args.id),

  ordersOf: withFilter(
    changes,
    ({ order }, args) => order.customer === args.customer && (args.atLeast == null || order.total >= args.atLeast),
  ),
};
