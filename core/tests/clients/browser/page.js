// Conversations of a browser with a gateway. Runs one case after the other and tells the
// test how it went.

import { connect } from "/distributary.js";

const PATIENCE = 30_000;
const { gateway, network } = await (await fetch("/addresses")).json();

function within(promise, what) {
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error(`nothing in time: ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]);
}

function equal(is, should, what = "") {
  const [a, b] = [JSON.stringify(is), JSON.stringify(should)];
  if (a !== b) throw new Error(`${what} ${a} is not ${b}`);
}

/** Things that come one by one, to be waited for one by one. */
class Queue {
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
}

/** A WebSocket of the browser's own. */
async function open(target, protocols) {
  const socket = new WebSocket(`ws://${gateway}${target}`, protocols);
  socket.binaryType = "arraybuffer";
  const [heard, opened, closed] = [new Queue(), new Queue(), new Queue()];
  socket.onopen = () => opened.push(true);
  socket.onmessage = ({ data }) => heard.push(data);
  socket.onclose = ({ code, reason, wasClean }) => closed.push({ code, reason, wasClean });
  await opened.next("open");
  return { socket, heard, closed };
}

/** Cuts all connections that go through the network of the test. */
async function cut() {
  await fetch("/cut", { method: "POST" });
}

const cases = {
  async "a WebSocket"() {
    const { socket, heard, closed } = await open("/?topics=web.a");
    socket.send("!publish web.a grüße 👋");
    equal(await heard.next(), "grüße 👋");
    socket.send("!bytes web.a 00ff80");
    equal([...new Uint8Array(await heard.next())], [0x00, 0xff, 0x80]);
    socket.send(new Uint8Array([1, 2, 3]));
    equal([...new Uint8Array(await heard.next())], [1, 2, 3]);
    equal([socket.protocol, socket.extensions], ["", ""]);
    socket.close(4001, "bye");
    equal(await closed.next(), { code: 4001, reason: "", wasClean: true });
  },

  async "large messages, many messages"() {
    const { socket, heard } = await open("/?topics=web.b");
    socket.send(`!flood web.b 3 ${4 << 20}`);
    for (let i = 0; i < 3; i++) {
      const data = await heard.next();
      equal([data.length, Number(data)], [4 << 20, i]);
    }
    socket.send("!flood web.b 1000 100");
    for (let i = 0; i < 1000; i++) equal(Number(await heard.next()), i);
    socket.close();
  },

  async "how the gateway closes"() {
    const asked = await open("/");
    asked.socket.send("!close enough");
    equal(await asked.closed.next(), { code: 1000, reason: "enough", wasClean: true });
    const lagged = await open("/?topics=web.c&events=4");
    lagged.socket.send("!flood web.c 400 100");
    equal((await lagged.closed.next()).code, 1013);
  },

  async "an EventSource that comes back"() {
    const { socket } = await open("/");
    const source = new EventSource(`http://${network}/?topics=kept.web`);
    const [heard, opened] = [new Queue(), new Queue()];
    source.onmessage = ({ data, lastEventId }) => heard.push({ data, lastEventId });
    source.onopen = () => opened.push(true);
    await opened.next("open");
    socket.send("!publish kept.web 0");
    const first = await heard.next();
    equal(first.data, "0");
    if (!first.lastEventId) throw new Error("no id to come back with");
    await cut();
    for (let i = 1; i < 50; i++) socket.send(`!publish kept.web ${i}`);
    await opened.next("open again");
    for (let i = 1; i < 50; i++) equal((await heard.next()).data, String(i));
    source.close();
    socket.close();
  },

  async "an EventSource that missed something"() {
    const { socket } = await open("/");
    const source = new EventSource(`http://${gateway}/?topics=web.d&events=4`);
    const [heard, opened] = [new Queue(), new Queue()];
    source.onmessage = ({ data }) => heard.push({ number: Number(data) });
    source.addEventListener("lagged", ({ data }) => heard.push(JSON.parse(data)));
    source.onopen = () => opened.push(true);
    await opened.next("open");
    socket.send("!flood web.d 400 100");
    for (let next = 0; next < 400; ) {
      const { number, missed } = await heard.next();
      if (missed === undefined) equal(number, next);
      next += missed ?? 1;
    }
    source.close();
    socket.close();
  },

  async "the JSON client, through a drop"() {
    const control = await open("/");
    const client = connect(`ws://${network}/?allow=kept.*&topics=kept.own`, { base: 50 });
    const [heard, own, subscribed] = [new Queue(), new Queue(), new Queue()];
    const lagged = new Queue();
    client.on("event", (event) => own.push(event));
    client.subscribe({ topics: ["kept.json"] }, (event) => heard.push(event), {
      onSubscribed: (at) => subscribed.push(at),
      onLagged: (gap) => lagged.push(gap),
    });
    await subscribed.next("subscribed");
    for (let round = 0; round < 3; round++) {
      const numbers = [...Array(30).keys()].map((i) => round * 30 + i);
      for (const i of numbers) {
        if (i % 30 === 10) await cut();
        control.socket.send(`!publish kept.json {"n": ${i}}`);
        control.socket.send(`!publish kept.own {"n": ${i}}`);
      }
      for (const i of numbers) {
        equal((await heard.next()).data.n, i, "subscribed by itself:");
        equal((await own.next()).data.n, i, "subscribed by the server:");
      }
    }
    client.send("and back");
    const said = new Queue();
    client.on("message", ({ data }) => said.push(data));
    equal(await said.next(), "and back");
    client.close();
    equal(client.state, "closed");
    control.socket.close();
  },
};

const report = [];
for (const [name, body] of Object.entries(cases)) {
  try {
    await within(body(), name);
    report.push({ name, ok: true });
  } catch (error) {
    report.push({ name, ok: false, text: String(error?.stack ?? error) });
  }
}
await fetch("/report", { method: "POST", body: JSON.stringify(report) });
