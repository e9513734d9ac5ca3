import type { Writable } from 'node:stream';
import type { Event, Names } from './index';

/** A WebSocket of the package `ws`, as far as a pipe needs to know it. */
export interface PipeWebSocket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Buffer, options: { binary?: boolean; compress?: boolean }): void;
  close(code?: number, reason?: string): void;
  on(event: string, listener: (...args: any[]) => void): unknown;
  off(event: string, listener: (...args: any[]) => void): unknown;
}

/** Where a pipe can end: a `ws` WebSocket, or any Writable of bytes, as a response, a TCP or a TLS connection. */
export type PipeSocket = PipeWebSocket | Writable | import('node:http').ServerResponse;

export interface PipeOptions<E extends Event = Event> {
  /**
   * What is sent for an event. Default: its payload.
   *
   * It is called once per event and the result is shared by all sockets, so give the same function for all of them, and
   * do not write to bytes it has returned. `null` or `undefined` sends nothing. An event that it throws at is left out
   * for those sockets: see {@link onDrop}.
   */
  frame?: (event: E) => Uint8Array | string | null | undefined;
  /** WebSockets: whether messages are binary. Default: false, text, which has to be UTF-8. */
  binary?: boolean;
  /**
   * WebSockets: whether messages are compressed where the client has agreed to that. Default: false. Each message is
   * then compressed anew for each socket, and goes through `ws.send`.
   */
  compress?: boolean;
  /** Bytes that may wait in the socket before it counts as slow. Default: 1 MiB. */
  highWater?: number;
  /**
   * What is done about a slow socket. Default: `'pause'`.
   *
   * - `'pause'`: events wait in the engine, where they are once for all, and come when the socket has drained. How many
   *   may wait, and what gives way then, is said by `overflow` and `budget`; what was lost is counted in `missed`. With
   *   `overflow: 'disconnect'` the socket is closed as by `'close'`.
   * - `'drop'`: events are left out for this socket until it has room, and counted in `dropped`.
   * - `'close'`: it is closed. A WebSocket gets the code 1013, a stream is destroyed.
   */
  slow?: 'pause' | 'drop' | 'close';
  /** Called for each event that this socket was not sent: it was slow, or the event has no frame. */
  onDrop?: (event: E, drop: { reason: 'slow' | 'frame'; error?: Error }) => void;
  /**
   * Called when events were lost before they came here, with their number: tell the client to load its state anew.
   * Without it, the first time is a warning of the process.
   */
  onLag?: (missed: number) => void;
  /** Called once, soon after it was closed, whatever closed it. */
  onClose?: (how: PipeClosed) => void;
  /** Ends the pipe. */
  signal?: AbortSignal;
}

/**
 * Why a pipe is closed:
 *
 * - `'closed'`: by {@link Pipe.close};
 * - `'aborted'`: by its signal;
 * - `'socket-closed'`: the socket was closed, by either side;
 * - `'slow-consumer'`: the socket was too slow, and has been closed;
 * - `'lost'`: events were lost on their way from other machines, under the policy `'disconnect'`; the socket has been
 *   closed;
 * - `'failed'`: the socket had an error, which is given, or the subscription had one;
 * - `'hub-closed'`: the hub was closed.
 */
export interface PipeClosed {
  readonly reason: 'closed' | 'aborted' | 'socket-closed' | 'slow-consumer' | 'lost' | 'failed' | 'hub-closed';
  readonly error?: Error;
}

/** Events of a selector on their way to a socket, until either is closed. Closing the pipe leaves the socket open. */
export interface Pipe {
  readonly socket: PipeSocket;
  /** Events that were written. */
  readonly sent: number;
  /** Bytes that were written, without the headers of messages. */
  readonly bytes: number;
  /** Events that were left out here: the socket was slow, or they have no frame. */
  readonly dropped: number;
  /** Events that were lost in the engine, by the subscription's overflow and budget. */
  readonly missed: number;
  /** Events that wait in the engine. */
  readonly lag: number;
  /** Null as long as it is open. */
  readonly closed: PipeClosed | null;
  /** Settles when it is closed; never rejects. */
  readonly ended: Promise<PipeClosed>;
  /** What it has now. */
  readonly topics: string[];
  readonly patterns: string[];
  /** Has events of further topics or patterns sent; in force when it returns. How many were not there already. */
  add(names: Names): number;
  /** Takes topics or patterns out; nothing of them is sent when it returns. How many were there. */
  remove(names: Names): number;
  /** Nothing more is written when this returns. */
  close(): void;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What all pipes of a hub and this event loop have done. */
export interface PipeStats {
  /** Pipes that are open. */
  pipes: number;
  /** Those of them that wait for their socket. */
  paused: number;
  /** Events written, one for each socket. */
  sent: number;
  /** Bytes written, without the headers of messages. */
  bytes: number;
  dropped: number;
  missed: number;
  /** Sockets that were closed because they were too slow. */
  tooSlow: number;
  /** Writes to sockets that had been closed. It stays 0: sockets are looked at before each write. */
  writesToClosed: number;
}
