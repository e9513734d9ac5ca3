//! The backplane as a hub sees it: a handle on a thread.
//!
//! Calls come from any thread and never wait: events go into the queue, everything else is
//! an order. The thread ends some time after the order to, or once there is no handle any
//! more.

use std::{fmt, io, sync::Arc, time::Instant};

use tokio::sync::{Notify, mpsc};

use super::{
    builder::{RedisBuilder, Settings},
    error::{RedisError, RedisErrorKind},
    figures::Figures,
    heard::Heard,
    modes::Way,
    names::{RESERVED, is_reserved},
    outbox::{self, Queue},
    target::{Target, Topology},
    thread, watch,
};
use crate::{
    backplane::{
        Acknowledge, Backplane, Board, Condition, ForwardError, Health, Inlet, Joining, Reason,
    },
    event::Publication,
    selector::Selector,
    sync::Mutex,
    topic::Topic,
    wake::contained,
};

/// To be called once.
type Told = Box<dyn FnOnce() + Send>;

/// Where connections listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the master; in a cluster at any node.
    Nodes,
    /// At replicas of a master outside of a cluster, those that can be reached: no hub
    /// listens there.
    Replicas,
}

/// What the thread is told beside events.
pub(crate) enum Order {
    /// Names have come or gone.
    Interest,
    /// To be told how many connections listen to a channel there, or `None` if that cannot
    /// be learned.
    Listeners(Place, String, Box<dyn FnOnce(Option<u64>) + Send>),
    /// To be told once all that is wanted now is heard.
    WhenJoined(Joining),
    Close,
}

/// What the handle and its thread share.
pub(crate) struct Common {
    pub(crate) settings: Arc<Settings>,
    /// Names this hub among all.
    pub(crate) id: u64,
    pub(crate) queue: Arc<Queue>,
    /// Something was put into the queue.
    pub(crate) filled: Notify,
    pub(crate) figures: Figures,
    pub(crate) heard: Heard,
    /// How it all is.
    pub(crate) board: Board,
    ended: Mutex<Ended>,
}

#[derive(Default)]
struct Ended {
    over: bool,
    waiting: Vec<Told>,
}

impl Common {
    /// The system does not let the thread run.
    pub(crate) fn impossible(&self, error: &io::Error) {
        self.gone(format!(
            "the thread of the backplane cannot be started: {error}. Make room for a thread and its descriptors, then make another hub"
        ));
    }

    /// The thread has failed, by a fault that nothing in it could contain.
    pub(crate) fn failed(&self) {
        self.figures.panics.add(1);
        self.gone("the thread of the backplane has failed, by a fault of its own: make another hub, and report what it printed".into());
    }

    fn gone(&self, text: String) {
        self.board.post(watch::unconnected(vec![Reason {
            code: watch::code::NO_THREAD,
            condition: Condition::Away,
            text,
        }]));
    }

    /// The thread has done all it will do.
    pub(crate) fn end(&self) {
        self.queue.abandon();
        self.board.end();
        let waiting = {
            let mut ended = self.ended.lock();
            ended.over = true;
            std::mem::take(&mut ended.waiting)
        };
        for told in waiting {
            contained(told);
        }
    }

    /// Calls once it has; at once if it has already.
    fn when_ended(&self, told: Told) {
        {
            let mut ended = self.ended.lock();
            if !ended.over {
                ended.waiting.push(told);
                return;
            }
        }
        told();
    }
}

/// Redis or Valkey as a hub's backplane.
///
/// ```no_run
/// use distributary::{Hub, redis::Redis};
///
/// let hub = Hub::builder()
///     .backplane(Redis::at("redis://127.0.0.1")?.build()?)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Redis {
    common: Arc<Common>,
    orders: mpsc::UnboundedSender<Order>,
    /// What the thread starts with.
    start: Mutex<Option<mpsc::UnboundedReceiver<Order>>>,
}

impl Redis {
    /// One server, by its URL: `redis://[user[:password]@]host[:port][/database]`, or
    /// `rediss://` for TLS.
    ///
    /// # Errors
    /// [`RedisError`] says what of the URL cannot be.
    pub fn at(url: impl AsRef<str>) -> Result<RedisBuilder, RedisError> {
        Target::parse(Topology::Single, [url]).map(RedisBuilder::new)
    }

    /// The master of this name, by the word of its sentinels, whose URLs these are. The
    /// user and password in them are for the servers, and for the sentinels unless these
    /// are given others; `rediss://` is TLS to both.
    ///
    /// More than half of the sentinels that can be reached have to agree on the master. A
    /// planned failover is followed while the old master is still there, so that nothing is
    /// missed; while no sentinel can be reached, the connection to the master stays.
    ///
    /// # Errors
    /// [`RedisError`] says what of the URLs or of the name cannot be.
    pub fn sentinel<U: AsRef<str>>(
        sentinels: impl IntoIterator<Item = U>,
        master: impl Into<String>,
    ) -> Result<RedisBuilder, RedisError> {
        let master = master.into();
        if master.is_empty() || master.contains(char::is_whitespace) {
            let detail = format!("sentinel is {master:?}, and a master's name is one word");
            return Err(RedisError::of("sentinel", RedisErrorKind::Option, detail));
        }
        Target::parse(Topology::Sentinel { master }, sentinels).map(RedisBuilder::new)
    }

