// What the client does, told by what it sends and calls. Everything runs over the source
// and over the build.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

import { FakeWebSocket, nextAttempt, pass, reset, settle } from "./fake.js";

for (const file of ["distributary.js", "distributary.min.js"]) {
  const { connect } = await import(`../${file}`);

  /** A client, its first socket, and a log of what it told. */
  async function start(options) {
    const log = [];
    const client = connect("https://example.org/stream?a=1", {
      WebSocket: FakeWebSocket,
      random: () => 0.5,
      base: 100,
      cap: 10_000,
      timeout: 5_000,
      ...options,
    });
    for (const name of ["state", "error", "message", "event", "lagged"]) {
      client.on(name, (value) => log.push([name, value]));
    }
    await settle();
    return { client, log, socket: FakeWebSocket.last };
  }

  /** One that is open and has a subscription to "a", with a log of its own. */
  async function subscribed(spec = { topics: ["a"] }, options) {
    const started = await start(options);
    const log = [];
    const subscription = started.client.subscribe(spec, (event) => log.push(["event", event]), {
      onSubscribed: (subscribed) => log.push(["subscribed", subscribed]),
      onLagged: (lagged) => log.push(["lagged", lagged]),
      onClosed: (reason) => log.push(["closed", reason]),
    });
    started.socket.welcome();
    started.socket.take();
    return { ...started, subscription, heard: () => log.splice(0) };
  }

  const event = (position, more) => ({ type: "event", id: 1, topic: "a", position, data: 1, ...more });

  /** Loses the connection and makes the next one. */
  async function reconnect(welcome) {
    FakeWebSocket.last.end();
    await nextAttempt();
    FakeWebSocket.last.welcome(welcome);
    return FakeWebSocket.last;
  }

  describe(file, () => {
    beforeEach(reset);
    afterEach(() => mock.timers.reset());

    describe("connecting", () => {
      test("goes to the URL with the protocol and nothing that it was not given", async () => {
        const { socket, client } = await start();
        assert.equal(socket.url.href, "wss://example.org/stream?a=1");
        assert.deepEqual(socket.protocols, ["distributary.v1.json"]);
        assert.equal(client.state, "connecting");
        socket.welcome();
        assert.equal(client.state, "open");
      });

      test("throws for what is no URL, and where there is no WebSocket", () => {
        assert.throws(() => connect("no url", { WebSocket: FakeWebSocket }), TypeError);
        assert.throws(() => connect("ws://a/", { WebSocket: null }), /no WebSocket/);
      });

      test("shows the token, asked for before each attempt", async () => {
        let count = 0;
        const { socket } = await start({ token: async () => `t ${++count}` });
        assert.equal(socket.url.searchParams.get("token"), "t 1");
        socket.end();
        await nextAttempt();
        assert.equal(FakeWebSocket.last.url.searchParams.get("token"), "t 2");
      });

      test("tries again when there is no token", async () => {
        const { log } = await start({ token: () => Promise.reject(Error("no token")) });
        assert.equal(FakeWebSocket.made.length, 0);
        const [name, { state, cause, delay }] = log.at(-1);
        assert.deepEqual([name, state, cause.message, delay], ["state", "waiting", "no token", 50]);
      });

      test("gives a token up that comes too late", async () => {
        const answers = [];
        const token = () => new Promise((answer) => answers.push(answer));
        await start({ token });
        pass(5_000);
        pass(50);
        await settle();
        answers[0]("old");
        answers[1]("new");
        await settle();
        const tokens = FakeWebSocket.made.map(({ url }) => url.searchParams.get("token"));
        assert.deepEqual(tokens, ["new"]);
      });

      test("gives a server up that does not speak the protocol", async () => {
        const { socket, client, log } = await start();
        socket.accept("");
        assert.equal(client.state, "waiting");
        assert.match(log.at(-1)[1].cause.message, /does not speak/);
        assert.deepEqual(socket.closed, []);
      });

      test("gives a handshake up that takes too long", async () => {
        const { socket, client } = await start();
        socket.accept();
        pass(4_999);
        assert.equal(client.state, "connecting");
        pass(1);
        assert.equal(client.state, "waiting");
        assert.deepEqual(socket.closed, []);
      });
    });

    describe("coming back", () => {
      const delay = (log) => log.at(-1)[1].delay;

      test("waits a random part of a time that doubles up to the cap", async () => {
        const { log } = await start({ random: () => 0.999 });
        const delays = [];
        for (let i = 0; i < 9; i++) {
          FakeWebSocket.last.end();
          delays.push(Math.round(delay(log) / 0.999));
          await nextAttempt();
        }
        assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert.equal(FakeWebSocket.made.length, 10);
      });

      test("spreads over the whole of that time, from 0 on", async () => {
        for (const [dice, expected] of [[0, 0], [0.25, 25], [0.75, 75]]) {
          const { socket, log } = await start({ random: () => dice });
          socket.end();
          assert.equal(delay(log), expected);
        }
      });

      test("begins anew only after a connection that lasted", async () => {
        const { log } = await start();
        for (const expected of [50, 100, 200]) {
          FakeWebSocket.last.welcome();
          FakeWebSocket.last.end();
          assert.equal(delay(log), expected);
          pass(expected);
          await settle();
        }
        FakeWebSocket.last.welcome();
        for (let i = 0; i < 20; i++) {
          pass(500);
          FakeWebSocket.last.say({ type: "pong" });
        }
        FakeWebSocket.last.end();
        assert.equal(delay(log), 50);
      });

      test("keeps to the time that the server gives, once", async () => {
        const { socket, log } = await start();
        socket.welcome();
        socket.say({ type: "reconnect", after_ms: 7_777 });
        socket.end(1012, "service restart");
        assert.equal(delay(log), 7_777);
        assert.equal(log.at(-1)[1].code, 1012);
        pass(7_776);
        await settle();
        assert.equal(FakeWebSocket.made.length, 1);
        pass(1);
        await settle();
        assert.equal(FakeWebSocket.made.length, 2);
        FakeWebSocket.last.end();
        assert.equal(delay(log), 100);
      });

      test("leaves a server in peace that restarts or is busy", async () => {
        for (const code of [1012, 1013]) {
          for (const [dice, expected] of [[0, 5_000], [0.5, 17_500]]) {
            const { socket, log } = await start({ random: () => dice });
            socket.welcome();
            socket.end(code);
            assert.equal(delay(log), expected);
          }
        }
      });

      test("keeps to Retry-After where it can be seen", async () => {
        class Ws extends FakeWebSocket {
          on(name, listener) {
            this[name] = listener;
          }
        }
        const { socket, log } = await start({ WebSocket: Ws });
        socket["unexpected-response"]({}, { statusCode: 503, headers: { "retry-after": "7" } });
        assert.deepEqual([delay(log), log.at(-1)[1].status], [7_500, 503]);
        assert.deepEqual(socket.closed, []);
        pass(7_500);
        await settle();
        FakeWebSocket.last["unexpected-response"]({}, { statusCode: 401, headers: {} });
        assert.deepEqual([delay(log), log.at(-1)[1].status], [100, 401]);
      });

      test("stays away when the application closed it", async () => {
        const { socket, client, heard } = await subscribed();
        socket.end(1000, "signed out");
        assert.equal(client.state, "closed");
        assert.deepEqual(heard(), [["closed", "signed out"]]);
        pass(1_000_000);
        await settle();
        assert.equal(FakeWebSocket.made.length, 1);
        assert.throws(() => client.subscribe({ topics: ["a"] }, () => {}), /closed/);
        assert.throws(() => client.send(1), /not connected/);
      });

      test("shows its ticket", async () => {
        const { socket } = await start({ token: "t" });
        socket.welcome({ ticket: "a&b" });
        const next = await reconnect();
        assert.equal(next.url.searchParams.get("ticket"), "a&b");
        assert.equal(next.url.searchParams.get("token"), "t");
        // The next welcome gave none.
        assert.equal((await reconnect()).url.searchParams.get("ticket"), null);
      });
    });

    describe("silence", () => {
      test("is broken by a ping, and any answer will do", async () => {
        const { socket, client } = await start();
        socket.welcome();
        pass(999);
        assert.deepEqual(socket.take(), []);
        pass(1);
        assert.deepEqual(socket.take(), [{ type: "ping" }]);
        pass(4_999);
        socket.say({ type: "event", id: 9 });
        pass(999);
        assert.deepEqual(socket.take(), []);
        pass(1);
        assert.deepEqual(socket.take(), [{ type: "ping" }]);
        assert.equal(client.state, "open");
      });

      test("without an answer is the end of the connection, at once", async () => {
        const { socket, client, log } = await start();
        socket.welcome();
        pass(5_999);
        assert.equal(client.state, "open");
        pass(1);
        assert.equal(client.state, "waiting");
        assert.match(log.at(-1)[1].cause.message, /ping/);
        // What the old one says later is of no interest.
        socket.say({ type: "welcome", ping_ms: 1 });
        socket.end();
        assert.equal(client.state, "waiting");
        pass(50);
        await settle();
        assert.equal(FakeWebSocket.made.length, 2);
      });
    });

    describe("subscriptions", () => {
      test("are asked for once connected, with all that was given", async () => {
        const { client, socket } = await start();
        const spec = { topics: ["a"], patterns: ["b.*"], where: { x: [1] }, overflow: "disconnect" };
        client.subscribe(spec, () => {});
        client.subscribe({ topics: ["c"], from: { c: "1-2" } }, () => {});
        assert.deepEqual(socket.take(), []);
        socket.welcome();
        assert.deepEqual(socket.take(), [
          { type: "subscribe", id: 1, ...spec },
          { type: "subscribe", id: 2, topics: ["c"], from: { c: "1-2" } },
        ]);
        client.subscribe({ topics: ["d"] }, () => {});
        assert.deepEqual(socket.take(), [{ type: "subscribe", id: 3, topics: ["d"] }]);
      });

      test("made by a listener are asked for once", async () => {
        const { client, socket } = await start();
        client.on("state", ({ state }) => state == "open" && client.subscribe({ topics: ["a"] }, () => {}));
        socket.welcome();
        assert.deepEqual(socket.take(), [{ type: "subscribe", id: 1, topics: ["a"] }]);
      });

      test("get their events as they were published", async () => {
        const { socket, heard } = await subscribed();
        socket.say(event("1-1", { key: "k", data: null }));
        socket.say({ type: "event", id: 1, topic: "a", position: "1-2", text: "x" });
        socket.say({ type: "event", id: 1, topic: "a", position: "1-3", base64: "AP/+" });
        assert.deepEqual(heard(), [
          ["event", { topic: "a", position: "1-1", key: "k", data: null }],
          ["event", { topic: "a", position: "1-2", text: "x" }],
          ["event", { topic: "a", position: "1-3", bytes: Uint8Array.of(0, 255, 254) }],
        ]);
      });

      test("resume after the last event of each topic", async () => {
        const { socket } = await subscribed({ topics: ["a", "b", "__proto__"], from: { b: "1-5" } });
        socket.say(JSON.parse('{"type": "subscribed", "id": 1, "at": {"a": "1-1", "__proto__": "1-3"}}'));
        socket.say(event("1-9"));
        socket.say(event("1-a"));
        const [{ from }] = (await reconnect()).take();
        assert.deepEqual(Object.entries(from).sort(), [["__proto__", "1-3"], ["a", "1-a"], ["b", "1-5"]]);
      });

      test("drop what came before, by position", async () => {
        const { socket, heard } = await subscribed();
        const positions = ["1-f", "1-f", "1-e", "1-10", "1-9", "1-ffffffffffffffff", "1-fffffffffffffffe", "2-1"];
        for (const position of positions) socket.say(event(position));
        socket.say(event("1-1", { topic: "b" }));
        const kept = heard().map(([, { position }]) => position);
        assert.deepEqual(kept, ["1-f", "1-10", "1-ffffffffffffffff", "2-1", "1-1"]);
      });

      test("get nothing more once they are unsubscribed", async () => {
        const { socket, subscription, heard } = await subscribed();
        subscription.unsubscribe();
        subscription.unsubscribe();
        assert.deepEqual(socket.take(), [{ type: "unsubscribe", id: 1 }]);
        socket.say(event("1-1"));
        socket.say({ type: "lagged", id: 1, missed: 1 });
        socket.say({ type: "closed", id: 1, reason: "slow_consumer" });
        socket.say({ type: "unsubscribed", id: 1 });
        assert.deepEqual(heard(), []);
        assert.deepEqual((await reconnect()).take(), []);
      });

      test("may be unsubscribed while there is no connection", async () => {
        const { socket, subscription, client } = await subscribed();
        socket.end();
        subscription.unsubscribe();
        client.subscribe({ topics: ["b"] }, () => {}).unsubscribe();
        assert.deepEqual((await reconnect()).take(), []);
      });

      test("that the server ended are told so and do not come back", async () => {
        const { socket, heard } = await subscribed();
        socket.say({ type: "closed", id: 1, reason: "slow_consumer" });
        assert.deepEqual(heard(), [["closed", "slow_consumer"]]);
        assert.deepEqual((await reconnect()).take(), []);
      });
    });

    describe("what is missed", () => {
      const unknown = ["lagged", { missed: null, reason: "not every position was known" }];
      const told = (id, at = {}) => ({ type: "subscribed", id, at });

      test("is told with its number", async () => {
        const { socket, heard } = await subscribed();
        socket.say({ type: "lagged", id: 1, missed: 12 });
        assert.deepEqual(heard(), [["lagged", { missed: 12 }]]);
      });

      test("is told without one, and old positions are forgotten", async () => {
        const { socket, heard } = await subscribed({ topics: ["a", "b"], from: { a: "1-1", b: "1-1" } });
        socket.say(told(1, { a: "2-7" }));
        socket.say({ type: "lagged", id: 1, missed: null, reason: "other epoch" });
        assert.deepEqual(heard().at(-1), ["lagged", { missed: null, reason: "other epoch" }]);
        const [{ from }] = (await reconnect()).take();
        assert.deepEqual(from, { a: "2-7" });
      });

      test("is not told where every position is known", async () => {
        const { socket, heard } = await subscribed();
        socket.say(told(1, { a: "1-1" }));
        (await reconnect()).say(told(1));
        assert.deepEqual(heard(), [["subscribed", { at: { a: "1-1" } }], ["subscribed", { at: {} }]]);
      });

      test("may be something where a position is not known", async () => {
        const { socket, heard } = await subscribed({ topics: ["a", "b"] });
        socket.say(told(1, { a: "1-1" }));
        heard();
        const next = await reconnect();
        assert.deepEqual(heard(), [], "not before it is in force again");
        next.say(told(1));
        assert.deepEqual(heard(), [["subscribed", { at: {} }], unknown]);
      });

      test("may be something where patterns are", async () => {
        const { socket, heard } = await subscribed({ patterns: ["*"] });
        socket.say(told(1));
        socket.say(event("1-1"));
        heard();
        const next = await reconnect();
        assert.deepEqual(next.take()[0].from, { a: "1-1" });
        next.say(told(1));
        assert.deepEqual(heard(), [["subscribed", { at: {} }], unknown]);
      });

      test("may be something after more topics than a client can keep", async () => {
        const { socket, heard } = await subscribed({ topics: ["t1000"] });
        socket.say(told(1));
        for (let i = 0; i <= 1_000; i++) socket.say(event("1-1", { topic: `t${i}` }));
        heard();
        const next = await reconnect();
        const { from } = next.take()[0];
        assert.deepEqual([Object.keys(from).length, from.t0, from.t1], [1_000, undefined, "1-1"]);
        next.say(told(1));
        assert.deepEqual(heard(), [["subscribed", { at: {} }], unknown]);
      });

      test("may be something when the positions are more than a message takes", async () => {
        const { socket, heard } = await subscribed({ topics: ["a"] }, { maxMessage: 2_000 });
        socket.say(told(1));
        for (let i = 0; i < 30; i++) socket.say(event("1-1", { topic: `é${i}`.repeat(20) }));
        socket.say(event("1-1"));
        heard();
        const next = await reconnect();
        const request = next.take()[0];
        const bytes = new TextEncoder().encode(JSON.stringify(request)).length;
        assert.ok(bytes <= 2_000 && bytes > 1_800, `${bytes}`);
        assert.equal(request.from.a, "1-1");
        next.say(told(1));
        assert.deepEqual(heard().at(-1), unknown);
      });
    });

    describe("what the application subscribed it to", () => {
      const fromServer = (topic, position, id = 0) => ({ type: "event", id, topic, position, data: 1 });
      const told = (id, at) => ({ type: "subscribed", id, at });
      const second = 4294967295;
      const granted = { subscriptions: 1, grant: "1" };
      const two = { subscriptions: 2, grant: "2" };
      const shown = async (welcome) => (await reconnect(welcome)).url.searchParams.get("from");

      /** Two subscriptions to "a", the first of which is behind. */
      async function skewed() {
        const started = await start();
        const { socket, log } = started;
        socket.welcome(two);
        socket.say(told(0, { a: "1-1" }));
        socket.say(told(second, { a: "1-1", b: "1-1" }));
        log.length = 0;
        for (const [position, id] of [["1-2", 0], ["1-3", second], ["1-9", second], ["1-a", second]]) {
          socket.say(fromServer("a", position, id));
        }
        return { ...started, heard: () => log.splice(0).map(([name, { position }]) => position ?? name) };
      }

      test("comes to the client itself, each event once for each of them", async () => {
        const { socket, heard } = await skewed();
        socket.say(fromServer("a", "1-3"));
        socket.say(fromServer("a", "1-3"));
        socket.say({ type: "lagged", id: second, missed: 3 });
        assert.deepEqual(heard(), ["1-2", "1-3", "1-9", "1-a", "1-3", "lagged"]);
      });

      test("is resumed by the URL", async () => {
        const { socket } = await start();
        socket.welcome(granted);
        socket.say(told(0, { "a,b=c&é": "1-1", d: "1-2" }));
        socket.say(fromServer("d", "1-3"));
        assert.equal(await shown(granted), "a%2Cb%3Dc%26%C3%A9=1-1,d=1-3");
      });

      test("is resumed where the one furthest behind stood, and the others drop what they had", async () => {
        const { heard } = await skewed();
        assert.equal(await shown(two), "a=1-2,b=1-1");
        const { last } = FakeWebSocket;
        last.say(told(0, { a: "1-2" }));
        last.say(told(second, { a: "1-2", b: "1-1" }));
        heard();
        for (const id of [0, second]) {
          for (const position of ["1-3", "1-a", "1-b"]) last.say(fromServer("a", position, id));
        }
        assert.deepEqual(heard(), ["1-3", "1-a", "1-b", "1-b"]);
        assert.equal(await shown(two), "a=1-b,b=1-1");
      });

      test("drops nothing when the ids stand for something else", async () => {
        const { heard } = await skewed();
        await reconnect({ subscriptions: 2, grant: "other" });
        const { last } = FakeWebSocket;
        last.say(told(0, { a: "1-2", b: "1-1" }));
        last.say(told(second, { a: "1-2" }));
        heard();
        last.say(fromServer("a", "1-3", second));
        assert.deepEqual(heard(), ["1-3"]);
        assert.equal(await shown(two), "a=1-2,b=1-1");
      });

      test("is not taken for known before all of it was told where it begins", async () => {
        const { socket } = await start();
        socket.welcome(two);
        assert.equal(await shown(two), null, "nothing was promised");
        FakeWebSocket.last.say(told(0, { a: "1-5" }));
        assert.equal(await shown(two), "*", "the other one may have missed something");
        FakeWebSocket.last.say(told(0, { a: "1-5" }));
        FakeWebSocket.last.say(told(second, { a: "1-4" }));
        assert.equal(await shown({ ...two, grant: "3" }), "a=1-4");
        FakeWebSocket.last.say(told(0, { a: "1-4" }));
        FakeWebSocket.last.say(fromServer("a", "1-7"));
        assert.equal(await shown(two), "a=1-4");
      });

      test("says so when it cannot be resumed", async () => {
        const { socket } = await start();
        socket.welcome();
        assert.equal(await shown(granted), null, "there is nothing to resume");
        FakeWebSocket.last.say(told(0, {}));
        assert.equal(await shown(granted), "*");
        for (let i = 0; i < 500; i++) FakeWebSocket.last.say(fromServer(`topic${i}`, "1-1"));
        assert.equal(await shown(granted), "*", "too much for a URL");
        FakeWebSocket.last.say({ type: "lagged", id: 0, missed: null });
        FakeWebSocket.last.say(fromServer("a", "1-1"));
        assert.equal(await shown(granted), "a=1-1");
      });

      test("may be made later, and is not resumed then", async () => {
        const { socket, heard } = await skewed();
        heard();
        const later = 2147483648;
        socket.say(told(later, { a: "1-0", c: "1-1" }));
        socket.say(fromServer("c", "1-2", later));
        socket.say(fromServer("c", "1-2", later));
        socket.say({ type: "unsubscribed", id: later });
        assert.deepEqual(heard(), ["1-2"]);
        assert.equal(await shown(two), "a=1-2,b=1-1");
        FakeWebSocket.last.say(told(later, { c: "1-1" }));
        heard();
        FakeWebSocket.last.say(fromServer("c", "1-2", later));
        assert.deepEqual(heard(), ["1-2"], "of another subscription with the same id");
      });

      test("is gone when the application grants nothing any more", async () => {
        await skewed();
        await reconnect();
        assert.equal(await shown(), null);
      });
    });

    describe("errors", () => {
      test("about a subscription go to its own callback, and it is gone", async () => {
        const { client, socket, log } = await start();
        const errors = [];
        client.subscribe({ topics: ["a"] }, () => {}, { onError: (error) => errors.push(error) });
        client.subscribe({ topics: ["b"] }, () => {});
        socket.welcome();
        log.length = 0;
        socket.say({ type: "error", id: 1, code: "denied", message: "no" });
        socket.say({ type: "error", id: 2, code: "too_many", message: "enough" });
        socket.say({ type: "error", code: "bad_request", message: "what?" });
        const told = (error) => [error instanceof Error, error.code, error.id, error.message];
        assert.deepEqual(errors.map(told), [[true, "denied", 1, "no"]]);
        assert.deepEqual(log.map(([, error]) => told(error)), [
          [true, "too_many", 2, "enough"],
          [true, "bad_request", undefined, "what?"],
        ]);
        assert.deepEqual((await reconnect()).take(), []);
      });

      test("about what was unsubscribed meanwhile are none", async () => {
        const { client, socket, subscription, log } = await subscribed();
        subscription.unsubscribe();
        log.length = 0;
        socket.say({ type: "error", id: 1, code: "unknown", message: "no such id" });
        assert.deepEqual(log, []);
        assert.equal(client.state, "open");
      });

      test("thrown by callbacks are told and end nothing", async () => {
        const { client, socket, log } = await start();
        const seen = [];
        client.subscribe({ topics: ["a"] }, (event) => {
          seen.push(event.position);
          throw Error("mine");
        });
        socket.welcome();
        log.length = 0;
        socket.say(event("1-1"));
        socket.say(event("1-2"));
        assert.deepEqual(seen, ["1-1", "1-2"]);
        assert.deepEqual(log.map(([, error]) => error.message), ["mine", "mine"]);
      });

      test("and what is no message reach the listeners", async () => {
        const { socket, log } = await start();
        socket.welcome();
        log.length = 0;
        socket.onmessage({ data: "{" });
        assert.ok(log[0][1] instanceof SyntaxError);
        socket.say({ type: "news", id: 3 });
        socket.say({ type: "news" });
        assert.equal(log.length, 1, "what may come in a later version is no error");
      });

      test("that nobody listens for are thrown", async () => {
        const before = process.listeners("uncaughtException");
        process.removeAllListeners("uncaughtException");
        const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
        try {
          connect("ws://a/", { WebSocket: FakeWebSocket });
          await settle();
          FakeWebSocket.last.welcome();
          FakeWebSocket.last.say({ type: "error", code: "bad_request", message: "unheard" });
          assert.equal((await thrown).message, "unheard");
        } finally {
          for (const listener of before) process.on("uncaughtException", listener);
        }
      });
    });

    describe("the application", () => {
      test("is talked to", async () => {
        const { client, socket, log } = await start();
        assert.throws(() => client.send(1), /not connected/);
        socket.welcome();
        log.length = 0;
        client.send({ a: 1 });
        assert.deepEqual(socket.take(), [{ type: "message", data: { a: 1 } }]);
        socket.say({ type: "message", data: null });
        socket.say({ type: "message", base64: "AQ==" });
        assert.deepEqual(log, [["message", { data: null }], ["message", { bytes: Uint8Array.of(1) }]]);
      });

      test("may take a listener away again", async () => {
        const { client, socket } = await start();
        const heard = [];
        const off = client.on("message", (message) => heard.push(message));
        socket.welcome();
        socket.say({ type: "message", data: 1 });
        off();
        socket.say({ type: "message", data: 2 });
        assert.deepEqual(heard, [{ data: 1 }]);
      });
    });

    describe("closing", () => {
      test("ends everything, from every state", async () => {
        for (const prepare of [() => {}, (socket) => socket.welcome(), (socket) => socket.end()]) {
          const { client, socket, log } = await start();
          prepare(socket);
          client.close();
          client.close();
          assert.deepEqual(log.at(-1), ["state", { state: "closed", reason: "closed by the client" }]);
          const count = FakeWebSocket.made.length;
          pass(1_000_000);
          await settle();
          assert.equal(FakeWebSocket.made.length, count);
        }
      });

      test("says goodbye and tells the subscriptions", async () => {
        const { client, socket, heard } = await subscribed();
        client.close();
        assert.deepEqual(socket.closed, [1000]);
        assert.deepEqual(heard(), [["closed", "closed by the client"]]);
      });

      test("within a callback leaves nothing behind", async () => {
        for (const state of ["open", "waiting"]) {
          const { client, socket } = await start();
          client.subscribe({ topics: ["a"] }, () => {});
          client.on("state", (change) => change.state == state && client.close());
          socket.welcome();
          socket.end();
          const count = FakeWebSocket.made.length;
          pass(1_000_000);
          await settle();
          assert.deepEqual([client.state, FakeWebSocket.made.length], ["closed", count]);
        }
      });

      test("while the token is fetched opens nothing", async () => {
        let answer;
        const { client } = await start({ token: () => new Promise((resolve) => (answer = resolve)) });
        client.close();
        answer("late");
        await settle();
        assert.equal(FakeWebSocket.made.length, 0);
      });
    });
  });
}
