//! Lanes: one event loop each, and all the subscriptions that live on it.
//!
//! A lane is woken once per batch, however many members it has and however many
//! events come, and serves them in *slices* bounded by count and time. Before each
//! slice it carries out its controls: leaves, joins and resumptions never wait for a
//! large event. Groups (the members of one feed) take turns slice by slice.

mod executor;
mod gate;
mod group;
mod ids;
mod remote;
mod sink;
mod slice;

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

pub use executor::{Executor, Item, Listener};
use group::{Group, Service};
use ids::Locations;
pub use ids::MemberId;
pub use remote::Remote;
use remote::{Join, Shared, What};
pub use sink::{Flow, Sink, Token};
use slice::Slice;
pub use slice::SliceLimits;

use crate::{
    hub::{
        Hub,
        core::Core,
        rewire::Change,
        subscribe::{SubscribeError, SubscribeOptions},
    },
    names::Names,
    selector::{Selector, SelectorError},
    sync::{Arc, StdArc},
    wake::Bell,
};

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// Events that sinks took.
    pub delivered: usize,
    /// There is more to do now. When this is false, the bell will ring.
    pub more: bool,
}

/// One event loop's share of the hub, and all the subscriptions that live on it.
///
/// A lane is woken once per batch, however many members it has and however many events
/// come, and serves them in slices bounded by count and time. Before each slice it
/// carries out its controls: leaves, joins and resumptions never wait for a large event.
/// The members of one feed are a group; groups take turns slice by slice.
///
/// The owner decides what a turn of the loop is:
///
/// ```
/// use distributary::{Event, Flow, CloseReason, Hub, Lane, Sink, Token};
///
/// struct Print;
/// impl Sink for Print {
///     fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
///         println!("{to:?} gets {events:?}");
///         Flow::Taken
///     }
///     fn lagged(&mut self, to: Token, missed: u64) -> Flow {
///         println!("{to:?} missed {missed}");
///         Flow::Taken
///     }
///     fn closed(&mut self, to: Token, reason: CloseReason) {
///         println!("{to:?} is out: {reason}");
///     }
/// }
///
/// let hub = Hub::new();
/// let mut lane = Lane::new(&hub);
/// let member = lane.subscribe("news", Token(7))?;
/// hub.publish("news", "hello")?;
/// while lane.turn(&mut Print).more {
///     // Sockets, timers and whatever else the loop has to do.
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// After a turn that says there is no more, the bell rings for the next event: wait
/// for it with [`Lane::ready`] in a task, [`Lane::wait`] in a thread, a callback
/// ([`Lane::on_ready`]) or a descriptor (`Lane::descriptor`) in a foreign loop.
pub struct Lane {
    shared: Arc<Shared>,
    limits: SliceLimits,
    groups: Vec<Option<Group>>,
    free: Vec<u32>,
    locations: Locations,
    /// Groups that have something to do, in turn.
    ready: VecDeque<u32>,
    /// Room for the names of those who leave in a slice.
    left: Vec<MemberId>,
    /// Where it is rung, and what becomes readable then.
    #[cfg(unix)]
    descriptor: Option<(
        StdArc<std::os::unix::net::UnixStream>,
        std::os::unix::net::UnixStream,
    )>,
}

impl Lane {
    /// A lane without members, for the calling thread's loop or one it hands it to.
    pub fn new(hub: &Hub) -> Self {
        Lane::with_limits(hub, SliceLimits::default())
    }

    /// A lane with slices of another size.
    pub fn with_limits(hub: &Hub, limits: SliceLimits) -> Self {
        Lane {
            shared: Arc::new(Shared::new(hub.core())),
            limits,
            groups: Vec::new(),
            free: Vec::new(),
            locations: Locations::default(),
            ready: VecDeque::new(),
            left: Vec::new(),
            #[cfg(unix)]
            descriptor: None,
        }
    }

    fn core(&self) -> &StdArc<Core> {
        &self.shared.core
    }

    /// A handle for other threads.
    pub fn remote(&self) -> Remote {
        Remote(Arc::clone(&self.shared))
    }

