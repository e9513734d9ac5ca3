// hub.pipe, as an application in TypeScript sees it.

import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { WebSocketServer, type WebSocket } from 'ws';
import { Hub, type Event, type Pipe, type PipeClosed, type PipeOptions, type PipeStats } from '../../index';

interface Order {
  id: number;
  total: number;
}

const hub = new Hub<{ 'order.changed': Order; 'order.deleted': number }>();

new WebSocketServer({ port: 0 }).on('connection', (socket: WebSocket) => {
  const pipe: Pipe = hub.pipe('order.changed', socket, {
    frame: (event) => `${event.topic} ${event.json().total.toFixed(2)}`,
    binary: false,
    compress: true,
    highWater: 64 * 1024,
    slow: 'close',
    onDrop: (event, { reason, error }) => console.log(event.key, reason, error?.message),
    onLag: (missed) => console.log(missed + 1),
    onClose: ({ reason, error }) => console.log(reason, error),
    signal: AbortSignal.timeout(1000),
    overflow: 'disconnect',
    budget: { events: 100 },
  });
  const added: number = pipe.add('order.deleted') + pipe.add({ patterns: 'order.*' }) + pipe.remove(['order.changed']);
  const figures: number[] = [added, pipe.sent, pipe.bytes, pipe.dropped, pipe.missed, pipe.lag];
  const closed: PipeClosed | null = pipe.closed;
  void pipe.ended.then(({ reason }) => console.log(reason, figures, closed, pipe.topics, pipe.patterns));
  pipe.close();
});

createServer((_request, response) => {
  using pipe = hub.pipe({ topics: ['order.changed', 'order.deleted'], where: { id: [7] } }, response);
  console.log(pipe.socket);
});

const shared: PipeOptions<Event> = { frame: (event) => (event.byteLength > 10 ? event.data : null) };
const socket: Socket = connect(1);
hub.pipe({ patterns: 'order.*' }, socket, shared);
declare const secure: TLSSocket;
hub.pipe('order.changed', secure, shared);

const stats: PipeStats = hub.pipeStats();
console.log(stats.writesToClosed);

// @ts-expect-error there is no such topic
hub.pipe('order.chnaged', socket);
// @ts-expect-error a frame is bytes or text
hub.pipe('order.changed', socket, { frame: (event) => event.json() });
// @ts-expect-error there is no such policy
hub.pipe('order.changed', socket, { slow: 'wait' });
// @ts-expect-error there is no such option
hub.pipe('order.changed', socket, { highwater: 1 });
// @ts-expect-error not a socket
hub.pipe('order.changed', {});
