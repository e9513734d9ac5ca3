// Not run: that the declarations take what the documentation says, and nothing else.
import { connect, type Client, type Event, type State } from "../distributary.js";

const client: Client = connect("wss://example.org/stream", {
  token: async () => "secret",
  base: 100,
  cap: 1_000,
  WebSocket,
});

const subscription = client.subscribe(
  {
    topics: ["chat.7"],
    patterns: ["news.*"],
    where: { author: [{ $var: "author" }] },
    variables: { author: ["ann", 7, null] },
    overflow: "keep_latest",
    budget: { events: 10 },
    from: { "chat.7": "1-2" },
  },
  (event: Event) => console.log(event.topic, event.data, event.text, event.bytes?.length),
  {
    onLagged: ({ missed, reason }) => console.log(missed === null ? reason : missed + 1),
    onClosed: (reason) => reason.length,
    onError: (error) => error.code,
  },
);
subscription.unsubscribe();

const off: () => void = client.on("state", ({ state, delay }) => console.log(state, delay));
off();
client.on("message", ({ data }) => client.send(data));
const state: State = client.state;
client.close();

// @ts-expect-error there is no such event
client.on("open", () => {});
// @ts-expect-error a policy that does not exist
client.subscribe({ topics: ["a"], overflow: "drop" }, () => {});
// @ts-expect-error a misspelt field
client.subscribe({ topic: "a" }, () => {});
// @ts-expect-error somebody has to get the events
client.subscribe({ topics: ["a"] });
// @ts-expect-error the state is told, not set
client.state = state;
