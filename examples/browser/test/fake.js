// A WebSocket whose server is the test, and a client on it with a clock of the test.

import assert from "node:assert/strict";
import { mock } from "node:test";

export class FakeWebSocket {
  static made = [];
  sent = [];
  closed = undefined;

  constructor(url, protocols) {
    this.url = new URL(url);
    this.protocols = protocols;
    FakeWebSocket.made.push(this);
  }

  static get last() {
    return this.made.at(-1);
  }

  send(text) {
    assert.ok(!this.closed, "sent behind the close");
    this.sent.push(JSON.parse(text));
  }

  close(...why) {
    this.closed = why;
  }

  // What the server does.

  accept(protocol = "distributary.v1.json") {
    this.protocol = protocol;
    this.onopen?.({});
  }

  say(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  welcome(more) {
    this.accept();
    this.say({ type: "welcome", version: 1, ping_ms: 1_000, ...more });
  }

  end(code = 1006, reason = "") {
    this.onclose?.({ code, reason });
  }

  /** What was sent since the last call. */
  take() {
    return this.sent.splice(0);
  }
}

/** Starts anew: no sockets, and the time 0. */
export function reset() {
  FakeWebSocket.made = [];
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
}

/** In small steps, for what a timer starts runs from the end of the step that it fell into. */
export function pass(ms) {
  const step = ms > 100_000 ? 1_000 : 1;
  for (let left = ms; left > 0; left -= step) mock.timers.tick(Math.min(step, left));
}

/** Lets promises settle. */
export async function settle() {
  for (let i = 0; i < 5; i++) await null;
}

/** Lets time pass until the next attempt to connect. */
export async function nextAttempt() {
  const { length } = FakeWebSocket.made;
  for (let ms = 0; FakeWebSocket.made.length == length; ms++) {
    assert.ok(ms < 60_000, "no attempt within a minute");
    pass(1);
    await settle();
  }
}
