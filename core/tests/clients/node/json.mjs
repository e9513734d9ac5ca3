// A conversation of `ws` with a gateway in the JSON protocol.

import assert from "node:assert/strict";
import { Talk, number, run } from "./check.mjs";

const PROTOCOL = "distributary.v1.json";

async function open(target) {
  const talk = await Talk.open(target, [PROTOCOL]);
  assert.equal(talk.socket.protocol, PROTOCOL);
  const welcome = await hear(talk);
  assert.equal(welcome.type, "welcome");
  assert.equal(welcome.version, 1);
  assert.ok(welcome.ping_ms > 0);
  return { talk, welcome };
}

async function hear(talk) {
  const text = await talk.hear();
  assert.equal(typeof text, "string");
  return JSON.parse(text);
}

function say(talk, message) {
  talk.say(JSON.stringify(message));
}

function tell(talk, command) {
  say(talk, { type: "message", data: command });
}

async function subscribe(talk, id, wish) {
  say(talk, { type: "subscribe", id, ...wish });
  const answer = await hear(talk);
  assert.deepEqual([answer.type, answer.id], ["subscribed", id], JSON.stringify(answer));
  return answer;
}

async function event(talk, id) {
  const message = await hear(talk);
  assert.deepEqual([message.type, message.id], ["event", id], JSON.stringify(message));
  return message;
}

await run({
  "subscribe, hear, unsubscribe": async () => {
    const { talk } = await open("/?allow=node.*");
    await subscribe(talk, 1, { topics: ["node.a"] });
    await subscribe(talk, 2, { patterns: ["node.*"] });
    tell(talk, '!publish node.a {"n": [1, 2.50, "three"]}');
    const both = [await hear(talk), await hear(talk)];
    assert.deepEqual(both.map((each) => each.id).sort(), [1, 2]);
    for (const each of both) {
      assert.equal(each.topic, "node.a");
      assert.deepEqual(each.data, { n: [1, 2.5, "three"] });
      assert.match(each.position, /^[0-9a-f]+-[0-9a-f]+$/);
    }
    say(talk, { type: "unsubscribe", id: 1 });
    assert.deepEqual(await hear(talk), { type: "unsubscribed", id: 1 });
    tell(talk, "!publish node.a not JSON");
    assert.equal((await event(talk, 2)).text, "not JSON");
    tell(talk, "!bytes node.a 00ff");
    assert.equal((await event(talk, 2)).base64, "AP8=");
    assert.ok(talk.heard.isEmpty);
    await talk.close();
  },

  "a filter": async () => {
    const { talk } = await open("/?allow=node.*");
    await subscribe(talk, 7, { topics: ["node.f"], where: { language: "de" } });
    tell(talk, '!publish node.f {"language": "en", "n": 1}');
    tell(talk, '!publish node.f {"language": "de", "n": 2}');
    assert.equal((await event(talk, 7)).data.n, 2);
    await talk.close();
  },

  "pings both ways": async () => {
    const { talk } = await open("/");
    say(talk, { type: "ping" });
    assert.deepEqual(await hear(talk), { type: "pong" });
    await talk.pings.next("a ping");
    await talk.pings.next("a second ping");
    await talk.close();
  },

  "the application answers": async () => {
    const { talk } = await open("/");
    say(talk, { type: "message", data: { any: ["thing"] } });
    assert.deepEqual(await hear(talk), { type: "message", data: { any: ["thing"] } });
    await talk.close();
  },

  "lagged, with the number": async () => {
    const { talk } = await open("/?allow=node.*");
    await subscribe(talk, 1, { topics: ["node.l"], overflow: "drop_oldest", budget: { events: 4 } });
    tell(talk, "!flood node.l 400 100");
    let next = 0;
    while (next < 400) {
      const message = await hear(talk);
      assert.equal(message.id, 1);
      if (message.type === "lagged") {
        assert.ok(message.missed > 0);
        next += message.missed;
      } else {
        assert.equal(message.type, "event");
        assert.equal(message.data ?? number(message.text), next);
        next += 1;
      }
    }
    assert.equal(next, 400);
    await talk.close();
  },

  "a subscription that is too slow is closed, and only it": async () => {
    const { talk } = await open("/?allow=node.*");
    await subscribe(talk, 1, { topics: ["node.d"], overflow: "disconnect", budget: { events: 4 } });
    await subscribe(talk, 2, { topics: ["node.e"] });
    tell(talk, "!flood node.d 400 100");
    let message = await hear(talk);
    while (message.type === "event") message = await hear(talk);
    assert.deepEqual([message.type, message.id, message.reason], ["closed", 1, "slow_consumer"]);
    tell(talk, "!publish node.e 1");
    assert.equal((await event(talk, 2)).data, 1);
    await talk.close();
  },

  "back where it stopped": async () => {
    const first = await open("/?allow=kept.*");
    const { at } = await subscribe(first.talk, 1, { topics: ["kept.n"] });
    assert.ok(at["kept.n"]);
    tell(first.talk, '!publish kept.n "one"');
    const { position } = await event(first.talk, 1);
    first.talk.socket.terminate();
    const other = await open("/?allow=kept.*");
    tell(other.talk, '!publish kept.n "two"');
    tell(other.talk, '!publish kept.n "three"');
    await subscribe(other.talk, 5, { topics: ["kept.n"], from: { "kept.n": position } });
    assert.equal((await event(other.talk, 5)).data, "two");
    assert.equal((await event(other.talk, 5)).data, "three");
    await other.talk.close();
  },

  "a ticket": async () => {
    const first = await open("/?topics=node.t&name=node-ticket&ticket=60");
    assert.ok(first.welcome.ticket);
    first.talk.socket.terminate();
    const back = await open(`/?ticket=${encodeURIComponent(first.welcome.ticket)}`);
    const { type, id } = await hear(back.talk);
    assert.deepEqual([type, id], ["subscribed", 0]);
    tell(back.talk, "!publish node.t 1");
    assert.equal((await event(back.talk, 0)).data, 1);
    await back.talk.close();
  },

  "what is wrong is told": async () => {
    const { talk } = await open("/?allow=node.*");
    const wrong = async (message, code) => {
      say(talk, message);
      const answer = await hear(talk);
      assert.deepEqual([answer.type, answer.code], ["error", code], JSON.stringify(answer));
      assert.ok(answer.message.length > 0);
    };
    await wrong({ type: "subscribe", id: 1, topics: ["other.a"] }, "denied");
    await wrong({ type: "subscribe", id: 1 }, "bad_request");
    await wrong({ type: "subscribe", topics: ["node.a"] }, "bad_request");
    await wrong({ type: "subscribe", id: 1, topics: ["node.a"], where: 7 }, "bad_request");
    await wrong({ type: "unsubscribe", id: 99 }, "unknown");
    await wrong({ type: "dance" }, "bad_request");
    await subscribe(talk, 1, { topics: ["node.a"] });
    await wrong({ type: "subscribe", id: 1, topics: ["node.b"] }, "bad_request");
    await talk.close();
  },
});