    /// Subscribes a member; in force when this returns.
    ///
    /// # Errors
    /// As [`Hub::subscribe`].
    pub fn subscribe<S>(&mut self, selector: S, token: Token) -> Result<MemberId, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        self.subscribe_with(selector, token, SubscribeOptions::new())
    }

    /// Subscribes a member with options of its own.
    ///
    /// # Errors
    /// As [`Hub::subscribe_with`].
    pub fn subscribe_with<S>(
        &mut self,
        selector: S,
        token: Token,
        options: SubscribeOptions,
    ) -> Result<MemberId, SubscribeError>
    where
        S: TryInto<Selector>,
        SelectorError: From<S::Error>,
    {
        let selector = selector.try_into().map_err(SelectorError::from)?;
        let join = self.shared.enter(selector, token, options)?;
        let id = join.id;
        self.adopt(join);
        Ok(id)
    }

    /// Adds topics and patterns to what a member gets, all or none; in force when this
    /// returns. How many were not there already.
    ///
    /// The member stays what it is: its name and its token, its options, what waits for
    /// it, whether it is stalled. Commands that other threads have posted are carried out
    /// first. Waits for publishers that are at work on its topics, as the others of this
    /// kind do.
    ///
    /// # Errors
    /// When there are too many together with those before, the backplane cannot hear one of
    /// them, or the lane has no such member ([`SubscribeError::NoMember`]). Nothing is
    /// changed then.
    pub fn add(
        &mut self,
        member: MemberId,
        names: impl Into<Names>,
    ) -> Result<usize, SubscribeError> {
        self.rewire(member, &Change::Add(names.into()))
    }

    /// Removes topics and patterns from what a member gets, all or none: when this returns,
    /// nothing of them is delivered to the member any more, unless another pattern covers
    /// it. How many were there.
    ///
    /// # Errors
    /// When no name would be left (unsubscribe the member instead), or the lane has no such
    /// member. Nothing is changed then.
    pub fn remove(
        &mut self,
        member: MemberId,
        names: impl Into<Names>,
    ) -> Result<usize, SubscribeError> {
        self.rewire(member, &Change::Remove(names.into()))
    }

    /// Adds one topic, as [`add`](Self::add) adds several. False when it was there already.
    ///
    /// # Errors
    /// When the name is not a topic name, there are too many, or the lane has no such
    /// member.
    pub fn add_topic(
        &mut self,
        member: MemberId,
        name: impl AsRef<str>,
    ) -> Result<bool, SubscribeError> {
        Ok(self.rewire(member, &Change::topic(name, true)?)? > 0)
    }

    /// Adds a pattern, as [`add_topic`](Self::add_topic) adds a topic.
    ///
    /// # Errors
    /// When the text is not a pattern, there are too many names, or the lane has no such
    /// member.
    pub fn add_pattern(
        &mut self,
        member: MemberId,
        text: impl AsRef<str>,
    ) -> Result<bool, SubscribeError> {
        Ok(self.rewire(member, &Change::pattern(text, true)?)? > 0)
    }

    /// Removes a topic from what a member gets: when this returns, nothing of it is
    /// delivered to the member any more, unless a pattern covers it. False when it was not
    /// there.
    ///
    /// # Errors
    /// When the name is not a topic name, it is the last one (unsubscribe the member
    /// instead), or the lane has no such member.
    pub fn remove_topic(
        &mut self,
        member: MemberId,
        name: impl AsRef<str>,
    ) -> Result<bool, SubscribeError> {
        Ok(self.rewire(member, &Change::topic(name, false)?)? > 0)
    }

    /// Removes a pattern, as [`remove_topic`](Self::remove_topic) removes a topic.
    ///
    /// # Errors
    /// When the text is not a pattern, it is the last name, or the lane has no such
    /// member.
    pub fn remove_pattern(
        &mut self,
        member: MemberId,
        text: impl AsRef<str>,
    ) -> Result<bool, SubscribeError> {
        Ok(self.rewire(member, &Change::pattern(text, false)?)? > 0)
    }

    /// The member leaves its group without leaving the hub, changes its feed, and joins
    /// the group of that one: new, for a feed that changes its names has one reader.
    fn rewire(&mut self, member: MemberId, change: &Change) -> Result<usize, SubscribeError> {
        self.carry_out_controls();
        let (number, place) = self.place_of(member).ok_or(SubscribeError::NoMember)?;
        let core = StdArc::clone(self.core());
        let Some(group) = &mut self.groups[number as usize] else {
            return Err(SubscribeError::NoMember);
        };
        let Some(rewiring) = core.rewiring(&group.outlet, change)? else {
            return Ok(0);
        };
        let changes = rewiring.len();
        let mut join = group.release(place).ok_or(SubscribeError::NoMember)?;
        group.pack_if_sparse(&mut self.locations);
        // A feed of its own has the member as its only reader from here on.
        self.drop_if_empty(number);
        core.rewire(
            &mut join.outlet,
            &mut join.cursor,
            join.backlog.as_deref_mut(),
            rewiring,
        );
        self.adopt(join);
        // What has come in between was announced to nobody, and neither was it that a
        // stalled member has lost its place.
        if let Some((number, _)) = self.locations.find(member) {
            self.enqueue(number);
        }
        self.shared.call();
        Ok(changes)
    }

    /// How many events wait for a member, counting those that are already lost and not
    /// yet told. `None` when the lane has no such member.
    ///
    /// A member that another thread has subscribed is known after the next turn.
    pub fn lag(&self, member: MemberId) -> Option<u64> {
        let (number, place) = self.place_of(member)?;
        let group = self.groups[number as usize].as_ref()?;
        Some(group.lag(place))
    }

    /// What a member gets, as it stands now. `None` when the lane has no such member or
    /// the hub is closed.
    pub fn selector(&self, member: MemberId) -> Option<Selector> {
        let (number, _) = self.place_of(member)?;
        let group = self.groups[number as usize].as_ref()?;
        let core = self.core();
        (!core.is_closed()).then(|| core.selector_of(&group.outlet))
    }

    /// Group and place of a member of this lane.
    fn place_of(&self, member: MemberId) -> Option<(u32, u32)> {
        let found = self.locations.find(member);
        found.filter(|_| self.shared.ids.gave(member))
    }

    /// Takes a member out: when this returns, nothing more is delivered to it. O(1),
    /// amortised. False when it was no member, or one of another lane.
    ///
    /// Commands that other threads have posted are carried out first, so a member that
    /// they have just subscribed is known here.
    pub fn unsubscribe(&mut self, member: MemberId) -> bool {
        self.carry_out_controls();
        self.shared.ids.gave(member) && self.take_out(member)
    }

    /// Lets a member go on whose sink said [`Flow::Stalled`]. Commands that other threads
    /// have posted are carried out first.
    ///
    /// Turn the lane after it: a callback or a descriptor is not rung for what the owner
    /// does itself.
    pub fn resume(&mut self, member: MemberId) {
        self.carry_out_controls();
        if self.shared.ids.gave(member) {
            self.go_on(member);
        }
    }

    fn take_out(&mut self, member: MemberId) -> bool {
        let Some((number, place)) = self.locations.find(member) else {
            return false;
        };
        if let Some(group) = &mut self.groups[number as usize] {
            group.remove(place);
            group.pack_if_sparse(&mut self.locations);
        }
        self.locations.clear(member);
        self.shared.ids.give_back(member);
        self.drop_if_empty(number);
        true
    }

    fn go_on(&mut self, member: MemberId) {
        let Some((number, place)) = self.locations.find(member) else {
            return;
        };
        if let Some(group) = &mut self.groups[number as usize]
            && group.resume(member, place)
        {
            self.enqueue(number);
        }
    }

    /// How many members the lane has. O(feeds).
    pub fn len(&self) -> usize {
        self.groups.iter().flatten().map(Group::len).sum()
    }

    /// Whether the lane has no members.
    pub fn is_empty(&self) -> bool {
        self.groups.iter().flatten().all(|group| group.len() == 0)
    }

    /// Carries out all controls, then serves one slice.
    pub fn turn<S: Sink>(&mut self, sink: &mut S) -> Turn {
        self.shared.post.wake();
        #[cfg(unix)]
        self.silence();
        self.carry_out_controls();
        while let Some(number) = self.shared.post.next() {
            self.enqueue(number);
        }
        let core = StdArc::clone(&self.shared.core);
        let mut slice = Slice::new(&core.clock, self.limits);
        while !slice.is_over()
            && let Some(number) = self.ready.pop_front()
        {
            self.serve(number, sink, &mut slice);
        }
        let delivered = slice.delivered();
        core.meters.delivered(delivered as u64);
        core.reap(true);
        let more = !self.ready.is_empty() || !self.sleep();
        Turn { delivered, more }
    }

    fn serve<S: Sink>(&mut self, number: u32, sink: &mut S, slice: &mut Slice<'_>) {
        let Some(group) = &mut self.groups[number as usize] else {
            return;
        };
        group.queued = false;
        group.serve(
            &self.shared.post,
            &mut Service {
                sink,
                slice,
                locations: &mut self.locations,
                left: &mut self.left,
            },
        );
        let more = group.has_work();
        for member in self.left.drain(..) {
            self.locations.clear(member);
            self.shared.ids.give_back(member);
        }
        if more {
            self.enqueue(number);
        }
        self.drop_if_empty(number);
    }

    fn carry_out_controls(&mut self) {
        // Those that are there now: a stream of commands must not hold up deliveries.
        for _ in 0..self.shared.controls() {
            let Some(control) = self.shared.next() else {
                return;
            };
            match control.what {
                What::Join(join) => self.adopt(join),
                What::Leave(member) => {
                    self.take_out(member);
                }
                What::Resume(member) => self.go_on(member),
            }
            let core = &self.shared.core;
            let waited = core.clock.now().saturating_sub(control.posted);
            core.meters.control_waited(waited);
        }
    }

    fn adopt(&mut self, join: Join) {
        let number = match join.outlet.feed.group_of(&self.shared.post) {
            Some(number) => number,
            None => {
                let number = self.free.pop().unwrap_or_else(|| {
                    make_room(&mut self.groups);
                    self.groups.push(None);
                    self.groups.len() as u32 - 1
                });
                let outlet = Arc::clone(&join.outlet);
                let group = Group::new(outlet, &self.shared.post, number);
                self.groups[number as usize] = Some(group);
                number
            }
        };
        if let Some(group) = &mut self.groups[number as usize] {
            let id = join.id;
            let place = group.adopt(join);
            self.locations.set(id, number, place);
            if group.has_work() {
                self.enqueue(number);
            }
        }
    }

    fn enqueue(&mut self, number: u32) {
        if let Some(Some(group)) = self.groups.get_mut(number as usize)
            && !group.queued
        {
            group.queued = true;
            self.ready.push_back(number);
        }
    }

    /// Gives a group up once its last member has left.
    fn drop_if_empty(&mut self, number: u32) {
        let place = &mut self.groups[number as usize];
        if let Some(group) = place.take_if(|group| group.len() == 0) {
            group.end(&self.shared.post);
            self.free.push(number);
        }
    }

    /// Arms the bell unless there is something to do. True when it will ring.
    fn sleep(&self) -> bool {
        self.shared.post.sleep(|| self.shared.is_busy())
    }

    /// Waits in a task until there is something to do.
    pub async fn ready(&mut self) {
        let post = &self.shared.post;
        let has_own = !self.ready.is_empty();
        poll_fn(|cx| {
            if has_own || post.is_called() {
                return Poll::Ready(());
            }
            post.listen(Bell::Task(cx.waker().clone()));
            // It may have rung for whoever listened before.
            match post.is_called() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Waits in a thread until there is something to do, at most so long. True when
    /// there is.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let post = &self.shared.post;
        if !self.ready.is_empty() || post.is_called() {
            return true;
        }
        post.listen(Bell::Thread(thread::current()));
        let deadline = Instant::now().checked_add(timeout);
        while !post.is_called() {
            match deadline {
                None => thread::park(),
                Some(deadline) => {
                    let now = Instant::now();
                    if now >= deadline {
                        return false;
                    }
                    thread::park_timeout(deadline - now);
                }
            }
        }
        true
    }

    /// Has a callback called when there is something to do: once, until the next turn
    /// that says there is no more. It runs on the publishing thread and should only
    /// tell a loop.
    pub fn on_ready(&mut self, callback: impl Fn() + Send + Sync + 'static) {
        self.shared
            .post
            .listen(Bell::Callback(StdArc::new(callback)));
        // Something may have been announced to nobody.
        if self.shared.post.is_called() {
            self.shared.post.ring();
        }
    }

    /// A descriptor that is readable when there is something to do. It is emptied by
    /// [`turn`](Self::turn); the owner only polls it.
    ///
    /// # Errors
    /// When the system gives no more descriptors.
    #[cfg(unix)]
    pub fn descriptor(&mut self) -> std::io::Result<std::os::fd::BorrowedFd<'_>> {
        use std::os::{fd::AsFd, unix::net::UnixStream};
        let (ring, listen) = match self.descriptor.take() {
            Some(pair) => pair,
            None => {
                let (ring, listen) = UnixStream::pair()?;
                ring.set_nonblocking(true)?;
                listen.set_nonblocking(true)?;
                (StdArc::new(ring), listen)
            }
        };
        // Another way to wait may have been used since.
        self.shared
            .post
            .listen(Bell::Descriptor(StdArc::clone(&ring)));
        if self.shared.post.is_called() {
            self.shared.post.ring();
        }
        let (_, listen) = self.descriptor.insert((ring, listen));
        Ok(UnixStream::as_fd(listen))
    }

    /// Empties the descriptor.
    #[cfg(unix)]
    fn silence(&mut self) {
        use std::io::Read;
        if let Some((_, listen)) = &mut self.descriptor {
            let mut bytes = [0; 64];
            while matches!(listen.read(&mut bytes), Ok(n) if n == bytes.len()) {}
        }
    }
}

/// Room for one more, and for an eighth ahead: not for as many again, since a lane may
/// have very many.
fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 16);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.end();
        self.shared.post.listen(Bell::None);
        for group in self.groups.drain(..).flatten() {
            group.end(&self.shared.post);
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("members", &self.len())
            .field("feeds", &(self.groups.len() - self.free.len()))
            .finish_non_exhaustive()
    }
}
