// The `eventsource` client: events, a gap it is told of, and coming back.

import assert from "node:assert/strict";
import { EventSource } from "eventsource";
import { Queue, Talk, number, run, within } from "./check.mjs";

const base = process.argv[3];

/** Listens, through the network that the test may cut. */
async function listen(target) {
  const source = new EventSource(base + target);
  const heard = new Queue();
  const opened = new Queue();
  source.addEventListener("message", (event) => heard.push(event));
  source.addEventListener("lagged", (event) => heard.push(event));
  source.addEventListener("open", () => opened.push(true));
  await opened.next("open");
  return { source, heard, opened };
}

await run({
  "events": async () => {
    const talk = await Talk.open("/");
    const { source, heard } = await listen("/?topics=sse.a");
    talk.say("!publish sse.a one line");
    assert.equal((await heard.next()).data, "one line");
    talk.say("!publish sse.a two\nlines\n");
    assert.equal((await heard.next()).data, "two\nlines\n");
    source.close();
    await talk.close();
  },

  "a gap": async () => {
    const talk = await Talk.open("/");
    const { source, heard } = await listen("/?topics=sse.l&events=4");
    talk.say("!flood sse.l 400 100");
    let next = 0;
    while (next < 400) {
      const event = await heard.next();
      if (event.type === "lagged") next += JSON.parse(event.data).missed;
      else assert.equal(number(event.data), next++);
    }
    assert.equal(next, 400);
    source.close();
    await talk.close();
  },

  "back by itself, without a loss": async () => {
    const talk = await Talk.open("/");
    const { source, heard, opened } = await listen("/?topics=kept.s");
    talk.say("!publish kept.s 0");
    assert.equal((await heard.next()).data, "0");
    // The test cuts all that goes through its network.
    talk.say("!publish test.cut now");
    for (let i = 1; i < 20; i++) talk.say(`!publish kept.s ${i}`);
    await within(opened.next("open again"), "open again");
    for (let i = 1; i < 20; i++) assert.equal((await heard.next()).data, String(i));
    source.close();
    await talk.close();
  },
});
