// A conversation of `ws` with a gateway, payloads as they are.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import { Talk, gateway, number, run, within } from "./check.mjs";

const LARGE = 4 << 20;

await run({
  "text and binary events": async () => {
    const talk = await Talk.open("/?topics=node.a,node.b");
    talk.say("!publish node.a grüße 👋");
    assert.equal(await talk.hear(), "grüße 👋");
    talk.say("!bytes node.b 00ff80");
    assert.deepEqual(await talk.hear(), Buffer.from([0x00, 0xff, 0x80]));
    talk.say("!publish node.elsewhere not for us");
    talk.say("!publish node.b for us");
    assert.equal(await talk.hear(), "for us");
    await talk.close();
  },

  "every payload as binary, when the application wants it so": async () => {
    const talk = await Talk.open("/?topics=node.a&format=binary");
    talk.say("!publish node.a text");
    assert.deepEqual(await talk.hear(), Buffer.from("text"));
    await talk.close();
  },

  "what is said is heard": async () => {
    const talk = await Talk.open("/");
    talk.say("text");
    talk.say(Buffer.from([1, 2, 3]));
    assert.equal(await talk.hear(), "text");
    assert.deepEqual(await talk.hear(), Buffer.from([1, 2, 3]));
    // In three fragments.
    talk.socket.send("one, ", { fin: false });
    talk.socket.send("two, ", { fin: false });
    talk.socket.send("three", { fin: true });
    assert.equal(await talk.hear(), "one, two, three");
    await talk.close();
  },

  "a message of 4 MiB": async () => {
    const talk = await Talk.open("/?topics=node.large");
    talk.say(`!flood node.large 3 ${LARGE}`);
    for (let i = 0; i < 3; i++) {
      const message = await talk.hear();
      assert.equal(message.length, LARGE);
      assert.equal(number(message), i);
    }
    await talk.close();
  },

  "a thousand events in order": async () => {
    const talk = await Talk.open("/?topics=node.many");
    talk.say("!flood node.many 1000 100");
    for (let i = 0; i < 1000; i++) assert.equal(number(await talk.hear()), i);
    await talk.close();
  },

  "pings both ways": async () => {
    const talk = await Talk.open("/");
    talk.socket.ping("are you there");
    assert.equal((await talk.pongs.next("a pong")).toString(), "are you there");
    // Of two pings the second comes only because `ws` answered the first.
    await talk.pings.next("a ping");
    await talk.pings.next("a second ping");
    assert.equal(talk.socket.readyState, WebSocket.OPEN);
    await talk.close();
  },

  "close codes": async () => {
    for (const code of [1000, 1001, 3000, 4999]) {
      const talk = await Talk.open("/");
      assert.equal((await talk.close(code)).code, code);
    }
    const closed = await Talk.open("/");
    closed.say("!close enough");
    assert.deepEqual(await closed.closed.next("a close"), { code: 1000, reason: "enough" });
    const much = await Talk.open("/");
    much.say("x".repeat((64 << 10) + 1));
    assert.equal((await much.closed.next("a close")).code, 1009);
  },

  "a plain socket that missed something is sent away": async () => {
    const talk = await Talk.open("/?topics=node.lag&events=4");
    talk.say("!flood node.lag 400 100");
    assert.equal((await talk.closed.next("a close")).code, 1013);
  },

  "a slow consumer is sent away": async () => {
    const talk = await Talk.open("/?topics=node.slow&events=4&overflow=disconnect");
    talk.say("!flood node.slow 400 100");
    assert.equal((await talk.closed.next("a close")).code, 1013);
  },

  "compression is declined": async () => {
    const socket = new WebSocket(`${gateway}/?topics=node.a`, { perMessageDeflate: true });
    await within(once(socket, "open"), "open");
    assert.equal(socket.extensions, "");
    socket.terminate();
  },

  "refused": async () => {
    const socket = new WebSocket(`${gateway}/?refuse=403`);
    const [, response] = await within(once(socket, "unexpected-response"), "a refusal");
    assert.equal(response.statusCode, 403);
    response.destroy();
  },
});