    /// A cluster, by the URLs of one or more of its nodes; the others are found, and what
    /// becomes of nodes and slots is followed.
    ///
    /// Events without a log go by one node to all others, as the cluster brings them;
    /// [`sharded`](RedisBuilder::sharded) keeps each on the shard of its topic's slot, which
    /// costs a large cluster much less.
    ///
    /// # Errors
    /// [`RedisError`] says what of the URLs cannot be.
    pub fn cluster<U: AsRef<str>>(
        nodes: impl IntoIterator<Item = U>,
    ) -> Result<RedisBuilder, RedisError> {
        Target::parse(Topology::Cluster, nodes).map(RedisBuilder::new)
    }

    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let (orders, start) = mpsc::unbounded_channel();
        Redis {
            common: Arc::new(Common {
                queue: Arc::new(Queue::new(settings.queue_bytes)),
                settings,
                id: fastrand::u64(1..=outbox::HUB),
                filled: Notify::new(),
                figures: Figures::default(),
                heard: Heard::new(),
                board: Board::new(watch::unconnected(Vec::new())),
                ended: Mutex::default(),
            }),
            orders,
            start: Mutex::new(Some(start)),
        }
    }

    /// Who this hub is in the envelopes of its events, and in `CLIENT LIST` unless it was
    /// given a name.
    pub(crate) fn publisher(&self) -> u64 {
        self.common.id
    }

    /// What it shares with its thread, for tests to drive.
    #[cfg(test)]
    pub(crate) fn common(&self) -> Arc<Common> {
        Arc::clone(&self.common)
    }

    /// How it is, for tests to post.
    #[cfg(test)]
    pub(crate) fn board(&self) -> &Board {
        &self.common.board
    }

    /// Where it is, for people: the hosts and ports that it was given.
    pub(crate) fn address(&self) -> String {
        let servers = self.common.settings.target.servers.iter();
        let servers: Vec<_> = servers.map(ToString::to_string).collect();
        servers.join(", ")
    }

    /// How events of a topic travel here.
    pub(crate) fn way(&self, topic: &Topic) -> Way {
        self.common.settings.modes.of(topic.as_str())
    }

    /// Publishes on a channel that is the backplane's own, where events of the hub are
    /// refused. What becomes of it is nobody's to know.
    pub(crate) fn announce(&self, channel: Topic, text: String) {
        let event = Publication::new(channel, text);
        // One that finds the queue full is not sent: it is said again soon.
        if let Ok(true) = self.common.queue.push(event, None, Instant::now()) {
            self.common.filled.notify_one();
        }
    }

    /// Asks how many connections listen to a channel by its name.
    pub(crate) fn listeners(
        &self,
        place: Place,
        channel: &str,
        told: Box<dyn FnOnce(Option<u64>) + Send>,
    ) {
        let order = Order::Listeners(place, channel.to_owned(), told);
        let _ = self.orders.send(order);
    }
}

impl Backplane for Redis {
    fn attach(&self, inlet: Inlet) {
        let start = self.start.lock().take();
        if let Some(orders) = start {
            thread::start(Arc::clone(&self.common), inlet, orders);
        }
    }

    fn interest_changed(&self) {
        let _ = self.orders.send(Order::Interest);
    }

    fn refuses(&self, selector: &Selector) -> Option<String> {
        let mut topics = selector.named_topics();
        if let Some(own) = topics.find(|topic| is_reserved(topic.as_str())) {
            return Some(format!("{:?} {RESERVED}", own.as_str()));
        }
        let pattern = selector.named_patterns().next()?;
        self.common.settings.sharded.then(|| {
            format!(
                "the pattern {:?} cannot be heard from other machines in sharded mode: name the topics, or leave sharded() out",
                pattern.as_str()
            )
        })
    }

    fn hears(&self, topic: &Topic) -> bool {
        self.common.heard.hears(topic)
    }

    fn forward(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
    ) -> Result<(), (ForwardError, Option<Acknowledge>)> {
        let queued = match outbox::check(&self.common.settings.modes, &event) {
            Ok(()) => self.common.queue.push(event, acknowledge, Instant::now()),
            Err(error) => Err((error, acknowledge)),
        };
        let first = queued.inspect_err(|_| self.common.figures.refused.add(1))?;
        if first {
            self.common.filled.notify_one();
        }
        Ok(())
    }

    fn health(&self) -> Health {
        // What is counted is as of now, what is judged as of a moment ago.
        let mut health = self.common.board.latest();
        health.counts = self.common.figures.counts();
        health.lag.late = self.common.figures.all_late();
        health.queued_bytes = self.common.queue.bytes() as u64;
        health.joining = self.common.figures.joining.get();
        health
    }

    fn when_health_changes(&self, seen: u64, told: Told) {
        self.common.board.when_changed(seen, told);
    }

    fn prometheus(&self) -> String {
        self.health().prometheus()
    }

    fn when_joined(&self, joining: Joining) {
        let _ = self.orders.send(Order::WhenJoined(joining));
    }

    fn close(&self, told: Told) {
        let unstarted = self.start.lock().take();
        if unstarted.is_some() {
            self.common.end();
        }
        let _ = self.orders.send(Order::Close);
        self.common.when_ended(told);
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("target", &self.common.settings.target)
            .finish_non_exhaustive()
    }
}
