//! A subscription that pulls: for tasks, threads and streams.
//!
//! It is a cursor on a feed and a place to park. Whoever wants to be called instead
//! takes a [`Lane`](crate::Lane) or an [`Executor`](crate::Executor).

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Instant,
};

use futures_core::Stream;

use crate::{
    event::Event,
    feed::{Ending, NO_SLOT, Overflow, Read, Run, Shed, SlotId},
    hub::{
        core::Core,
        history::{Backlog, Caught},
        outlet::Outlet,
        rewire::Change,
        subscribe::{SubscribeError, SubscribeOptions},
    },
    metrics::SAMPLE,
    names::Names,
    selector::Selector,
    sync::{Arc, StdArc},
};

/// A subscription: yields the events of its selector in order.
///
/// Made by [`Hub::subscribe`](crate::Hub::subscribe). Dropping it unsubscribes; that
/// never waits for anybody.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use distributary::{Hub, RecvError};
///
/// # tokio_test(async {
/// let hub = Hub::new();
/// let mut sub = hub.subscribe("news")?;
/// hub.publish("news", "first")?;
/// loop {
///     match sub.recv().await {
///         Ok(event) => println!("{}: {:?}", event.topic(), event.payload()),
///         Err(RecvError::Lagged { missed }) => println!("missed {missed}"),
///         Err(RecvError::Closed(reason)) => break println!("over: {reason}"),
///     }
/// #   break;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok(()) }
/// # fn tokio_test<F: std::future::Future>(f: F) -> F::Output {
/// #     let mut f = std::pin::pin!(f);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop { if let std::task::Poll::Ready(v) = f.as_mut().poll(&mut cx) { return v } }
/// # }
/// ```
#[must_use = "a subscription that is dropped is unsubscribed"]
pub struct Subscription {
    outlet: Arc<Outlet>,
    cursor: u64,
    slot: SlotId,
    closed: Option<CloseReason>,
    backlog: Option<Box<Backlog>>,
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The hub was closed, and everything it had left was delivered.
    HubClosed,
    /// It did not keep up, under [`Overflow::Disconnect`].
    SlowConsumer,
    /// Events of it were lost on their way from [other machines](crate::backplane), under
    /// [`Overflow::Disconnect`]. It kept up: load the current state, and subscribe anew.
    Lost,
    /// Its callback panicked.
    Panicked,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseReason::HubClosed => "the hub was closed",
            CloseReason::SlowConsumer => "the subscriber did not keep up with its budget",
            CloseReason::Lost => "events were lost on their way from other machines",
            CloseReason::Panicked => "the subscriber's callback panicked",
        })
    }
}

/// What a subscriber is told in place of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecvError {
    /// Exactly so many events of the selector are gone; the next call goes on behind
    /// them.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// Nothing more will come.
    Closed(CloseReason),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Lagged { missed } => write!(
                f,
                "missed {missed} events: read faster, take a larger budget, or load the current state"
            ),
            RecvError::Closed(reason) => reason.fmt(f),
        }
    }
}

impl std::error::Error for RecvError {}

/// What [`Subscription::try_recv`] and the calls with a deadline say besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing has come yet.
    Empty,
    /// Exactly so many events of the selector are gone; the next call goes on behind
    /// them.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// Nothing more will come.
    Closed(CloseReason),
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            TryRecvError::Empty => f.write_str("nothing has come yet"),
            TryRecvError::Lagged { missed } => RecvError::Lagged { missed }.fmt(f),
            TryRecvError::Closed(reason) => reason.fmt(f),
        }
    }
}

impl std::error::Error for TryRecvError {}

impl From<RecvError> for TryRecvError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Lagged { missed } => TryRecvError::Lagged { missed },
            RecvError::Closed(reason) => TryRecvError::Closed(reason),
        }
    }
}

/// Events lent by one batch read: derefs to a slice.
///
/// The batch is shared with other subscriptions that stand at the same place, so
/// taking one costs a single reference count however many events it holds.
#[derive(Clone)]
pub struct Batch(Run);

impl std::ops::Deref for Batch {
    type Target = [Event];

