import graphql from './graphql.js';

export const { PubSub, PubSubEngine, RedisPubSub, where, whereArgs, withFilter } = graphql;
export default graphql;
