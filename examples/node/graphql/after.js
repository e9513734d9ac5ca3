// The same with distributary. Changing the import would do: the closures go on working, and are asked before anything
// is queued. Said as data, as here, nobody is asked whom a message does not concern.

import { PubSub, whereArgs, withFilter } from 'distributary/graphql';

const pubsub = new PubSub();
const changes = () => pubsub.asyncIterableIterator('ORDER_CHANGED');

export const publish = (order) => pubsub.publish('ORDER_CHANGED', { order });

export const subscriptions = {
  orderChanged: withFilter(changes, whereArgs({ 'order.id': 'id' })),

  ordersOf: withFilter(changes, {
    where: {
      'order.customer': { $var: 'customer' },
      'order.total': [{ numeric: ['>=', { $var: 'atLeast' }] }],
    },
    variables: (_, { customer, atLeast }) => ({ customer, atLeast: atLeast ?? 0 }),
  }),
};