    fn deref(&self) -> &[Event] {
        self.0.events()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Subscription {
    pub(crate) fn enter(
        core: &StdArc<Core>,
        selector: Selector,
        options: SubscribeOptions,
    ) -> Result<Self, SubscribeError> {
        let (entered, cursor) = core.enter(selector, options, |outlet| outlet.feed.join())?;
        Ok(Subscription {
            outlet: entered.outlet,
            cursor,
            slot: NO_SLOT,
            closed: None,
            backlog: entered.backlog,
        })
    }

    fn core(&self) -> &StdArc<Core> {
        self.outlet.core()
    }

    /// Waits for the next event. Cancel-safe: a dropped future takes nothing with it.
    ///
    /// # Errors
    /// [`RecvError::Lagged`] in place of events that are gone, [`RecvError::Closed`] at
    /// the end.
    pub async fn recv(&mut self) -> Result<Event, RecvError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The poll form of [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, RecvError>> {
        self.poll_with(cx, Self::try_recv)
    }

    /// Waits until a read gives something: an event, what was missed, or the end. Takes
    /// nothing, so who stops waiting loses nothing.
    ///
    /// For loops that are not of Rust: they keep their own list of who waits, and read
    /// once they have their turn.
    ///
    /// ```
    /// use std::{future::poll_fn, task::{Context, Poll, Waker}};
    /// use distributary::Hub;
    ///
    /// let hub = Hub::new();
    /// let mut sub = hub.subscribe("news")?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(sub.poll_ready(&mut cx), Poll::Pending);
    /// hub.publish("news", "first")?;
    /// assert_eq!(sub.poll_ready(&mut cx), Poll::Ready(()));
    /// assert!(sub.try_recv().is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_ready_many(cx, 1)
    }

    /// Waits until `count` events are there to be read, and is not woken for each of
    /// them: for readers that take batches. Takes nothing.
    ///
    /// It is ready earlier, with less than asked for, where waiting on might lose what is
    /// there: with three quarters of the budget's events or bytes, or at the end.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// use distributary::Hub;
    ///
    /// let hub = Hub::new();
    /// let mut sub = hub.subscribe("news")?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// hub.publish("news", "first")?;
    /// assert_eq!(sub.poll_ready_many(&mut cx, 2), Poll::Pending);
    /// hub.publish("news", "second")?;
    /// assert_eq!(sub.poll_ready_many(&mut cx, 2), Poll::Ready(()));
    /// assert_eq!(sub.try_recv_batch(2)?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll_ready_many(&mut self, cx: &mut Context<'_>, count: usize) -> Poll<()> {
        // A backlog may prove empty; who finds nothing waits again.
        if self.closed.is_some() || self.backlog.is_some() {
            return Poll::Ready(());
        }
        match self
            .outlet
            .feed
            .park(self.cursor, count, &mut self.slot, cx.waker())
        {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Self) -> Result<T, TryRecvError>,
    ) -> Poll<Result<T, RecvError>> {
        loop {
            match read(self) {
                Ok(found) => return Poll::Ready(Ok(found)),
                Err(TryRecvError::Lagged { missed }) => {
                    return Poll::Ready(Err(RecvError::Lagged { missed }));
                }
                Err(TryRecvError::Closed(reason)) => {
                    return Poll::Ready(Err(RecvError::Closed(reason)));
                }
                Err(TryRecvError::Empty) => {}
            }
            let feed = &self.outlet.feed;
            if feed.park(self.cursor, 1, &mut self.slot, cx.waker()) {
                return Poll::Pending;
            }
        }
    }

    /// The next event, if there is one now.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when there is none; otherwise as [`recv`](Self::recv).
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        if let Some(reason) = self.closed {
            return Err(TryRecvError::Closed(reason));
        }
        if self.backlog.is_some()
            && let Some(result) = self.catch_up()
        {
            return result;
        }
        let mut shed = Shed::default();
        let read = self.outlet.feed.read(
            &mut self.cursor,
            || self.outlet.core().clock.now(),
            &mut shed,
        );
        self.settle(read, shed, |_| 1)
    }

