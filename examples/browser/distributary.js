// A client of the protocol `distributary.v1.json`, for browsers, Node 22 and later, and
// older Node with the WebSocket class of `ws`. It depends on nothing.
//
// One connection at a time, and one timer, which stands for what is waited for in the
// present state: a welcome, a sign of life, or the next attempt. Subscriptions outlive
// connections: each keeps the last position of each topic, and asks for what came since.

const PROTOCOL = "distributary.v1.json";

// How many positions a subscription keeps, which is what a server takes; and how long a
// URL may become by those of the server's own subscriptions.
const MOST_POSITIONS = 1000;
const LONGEST_FROM = 4000;

export function connect(url, options = {}) {
  const { token, base = 500, cap = 30_000, timeout = 20_000, maxMessage = 65_536 } = options;
  const { random = Math.random, WebSocket: Socket = globalThis.WebSocket } = options;
  const address = new URL(url, globalThis.location?.href);
  if (!Socket) throw Error("there is no WebSocket here: give a class as `WebSocket`");
  address.protocol = address.protocol.replace("http", "ws");

  const listeners = {};
  const subscriptions = new Map();
  // What the application subscribed this client to has ids of its own: when it let the
  // client in, and later, as long as the connection lasts.
  const granted = new Map();
  const later = new Map();
  let state, socket, timer, ticket, pingMs, openSince;
  // What the granted ids stand for, how many there are, and the last that was shown of
  // where they stood.
  let grant, awaited = 0, shown;
  let [lastId, attempt, tries] = [0, 0, 0];
  // What the server said about when to come back.
  let hint;

  // Errors go to those who listen for them, and else to whoever hears what nobody caught.
  function fail(error) {
    const hear = listeners.error?.size ? [...listeners.error] : [rethrow];
    for (const listener of hear) {
      try {
        listener(error);
      } catch (thrown) {
        queueMicrotask(() => rethrow(thrown));
      }
    }
  }

  // What a callback throws must not end the connection.
  function call(callback, value) {
    try {
      callback?.(value);
    } catch (error) {
      fail(error);
    }
  }

  function emit(name, value) {
    for (const listener of [...(listeners[name] ?? [])]) call(listener, value);
  }

  function become(next, why) {
    state = next;
    emit("state", { ...why, state });
  }

  function after(ms, what) {
    clearTimeout(timer);
    timer = setTimeout(what, ms);
  }

  function say(message) {
    socket.send(JSON.stringify(message));
  }

  async function open() {
    const mine = ++attempt;
    after(timeout, () => lost({ cause: Error("no welcome in time") }));
    become("connecting");
    try {
      const given = typeof token == "function" ? await token() : token;
      // Closed, or given up, in the meantime.
      if (mine != attempt) return;
      start(parameters({ token: given, ticket, from: from() }));
    } catch (cause) {
      if (mine == attempt) lost({ cause });
    }
  }

  // The URL with those parameters that there are.
  function parameters(given) {
    const to = new URL(address);
    for (const [name, value] of Object.entries(given)) {
      if (value) to.searchParams.set(name, value);
    }
    return to.href;
  }

  // Where the granted subscriptions stood: in each topic the one furthest behind, so that
  // none misses anything. Each drops by itself what it had already.
  function from() {
    // The connection was lost before each had said where it begins.
    if (granted.size < awaited) return shown || (granted.size && "*");
    const least = new Map();
    let [text, isAll] = ["", true];
    for (const { positions, forgot } of granted.values()) {
      isAll &&= !forgot;
      for (const [topic, at] of positions) {
        if (!least.has(topic) || isSeen(at, least.get(topic))) least.set(topic, at);
      }
    }
    for (const [topic, at] of least) text += `${text && ","}${encodeURIComponent(topic)}=${at}`;
    isAll &&= text && text.length < LONGEST_FROM;
    return (shown = granted.size && (isAll ? text : "*"));
  }

  function start(to) {
    const opened = (socket = new Socket(to, [PROTOCOL]));
    let cause;
    opened.onopen = () => {
      if (opened.protocol != PROTOCOL) lost({ cause: Error(`the server does not speak ${PROTOCOL}`) });
    };
    opened.onmessage = ({ data }) => {
      // Before it is open, only a welcome will do.
      if (state == "open") after(pingMs, probe);
      try {
        hear(JSON.parse(data));
      } catch (error) {
        fail(error);
      }
    };
    opened.onerror = (event) => (cause = event.error ?? event);
    opened.onclose = ({ code, reason }) => lost({ code, reason, cause });
    // Of all classes only that of `ws` shows why a handshake was refused.
    opened.on?.("unexpected-response", (_, { statusCode, headers }) => {
      const seconds = parseInt(headers["retry-after"]);
      if (seconds >= 0) hint = (seconds + random()) * 1000;
      lost({ status: statusCode, cause: Error(`refused with status ${statusCode}`) });
    });
  }

  function probe() {
    say({ type: "ping" });
    after(timeout, () => lost({ cause: Error("no answer to a ping in time") }));
  }

  // Leaves the connection alone: one that is dead may take minutes to say so.
  function drop() {
    const dropped = socket;
    attempt++;
    clearTimeout(timer);
    socket = undefined;
    if (dropped) {
      dropped.onopen = dropped.onmessage = dropped.onclose = null;
      dropped.onerror = () => {};
    }
    return dropped;
  }

  function lost(why) {
    drop()?.close();
    if (why.code == 1000) return end(why);
    // One that does not last is no better than none.
    if (Date.now() - openSince >= cap) tries = 0;
    openSince = undefined;
    const isBusy = why.code == 1012 || why.code == 1013;
    const jitter = random() * Math.min(cap, base * 2 ** tries++);
    const delay = hint ?? (isBusy ? 5000 + random() * 25_000 : jitter);
    hint = undefined;
    become("waiting", { ...why, delay });
    // Whoever was told may have closed it.
    if (state == "waiting") after(delay, open);
  }

  function end(why) {
    const ended = [...subscriptions.values()];
    subscriptions.clear();
    become("closed", why);
    for (const { callbacks } of ended) call(callbacks.onClosed, why.reason || "closed");
  }

  function request(wanted) {
    const { spec, id, positions } = wanted;
    const { topics = [], patterns = [] } = spec;
    const message = () => JSON.stringify({
      ...spec,
      type: "subscribe",
      id,
      from: positions.size ? Object.fromEntries(positions) : undefined,
    });
    while (positions.size && new TextEncoder().encode(message()).length > maxMessage) forget(wanted);
    // It has been subscribed before, and something may have been published meanwhile
    // that nothing is known of.
    const isCovered = !wanted.forgot && !patterns.length && topics.every((topic) => positions.has(topic));
    wanted.gap = wanted.known && !isCovered;
    wanted.through = socket;
    socket.send(message());
  }

  function hear(message) {
    const { type, id, base64, ...rest } = message;
    // Granted ones count from 0 down, around the end of 32 bits.
    const kept = id > 0 && id < 2 ** 31 ? subscriptions : -id >>> 0 < awaited ? granted : later;
    if (type == "subscribed" && kept != subscriptions && !kept.has(id)) {
      kept.set(id, subscription(id, {}, {
        onEvent: (event) => emit("event", event),
        onLagged: (lagged) => emit("lagged", lagged),
        onSubscribed: (subscribed) => emit("subscribed", subscribed),
      }));
    }
    const of = kept.get(id);
    if (base64 != null) rest.bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt());

    if (type == "welcome") {
      ({ ping_ms: pingMs, ticket } = rest);
      openSince = Date.now();
      // Ids that stand for something else now begin where they are told.
      if (rest.grant != grant) granted.clear();
      later.clear();
      ({ grant, subscriptions: awaited = 0 } = rest);
      after(pingMs, probe);
      become("open");
      for (const wanted of subscriptions.values()) {
        // One that a listener has just made has been asked for already.
        if (state == "open" && wanted.through != socket) request(wanted);
      }
    } else if (type == "reconnect") {
      hint = rest.after_ms;
    } else if (type == "message") {
      emit("message", rest);
    } else if (type == "error") {
      const error = Object.assign(Error(rest.message), { code: rest.code, id });
      if (!id) return fail(error);
      // It was unsubscribed while the server ended it.
      if (!of) return rest.code == "unknown" || fail(error);
      subscriptions.delete(id);
      of.callbacks.onError ? call(of.callbacks.onError, error) : fail(error);
    } else if (!of) {
      // What was on its way when it was unsubscribed.
    } else if (type == "event") {
      if (isSeen(rest.position, of.positions.get(rest.topic))) return;
      remember(of, rest.topic, rest.position);
      call(of.callbacks.onEvent, rest);
    } else if (type == "subscribed") {
      of.known = true;
      of.fresh = Object.entries(rest.at);
      for (const [topic, position] of of.fresh) {
        if (!isSeen(position, of.positions.get(topic))) remember(of, topic, position);
      }
      call(of.callbacks.onSubscribed, rest);
      if (of.gap) call(of.callbacks.onLagged, { missed: null, reason: "not every position was known" });
    } else if (type == "lagged") {
      // Where it stood is of no use any more.
      if (rest.missed == null) [of.positions, of.forgot] = [new Map(of.fresh), false];
      call(of.callbacks.onLagged, rest);
    } else if (type == "closed") {
      subscriptions.delete(id);
      call(of.callbacks.onClosed, rest.reason);
    }
  }

  open();
  return {
    get state() {
      return state;
    },
    subscribe(spec, onEvent, callbacks) {
      if (state == "closed") throw Error("this client is closed: connect again");
      const made = subscription(++lastId, spec, { ...callbacks, onEvent });
      subscriptions.set(made.id, made);
      if (state == "open") request(made);
      return {
        id: made.id,
        unsubscribe() {
          const isLive = subscriptions.delete(made.id) && state == "open";
          if (isLive) say({ type: "unsubscribe", id: made.id });
        },
      };
    },
    send(data) {
      if (state != "open") throw Error('not connected: wait for the state "open"');
      say({ type: "message", data });
    },
    on(name, listener) {
      (listeners[name] ??= new Set()).add(listener);
      return () => listeners[name].delete(listener);
    },
    close() {
      if (state == "closed") return;
      drop()?.close(1000);
      end({ reason: "closed by the client" });
    },
  };
}

function subscription(id, spec, callbacks) {
  return { id, spec, callbacks, positions: new Map(Object.entries(spec.from ?? {})) };
}

// Keeps the position, behind those that were kept before.
function remember(of, topic, position) {
  of.positions.delete(topic);
  of.positions.set(topic, position);
  if (of.positions.size > MOST_POSITIONS) forget(of);
}

// Gives up the position that was kept first.
function forget(of) {
  of.positions.delete(of.positions.keys().next().value);
  of.forgot = true;
}

// Whether a position is not behind another one of the same epoch. The offsets are
// hexadecimal numbers of 64 bits, too large for numbers of JavaScript.
function isSeen(position, last) {
  const [epoch, offset] = position.split("-");
  const [lastEpoch, lastOffset] = last?.split("-") ?? [];
  if (epoch != lastEpoch) return false;
  return offset.length == lastOffset.length ? offset <= lastOffset : offset.length < lastOffset.length;
}

function rethrow(error) {
  throw error;
}
