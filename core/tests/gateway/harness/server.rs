//! A gateway that does what the query of a URL says, so that every client in every
//! language can ask for what its test needs.
//!
//! | in the query | what it does |
//! |---|---|
//! | `topics=a,b` | subscribes to these topics |
//! | `pattern=a.*` | subscribes to this pattern |
//! | `overflow=`, `events=`, `bytes=`, `age_ms=` | with this policy and budget |
//! | `allow=a.*` | lets the client subscribe to these by itself |
//! | `name=x` | is called so |
//! | `ticket=60` | may come back without being asked, for so many seconds |
//! | `lag=continue` | goes on after a gap that it cannot be told of |
//! | `format=binary` | gets every payload as a binary message |
//! | `refuse=403` | is refused |
//! | `wait_ms=100` | is let in after this time |
//!
//! What a client says is said back to it, unless it begins with `!`: then it is a
//! command, see [`obey`].

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use distributary::{
    Budget, Filter, Hub, Overflow, Pattern, Selector, SubscribeOptions, Topic,
    gateway::{
        Accept, Client, Denied, Ended, Format, Gateway, GatewayStats, Limits, Message, OnLag,
        Reject, Request, Wish,
    },
};
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use super::{numbered, sockets_at, until};

/// What the application of the tests keeps with a client.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) name: String,
}

/// What an application would write down.
#[derive(Default)]
pub(crate) struct Book {
    /// How often `authorize` was called.
    pub(crate) asked: AtomicUsize,
    /// Who left, and why.
    pub(crate) ended: Mutex<Vec<(String, Ended)>>,
}

/// A gateway before it starts.
pub(crate) struct Setup {
    hub: Hub,
    limits: Limits,
    paths: Vec<&'static str>,
    listens: bool,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Setup {
            hub: Hub::new(),
            limits: Limits::default().lanes(2),
            paths: Vec::new(),
            listens: true,
        }
    }

    pub(crate) fn hub(mut self, hub: Hub) -> Self {
        self.hub = hub;
        self
    }

    /// Changes the limits that tests run with.
    pub(crate) fn limits(mut self, change: impl FnOnce(Limits) -> Limits) -> Self {
        self.limits = change(self.limits);
        self
    }

    pub(crate) fn path(mut self, path: &'static str) -> Self {
        self.paths.push(path);
        self
    }

    /// Nobody listens to what clients say.
    pub(crate) fn deaf(mut self) -> Self {
        self.listens = false;
        self
    }

    pub(crate) fn start(self) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let book = Arc::new(Book::default());
        let (asked, ended) = (Arc::clone(&book), Arc::clone(&book));
        let mut builder = Gateway::builder(&self.hub)
            .authorize(move |request| {
                asked.asked.fetch_add(1, Ordering::SeqCst);
                answer(request)
            })
            .on_end(move |client: &Client<Visitor>, why| {
                let name = client.session().name.clone();
                ended.ended.lock().push((name, why));
            })
            .on_subscribe(|_, wish| decide(wish))
            .limits(self.limits)
            .address("127.0.0.1:0")
            .unwrap()
            .admin("127.0.0.1:0")
            .unwrap();
        for path in self.paths {
            builder = builder.path(path);
        }
        if self.listens {
            let hub = self.hub.clone();
            builder = builder.on_message(move |client, said| listen(&hub, client, said));
        }
        let gateway = runtime.block_on(builder.start()).unwrap();
        Server {
            hub: self.hub,
            gateway,
            book,
            runtime,
        }
    }
}

/// A running gateway, its hub and what its application wrote down.
pub(crate) struct Server {
    pub(crate) hub: Hub,
    pub(crate) gateway: Gateway,
    pub(crate) book: Arc<Book>,
    runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        Setup::new().start()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address().unwrap()
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.gateway.admin_address().unwrap()
    }

    pub(crate) fn stats(&self) -> GatewayStats {
        self.gateway.stats()
    }

    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, payload: impl Into<bytes::Bytes>) {
        self.hub.publish(topic, payload).unwrap();
    }

    /// Waits until this many connections are open.
    #[track_caller]
    pub(crate) fn wait_open(&self, connections: u64) {
        until("so many connections are open", || {
            self.stats().open == connections
        });
    }

    /// How many connections ended for this reason.
    pub(crate) fn ended(&self, reason: Ended) -> u64 {
        let stats = self.stats();
        let counts = stats.ended();
        counts
            .filter_map(|(why, count)| (why == reason).then_some(count))
            .sum()
    }

    /// Waits until this many connections have ended for this reason.
    #[track_caller]
    pub(crate) fn wait_ended(&self, reason: Ended, connections: u64) {
        until("so many connections ended so", || {
            self.ended(reason) >= connections
        });
        assert_eq!(self.ended(reason), connections, "{reason}");
    }

    /// Ends the gateway, and waits for its threads.
    pub(crate) fn end(self) {
        let Server {
            gateway, runtime, ..
        } = self;
        runtime.block_on(gateway.close());
    }

    /// Runs something on the gateway's runtime.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Everything that came has gone: connections, descriptors, subscriptions, events.
    /// What histories keep is known to the test.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, kept: u64) {
        self.wait_open(0);
        let address = self.address();
        until("all sockets but the listener are closed", || {
            sockets_at(address) == 1
        });
        until("all subscriptions are gone", || {
            self.hub.stats().subscriptions == 0
        });
        until("all events but those of histories are gone", || {
            self.hub.stats().bytes_held == kept
        });
        let (hub, gateway) = (self.hub.stats(), self.stats());
        if kept == 0 {
            assert_eq!(hub.log_bytes, 0);
        }
        assert_eq!((gateway.stalled, gateway.closing), (0, 0));
        assert_eq!((hub.closed_writes, gateway.closed_writes), (0, 0));
        let ended: u64 = gateway.ended().map(|(_, count)| count).sum();
        assert_eq!(ended, gateway.opened, "each has its reason: {gateway:?}");
    }
}

