//! The hub: the engine of one process, from publish to wake.
//!
//! Read in the order of an event's way: [`publish`] finds the topic in the [`table`],
//! [`route`] asks its [`node`] and the [`patterns`] which feeds admit the event, the
//! feeds take it, those who read them are woken. [`subscribe`] is the way in,
//! [`reaper`] the way out. Around them: [`history`], what topics keep; [`pressure`],
//! the byte budget of the whole; [`room`], where a publisher waits if it asked to;
//! [`herald`], who wakes a crowd.

mod contexts;
pub(crate) mod core;
mod counters;
mod forward;
mod herald;
pub(crate) mod history;
mod node;
pub(crate) mod outlet;
mod patterns;
mod pressure;
mod projection;
mod publish;
mod reaper;
pub(crate) mod rewire;
mod room;
mod route;
mod settings;
pub(crate) mod subscribe;
mod table;

use std::{fmt, time::Instant};

use bytes::Bytes;

use self::core::Core;
pub use herald::Waking;
pub use history::{Resume, ResumeError, ResumeErrorKind};
pub use publish::{Delivery, PublishError, PublishWaitError};
pub use settings::{BuildError, HubBuilder};
pub use subscribe::{SubscribeError, SubscribeOptions};

use crate::{
    backplane::{Closing, Health, HealthChanges, Joined, Receipt},
    event::Publication,
    metrics::{Stats, TopicStats},
    selector::{Selector, SelectorError},
    subscription::Subscription,
    sync::{Arc, StdArc},
    topic::Topic,
};

/// The engine in one process. Cheap to clone, shared by threads.
///
/// - In: [`publish`](Hub::publish), [`publish_event`](Hub::publish_event),
///   [`publish_wait`](Hub::publish_wait).
/// - Out: [`subscribe`](Hub::subscribe) for tasks and threads that pull,
///   [`Lane`](crate::Lane) for event loops, [`Executor`](crate::Executor) for callbacks.
/// - Seen from outside: [`stats`](Hub::stats), [`count_topic`](Hub::count_topic).
///
/// When the last clone is dropped, the hub closes as by [`close`](Hub::close). With a
/// [backplane](crate::backplane) that holds the thread up until what is queued for other
/// machines has gone out, two seconds at most: where that is too long, in a task, close it
/// and await that.
///
/// ```
/// use distributary::Hub;
///
/// let hub = Hub::new();
/// let mut orders = hub.subscribe("orders")?;
/// let delivery = hub.publish("orders", "42")?;
/// assert_eq!(delivery.subscriptions, 1);
/// assert_eq!(&orders.try_recv()?.payload()[..], b"42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Owner>);

/// Closes the core when the last hub is dropped; feeds and lanes hold only the core.
struct Owner(StdArc<Core>);

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.0.is_closed() {
            self.0.close();
            self.0.end.closing().wait_in_drop();
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Hub::new()
    }
}

impl Hub {
    /// A hub with the default settings.
    pub fn new() -> Self {
        Hub(Arc::new(Owner(Core::new(HubBuilder::new().settings))))
    }

    /// A hub with settings of your own.
    pub fn builder() -> HubBuilder {
        HubBuilder::new()
    }

    pub(crate) fn core(&self) -> &StdArc<Core> {
        &self.0.0
    }

    /// Publishes a payload to everybody who asked for the topic. Never waits for a
    /// subscriber.
    ///
    /// Costs a look-up plus one append per matching feed, however many subscriptions
    /// read them.
    ///
    /// The payload may be any bytes. It is read only where a filter asks for fields and
    /// the event has no attributes, once for all filters, and
    /// [no further than they ask](crate::Filter#the-payload).
    ///
    /// # Errors
    /// [`PublishError`]: the topic is not a topic name, the event alone exceeds the
    /// hub's byte budget, or the hub is closed.
    pub fn publish(
        &self,
        topic: impl AsRef<str>,
        payload: impl Into<Bytes>,
    ) -> Result<Delivery, PublishError> {
        self.publish_event(Publication::new(topic, payload))
    }

