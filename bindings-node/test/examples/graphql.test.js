'use strict';

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const { createClient } = require('graphql-ws');
const { WebSocket } = require('ws');
const { until } = require('../rig/redis');
const { start } = require('./rig');

for (const [name, ...args] of [['after'], ['before', '--before']]) {
  describe(`the example graphql, ${name}`, () => {
    it('tells clients of the orders that they watch, over WebSockets and over Server-Sent Events', async (t) => {
      const server = await start(t, 'graphql', '--port', '0', ...args);
      assert.match(server.address, /\/graphql$/);
      const http = `http://${server.address}`;
      const change = async (id, state) => {
        const query = 'mutation ($id: Int!, $state: String!) { change(id: $id, state: $state) { state } }';
        const response = await fetch(http, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query, variables: { id, state } }),
        });
        assert.deepEqual(await response.json(), { data: { change: { state } } });
      };

      const client = createClient({ url: `ws://${server.address}`, webSocketImpl: WebSocket, retryAttempts: 0 });
      /** @type {Record<string, string[]>} */
      const seen = {};
      const watch = (who, field) => {
        seen[who] = [];
        client.subscribe(
          { query: `subscription { order: ${field} { id state } }` },
          { next: ({ data }) => seen[who].push(`${data.order.id} ${data.order.state}`), error: () => {}, complete: () => {} },
        );
      };
      watch('second', 'orderChanged(id: 2)');
      watch('of ann', 'ordersOf(customer: "ann")');
      watch('large of ann', 'ordersOf(customer: "ann", atLeast: 100)');
      watch('all', 'ordersOf(customer: "bob")');

      const stream = await fetch(`${http}?query=${encodeURIComponent('subscription { orderChanged(id: 3) { state } }')}`, {
        headers: { accept: 'text/event-stream' },
      });
      let streamed = '';
      void (async () => {
        for await (const chunk of stream.body.pipeThrough(new TextDecoderStream())) streamed += chunk;
      })().catch(() => {});

      // Nobody says when a subscription stands, so orders are changed until each has seen one.
      await until(async () => {
        for (const id of [1, 2, 3]) await change(id, 'warm');
        return Object.values(seen).every((orders) => orders.length > 0) && streamed.includes('"warm"');
      }, 'all subscriptions stand');
      const last = () => Object.fromEntries(Object.entries(seen).map(([who, orders]) => [who, orders.filter((order) => !order.endsWith('warm'))]));
      for (const id of [1, 2, 3]) await change(id, 'paid');
      for (const id of [3, 2, 1]) await change(id, 'sent');
      await until(() => last()['of ann'].length === 4 && last().all.length === 2 && streamed.includes('"sent"'), 'all have come');
      assert.deepEqual(last(), {
        second: ['2 paid', '2 sent'],
        'of ann': ['1 paid', '3 paid', '3 sent', '1 sent'],
        'large of ann': ['3 paid', '3 sent'],
        all: ['2 paid', '2 sent'],
      });
      assert.deepEqual(streamed.match(/paid|sent/g), ['paid', 'sent']);
      client.dispose();
      assert.equal(await server.stop(), 0);
    });
  });
}