    /// Waits for events and takes up to `max` of them at once.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub async fn recv_batch(&mut self, max: usize) -> Result<Batch, RecvError> {
        poll_fn(|cx| self.poll_with(cx, |sub| sub.try_recv_batch(max))).await
    }

    /// Up to `max` events (at least one, however small `max` is) that are there now,
    /// lent rather than counted one by one.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_batch(&mut self, max: usize) -> Result<Batch, TryRecvError> {
        if let Some(reason) = self.closed {
            return Err(TryRecvError::Closed(reason));
        }
        if let Some(result) = self.catch_up_batch(max.max(1)) {
            return result;
        }
        let mut shed = Shed::default();
        let now = || self.outlet.core().clock.now();
        let read = self
            .outlet
            .feed
            .read_run(&mut self.cursor, max.max(1), now, &mut shed);
        self.settle(read, shed, |run: &Run| run.events().len() as u64)
            .map(Batch)
    }

    /// Reads one event of what came before the feed; `None` once that is done.
    fn catch_up(&mut self) -> Option<Result<Event, TryRecvError>> {
        match self.backlog.as_mut()?.next(self.outlet.core()) {
            Caught::Event(event) => {
                self.core().meters.delivered(1);
                Some(Ok(event))
            }
            Caught::Missed(missed) => {
                self.core().meters.missed(missed);
                Some(Err(TryRecvError::Lagged { missed }))
            }
            Caught::Up => {
                self.backlog = None;
                None
            }
        }
    }

    /// Reads a batch of what came before the feed; `None` once that is done.
    fn catch_up_batch(&mut self, max: usize) -> Option<Result<Batch, TryRecvError>> {
        let meters = &self.outlet.core().meters;
        let backlog = self.backlog.as_mut()?;
        let mut events = Vec::new();
        while events.len() < max {
            match backlog.next(self.outlet.core()) {
                Caught::Event(event) => events.push(event),
                Caught::Missed(missed) if events.is_empty() => {
                    meters.missed(missed);
                    return Some(Err(TryRecvError::Lagged { missed }));
                }
                Caught::Missed(missed) => {
                    backlog.owe(missed);
                    break;
                }
                Caught::Up => {
                    self.backlog = None;
                    break;
                }
            }
        }
        if events.is_empty() {
            return None;
        }
        meters.delivered(events.len() as u64);
        Some(Ok(Batch(Run::new(0, events))))
    }

    /// Accounts for a read, outside of every lock.
    fn settle<T>(
        &mut self,
        read: Read<T>,
        mut shed: Shed,
        events: impl Fn(&T) -> u64,
    ) -> Result<T, TryRecvError> {
        let core = self.outlet.core();
        if shed.drained > 0 && self.cursor.is_multiple_of(SAMPLE) {
            core.meters
                .drained(core.clock.now().saturating_sub(shed.drained));
        }
        core.account(&mut shed);
        match read {
            Read::Got(found) => {
                core.meters.delivered(events(&found));
                Ok(found)
            }
            Read::Missed(missed) => {
                if self.outlet.feed.limits().overflow == Overflow::Disconnect {
                    let reason = self.outlet.why_ended(self.cursor - missed);
                    if reason == CloseReason::SlowConsumer {
                        core.meters.slow_closed();
                    }
                    self.closed = Some(reason);
                    // It reads no more, so it must not hold anything back either.
                    core.leave(&self.outlet, self.cursor, self.slot);
                    return Err(TryRecvError::Closed(reason));
                }
                core.meters.missed(missed);
                Err(TryRecvError::Lagged { missed })
            }
            // An event may have come just before the end, and after the look at the feed.
            Read::Nothing
                if self.outlet.feed.ending() != Ending::Open
                    && !self.outlet.feed.has(self.cursor) =>
            {
                self.closed = Some(CloseReason::HubClosed);
                Err(TryRecvError::Closed(CloseReason::HubClosed))
            }
            Read::Nothing => Err(TryRecvError::Empty),
        }
    }

    /// Blocks the thread until the next event, at most until the deadline.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] at the deadline; otherwise as [`recv`](Self::recv).
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Event, TryRecvError> {
        let waker = Waker::from(StdArc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(result) = self.poll_recv(&mut cx) {
                return result.map_err(TryRecvError::from);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(TryRecvError::Empty);
            }
            thread::park_timeout(deadline - now);
        }
    }

    /// Adds topics and patterns, all or none; in force when this returns. How many were not
    /// there already.
    ///
    /// # Errors
    /// When there are too many together with those before, the backplane cannot hear one of
    /// them, or the subscription has ended. Nothing is changed then.
    pub fn add(&mut self, names: impl Into<Names>) -> Result<usize, SubscribeError> {
        self.rewire(&Change::Add(names.into()))
    }

    /// Removes topics and patterns, all or none: when this returns, nothing of them is
    /// delivered any more, unless another pattern covers it. How many were there.
    ///
    /// # Errors
    /// When no name would be left (drop the subscription instead), or the subscription has
    /// ended. Nothing is changed then.
    pub fn remove(&mut self, names: impl Into<Names>) -> Result<usize, SubscribeError> {
        self.rewire(&Change::Remove(names.into()))
    }

    /// Adds a topic; in force when this returns. False when it was there already.
    ///
    /// # Errors
    /// When the name is not a topic name, there are too many, or the subscription has
    /// ended.
    pub fn add_topic(&mut self, name: impl AsRef<str>) -> Result<bool, SubscribeError> {
        Ok(self.rewire(&Change::topic(name, true)?)? > 0)
    }

    /// Adds a pattern; in force when this returns. False when it was there already.
    ///
    /// # Errors
    /// When the text is not a pattern, there are too many names, or the subscription
    /// has ended.
    pub fn add_pattern(&mut self, text: impl AsRef<str>) -> Result<bool, SubscribeError> {
        Ok(self.rewire(&Change::pattern(text, true)?)? > 0)
    }

    /// Removes a topic: when this returns, nothing of it is delivered any more, unless
    /// a pattern covers it. False when it was not there.
    ///
    /// # Errors
    /// When the name is not a topic name, or it is the last one; drop the subscription
    /// instead.
    pub fn remove_topic(&mut self, name: impl AsRef<str>) -> Result<bool, SubscribeError> {
        Ok(self.rewire(&Change::topic(name, false)?)? > 0)
    }

    /// Removes a pattern, as [`remove_topic`](Self::remove_topic) removes a topic.
    ///
    /// # Errors
    /// When the text is not a pattern, or it is the last name.
    pub fn remove_pattern(&mut self, text: impl AsRef<str>) -> Result<bool, SubscribeError> {
        Ok(self.rewire(&Change::pattern(text, false)?)? > 0)
    }

    fn rewire(&mut self, change: &Change) -> Result<usize, SubscribeError> {
        if let Some(reason) = self.closed {
            return Err(SubscribeError::Ended(reason));
        }
        let core = StdArc::clone(self.core());
        let Some(rewiring) = core.rewiring(&self.outlet, change)? else {
            return Ok(0);
        };
        let changes = rewiring.len();
        let before = Arc::clone(&self.outlet);
        let backlog = self.backlog.as_deref_mut();
        core.rewire(&mut self.outlet, &mut self.cursor, backlog, rewiring);
        if !Arc::ptr_eq(&before, &self.outlet) {
            // The place to park was in the old feed.
            let slot = std::mem::replace(&mut self.slot, NO_SLOT);
            before.feed.move_away(slot);
        }
        Ok(changes)
    }

    /// The selector as it stands now; `None` once the subscription has ended.
    pub fn selector(&self) -> Option<Selector> {
        let open = self.closed.is_none() && !self.core().is_closed();
        open.then(|| self.core().selector_of(&self.outlet))
    }

    /// How many events wait to be read, counting those that are already lost and not
    /// yet told.
    pub fn lag(&self) -> u64 {
        let backlog = self.backlog.as_ref().map_or(0, |backlog| backlog.len());
        backlog + self.outlet.feed.end().saturating_sub(self.cursor)
    }

    /// Why the subscription ended, once it has.
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Ends the subscription. The same as dropping it.
    pub fn unsubscribe(self) {}
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let has_left = matches!(
            self.closed,
            Some(CloseReason::SlowConsumer | CloseReason::Lost)
        );
        if !has_left {
            self.core().leave(&self.outlet, self.cursor, self.slot);
        }
    }
}

impl Stream for Subscription {
    /// An event, or how many were missed.
    type Item = Result<Event, Lagged>;

    /// Ends when the subscription does; [`Subscription::closed`] says why.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(|result| match result {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged { missed }) => Some(Err(Lagged { missed })),
            Err(RecvError::Closed(_)) => None,
        })
    }
}

/// What a stream yields in place of events that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    /// Exactly how many.
    pub missed: u64,
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missed = self.missed;
        RecvError::Lagged { missed }.fmt(f)
    }
}

impl std::error::Error for Lagged {}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("selector", &self.selector())
            .field("lag", &self.lag())
            .field("closed", &self.closed)
            .finish()
    }
}

/// Wakes a blocked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: StdArc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &StdArc<Self>) {
        self.0.unpark();
    }
}