async fn answer(request: Request) -> Result<Accept<Visitor>, Reject> {
    let value = |name| request.query_value(name).map(|value| value.into_owned());
    let number = |name| value(name).map(|text| text.parse::<u64>().expect("a number"));
    if let Some(wait) = number("wait_ms") {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    if let Some(status) = number("refuse") {
        let reject = Reject::new(status.try_into().unwrap()).unwrap();
        return Err(reject.body("not you"));
    }
    let mut budget = Budget::default();
    if let Some(events) = number("events") {
        budget = budget.events(events as usize).unwrap();
    }
    if let Some(bytes) = number("bytes") {
        budget = budget.bytes(bytes as usize).unwrap();
    }
    if let Some(age) = number("age_ms") {
        budget = budget.age(Duration::from_millis(age)).unwrap();
    }
    let overflow = match value("overflow").as_deref() {
        None | Some("drop_oldest") => Overflow::DropOldest,
        Some("drop_newest") => Overflow::DropNewest,
        Some("disconnect") => Overflow::Disconnect,
        Some("keep_latest") => Overflow::KeepLatest,
        Some(other) => panic!("no policy: {other}"),
    };
    let options = SubscribeOptions::new().overflow(overflow).budget(budget);
    let name = value("name").unwrap_or_default();
    let mut accept = Accept::new(Visitor { name });
    if let Some(topics) = value("topics") {
        let selector = Selector::topics(topics.split(',')).unwrap();
        accept = accept.subscribe_with(selector, options.clone());
    }
    if let Some(pattern) = value("pattern") {
        let selector = Selector::pattern(&pattern).unwrap();
        accept = accept.subscribe_with(selector, options);
    }
    if let Some(allowed) = value("allow") {
        accept = accept.allow(Pattern::new(&allowed).unwrap());
    }
    if let Some(seconds) = number("ticket") {
        accept = accept.ticket(Duration::from_secs(seconds));
    }
    if value("lag").as_deref() == Some("continue") {
        accept = accept.on_lag(OnLag::Continue);
    }
    if value("format").as_deref() == Some("binary") {
        accept = accept.format(Format::Binary);
    }
    // Pages of the tests come from another port.
    let any = http::HeaderValue::from_static("*");
    Ok(accept.header(http::header::ACCESS_CONTROL_ALLOW_ORIGIN, any))
}

/// What a client may have beyond what it was allowed, by the name of the topic.
async fn decide(mut wish: Wish) -> Result<Wish, Denied> {
    let topic = wish.selector.named_topics().next().cloned();
    match topic.as_ref().map(Topic::as_str) {
        Some("ask.yes") => Ok(wish),
        Some("ask.some") => {
            let mine = Filter::parse(r#"{"mine": [true]}"#).unwrap();
            wish.selector = wish.selector.filter(mine);
            Ok(wish)
        }
        Some("ask.slow") => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Ok(wish)
        }
        Some("ask.panic") => panic!("the application is at its wits' end"),
        _ => Err(Denied::new("not for you")),
    }
}

fn listen(hub: &Hub, client: &Client<Visitor>, said: Message) {
    let Message::Text(text) = &said else {
        return client.send(said);
    };
    // In the JSON protocol a text is the JSON of what was said.
    let plain = serde_json::from_str(text).unwrap_or_else(|_| text.clone());
    match plain.strip_prefix('!') {
        Some(command) => obey(hub, client, command),
        None => client.send(said),
    }
}

/// What a client may tell the application to do:
/// `publish TOPIC PAYLOAD`, `bytes TOPIC HEX`, `flood TOPIC COUNT BYTES` (numbered from
/// 0), `close REASON`, `away REASON`, `panic`.
fn obey(hub: &Hub, client: &Client<Visitor>, command: &str) {
    let mut words = command.splitn(3, ' ');
    let mut word = || words.next().unwrap_or_default();
    match (word(), word(), word()) {
        ("publish", topic, payload) => {
            hub.publish(topic, payload.to_owned()).unwrap();
        }
        ("bytes", topic, hex) => {
            hub.publish(topic, unhex(hex)).unwrap();
        }
        ("flood", topic, how) => {
            let (count, bytes) = how.split_once(' ').unwrap();
            let bytes = bytes.parse().unwrap();
            for event in 0..count.parse().unwrap() {
                hub.publish(topic, numbered(event, bytes)).unwrap();
            }
        }
        ("close", reason, _) => client.close(reason),
        ("away", reason, _) => client.turn_away(reason),
        ("panic", ..) => panic!("told to"),
        other => panic!("no command: {other:?}"),
    }
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pairs = digits.chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    });
    pairs.collect()
}
