// What the conversations in this directory have in common: cases that are run one after
// the other, each with a deadline, and a queue of what a client has heard.

import { once } from "node:events";
import process from "node:process";
import WebSocket from "ws";

const PATIENCE = 30_000;

/** Where the gateway of the test is: `ws://127.0.0.1:PORT`. */
export const gateway = process.argv[2];

/** Runs the cases. The exit code says whether all went well. */
export async function run(cases) {
  for (const [name, body] of Object.entries(cases)) {
    try {
      await within(body(), name);
      console.log(`ok: ${name}`);
    } catch (error) {
      console.error(`FAILED: ${name}: ${error.stack ?? error}`);
      process.exit(1);
    }
  }
  process.exit(0);
}

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${PATIENCE} ms: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Things that come one by one, to be waited for one by one. */
export class Queue {
  #come = [];
  #waiting = [];

  push(thing) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(thing);
    else this.#come.push(thing);
  }

  next(what = "the next one") {
    if (this.#come.length > 0) return Promise.resolve(this.#come.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }

  get isEmpty() {
    return this.#come.length === 0;
  }
}

/** A `ws` client with queues of what it heard. */
export class Talk {
  static async open(target, protocols) {
    const talk = new Talk(new WebSocket(gateway + target, protocols, { maxPayload: 64 << 20 }));
    await within(once(talk.socket, "open"), `open ${target}`);
    return talk;
  }

  constructor(socket) {
    this.socket = socket;
    this.heard = new Queue();
    this.pings = new Queue();
    this.pongs = new Queue();
    this.closed = new Queue();
    socket.on("message", (data, isBinary) => this.heard.push(isBinary ? data : data.toString()));
    socket.on("ping", (data) => this.pings.push(data));
    socket.on("pong", (data) => this.pongs.push(data));
    socket.on("close", (code, reason) => this.closed.push({ code, reason: reason.toString() }));
  }

  say(text) {
    this.socket.send(text);
  }

  hear() {
    return this.heard.next("a message");
  }

  /** Says goodbye, and waits for the answer. */
  async close(code = 1000) {
    this.socket.close(code);
    return this.closed.next("the answer to a close");
  }
}

/** The payload of an event of the command `flood`. */
export function number(payload) {
  return Number(payload.trimEnd());
}