    /// Publishes an event with attributes or a conflation key.
    ///
    /// # Errors
    /// As [`publish`](Hub::publish).
    pub fn publish_event<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
    ) -> Result<Delivery, PublishError> {
        self.core().publish_and_forward(publication, None)
    }

    /// Publishes an event, and says what becomes of it on other machines: the receipt
    /// is a future. Without a [backplane](crate::backplane) it is ready at once.
    ///
    /// # Errors
    /// As [`publish`](Hub::publish). What goes wrong behind this hub is in the receipt.
    pub fn publish_acknowledged<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
    ) -> Result<Receipt, PublishError> {
        let (acknowledge, receipt) = Receipt::pair();
        let delivery = self
            .core()
            .publish_and_forward(publication, Some(acknowledge))?;
        Ok(receipt(delivery))
    }

    /// How the [backplane](crate::backplane) is. Without one, all is well.
    #[must_use]
    pub fn health(&self) -> Health {
        let backplane = self.core().backplane.as_ref();
        backplane.map_or_else(Health::default, |backplane| backplane.health())
    }

    /// The same, and again whenever its condition or its reasons change: a stream, and
    /// something to wait for.
    pub fn health_changes(&self) -> HealthChanges {
        HealthChanges::of(self.core())
    }

    /// What this hub and its [backplane](crate::backplane) have counted, as Prometheus reads
    /// it (text format 0.0.4).
    #[must_use]
    pub fn prometheus(&self) -> String {
        let mut text = self.stats().prometheus();
        if let Some(backplane) = &self.core().backplane {
            text.push_str(&backplane.prometheus());
        }
        text
    }

    /// Waits until all that this hub listens to now is also heard from other machines; at
    /// once without a [backplane](crate::backplane). A subscription is in force for this
    /// hub's own events when `subscribe` returns; for those of others, when this does with
    /// `Ok`. Names that the backplane's server does not let this hub hear are an error, which
    /// says them; the others are heard all the same.
    pub fn joined(&self) -> Joined {
        Joined::ask(self.core())
    }

    /// Publishes once no feed that admits the event is full and the hub is within its
    /// budget, so that nobody misses anything for it. Blocks the thread until then, at
    /// most until the deadline. Publishers that wait take turns; one that does not wait
    /// may still take the room. It waits for subscriptions of this hub alone; what is to
    /// reach other machines goes on from there as with [`publish`](Hub::publish).
    ///
    /// # Errors
    /// [`PublishWaitError::TimedOut`] with the event, when there was no room in time;
    /// [`PublishWaitError::Refused`] as in [`publish`](Hub::publish), and when the event is
    /// heavier than the byte budget of a subscription that asks for it.
    pub fn publish_wait<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
        deadline: Instant,
    ) -> Result<Delivery, PublishWaitError<T>> {
        self.core().publish_wait_and_forward(publication, deadline)
    }

    /// Subscribes to a selector: `&str` is one exact topic.
    ///
    /// The subscription is in force when this returns: an event whose publish starts
    /// later is delivered, or told as missed.
    ///
    /// # Errors
    /// [`SubscribeError`]: the selector is malformed, its filter cannot be indexed and
    /// the hub insists, or the hub is closed.
    pub fn subscribe<S>(&self, selector: S) -> Result<Subscription, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        self.subscribe_with(selector, SubscribeOptions::new())
    }

    /// Subscribes with an overflow policy, a budget or a position of its own.
    ///
    /// # Errors
    /// As [`subscribe`](Hub::subscribe), and when a position cannot be resumed from.
    pub fn subscribe_with<S>(
        &self,
        selector: S,
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        let selector = selector.try_into().map_err(SelectorError::from)?;
        Subscription::enter(self.core(), selector, options)
    }

    /// Subscribes from where an earlier subscription stopped: it gets exactly what it
    /// missed, or an error that says that this cannot be had.
    ///
    /// # Errors
    /// As [`subscribe`](Hub::subscribe), and [`ResumeError`].
    pub fn subscribe_from<S>(
        &self,
        selector: S,
        resume: Resume,
    ) -> Result<Subscription, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        self.subscribe_with(selector, SubscribeOptions::new().resume(resume))
    }

    /// Where a topic that keeps history stands: the position of its latest event, or the
    /// one before its first. Whoever [resumes](Resume) from here gets all that is
    /// published from now on. `None` where nothing is kept.
    ///
    /// Ask before you subscribe: what is published in between is then delivered, and still
    /// stands behind the position.
    ///
    /// ```
    /// use distributary::{Budget, Hub, Resume, Topic};
    ///
    /// let hub = Hub::builder().history("chat.*", Budget::default().events(100)?)?.build()?;
    /// let topic = Topic::new("chat.7")?;
    /// let here = hub.position(&topic).ok_or("no history")?;
    /// let sub = hub.subscribe("chat.7")?;
    /// drop(sub);
    /// hub.publish("chat.7", "while you were away")?;
    /// let mut sub = hub.subscribe_from("chat.7", Resume::at(here))?;
    /// assert_eq!(&sub.try_recv()?.payload()[..], b"while you were away");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn position(&self, topic: &Topic) -> Option<crate::event::Position> {
        self.core().position(topic)
    }

    /// A snapshot of all counters. O(topics + patterns); meant for every few seconds. It
    /// also clears up what leavers have left and lets go of what histories hold too long.
    pub fn stats(&self) -> Stats {
        let core = self.core();
        core.reap_all();
        core.expire_histories();
        let mut stats = core.meters.stats();
        stats.subscriptions = core.live.load(crate::sync::Ordering::Relaxed);
        stats.topics = core.table.len();
        stats.patterns = core.patterns.len();
        stats.bytes_held = core.gauge.total();
        stats.log_bytes = core.log_gauge.total();
        let mut several = 0.0;
        let mut count = |node: &Arc<node::Node>| {
            let admissions = node.admissions().lock();
            let mut feeds = |feeds: &node::Feeds| {
                for outlet in feeds.as_slice() {
                    match outlet.places() {
                        // Off its list already, and being unhooked by somebody.
                        0 => {}
                        1 => stats.feeds += 1,
                        // Seen once per name: its parts add up to one.
                        places => several += 1.0 / places as f64,
                    }
                }
            };
            feeds(&admissions.open);
            if let Some(index) = admissions.filtered() {
                index.values().for_each(&mut feeds);
                stats.index_bytes += index.heap_bytes();
                stats.filters_scanned += index.scanned();
                stats.filters_indexed += index.len() - index.scanned();
            }
        };
        core.table.for_each(&mut count);
        core.patterns.for_each(&mut count);
        stats.feeds += several.round() as usize;
        stats
    }

    /// Counts a topic by itself from now on, until
    /// [`uncount_topic`](Hub::uncount_topic).
    ///
    /// # Errors
    /// [`TooManyTopics`] when as many are counted as
    /// [`HubBuilder::topic_counters`] allows.
    pub fn count_topic(&self, topic: &Topic) -> Result<(), TooManyTopics> {
        self.core().count_topic(topic)
    }

    /// Stops counting a topic by itself.
    pub fn uncount_topic(&self, topic: &Topic) {
        self.core().uncount_topic(topic);
    }

    /// The counters of all topics that are counted by themselves, by name.
    pub fn topic_stats(&self) -> Vec<TopicStats> {
        self.core().topic_stats()
    }

    /// Ends the hub: subscriptions get what is left in their feeds, then
    /// [`CloseReason::HubClosed`](crate::CloseReason::HubClosed); publishing and
    /// subscribing are errors.
    ///
    /// It never waits. With a [backplane](crate::backplane), events that are queued for
    /// other machines go out after it, as far as that is possible within two seconds: a
    /// program that ends waits for what is returned, or loses them.
    pub fn close(&self) -> Closing {
        self.core().close();
        self.core().end.closing()
    }

    /// Whether the hub has been closed, by whichever thread.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core().is_closed()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("epoch", &format_args!("{:x}", self.core().epoch))
            .finish_non_exhaustive()
    }
}

/// As many topics are counted by themselves as the hub was built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTopics {
    /// How many that is.
    pub limit: usize,
}

impl fmt::Display for TooManyTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} topics are counted by themselves already: stop counting one, or raise HubBuilder::topic_counters",
            self.limit
        )
    }
}

impl std::error::Error for TooManyTopics {}
