//! What a topic keeps for those who come back, and the way back in.
//!
//! History belongs to topics, by rules given when the hub is built. It numbers its
//! events as the topic does, so a [`Position`] finds its place by subtraction. A
//! returning subscription gets a [`Backlog`]: the offsets it has to catch up with,
//! not the events. It pins nothing; what history lets go of before it is read is
//! told as missed, to the event.

use std::fmt;

use crate::{
    event::{Event, Position},
    feed::{Budget, Limits, Log, Overflow, Shed},
    fields::{Fields, Projection},
    hub::{core::Core, node::Node},
    pattern::Pattern,
    predicate::Filter,
    sync::{Arc, AtomicBool, Mutex},
    topic::Topic,
};

/// Which topics keep history, and how much.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) topics: Pattern,
    pub(crate) keep: Budget,
}

/// The retained events of one topic.
pub(crate) struct History {
    log: Mutex<Log>,
    limits: Limits,
    /// Stands in the register of those that hold events.
    pub(crate) registered: AtomicBool,
}

impl History {
    /// An empty history whose first event will have offset `first`.
    pub(crate) fn new(keep: Budget, first: u64) -> Self {
        History {
            log: Mutex::new(Log::history(first)),
            limits: Limits {
                overflow: Overflow::DropOldest,
                budget: keep,
            },
            registered: AtomicBool::new(false),
        }
    }

    pub(crate) fn push(&self, event: Event, now: u64, shed: &mut Shed) {
        self.log.lock().push(event, &self.limits, now, shed);
    }

    /// So many events are lost that would have had the next offsets.
    pub(crate) fn lose(&self, missed: u64) {
        self.log.lock().lose(missed, &self.limits);
    }

    /// Until now nobody listened to what others published: whoever stood after `seen` has
    /// missed nobody knows how many, which is told as one. A loss that stands last tells it
    /// already.
    fn unheard(&self, seen: u64, order: &mut u64) {
        if seen + 1 == *order || !self.log.lock().ends_in_hole() {
            self.lose(1);
            *order += 1;
        }
    }

    /// The same, wherever somebody stood.
    pub(crate) fn unheard_by_all(&self, order: &mut u64) {
        self.unheard(*order - 1, order);
    }

    /// Lets go of what is too old. True when nothing is left.
    pub(crate) fn expire(&self, now: u64, shed: &mut Shed) -> bool {
        let mut log = self.log.lock();
        log.expire(&self.limits, now, shed);
        log.len() == 0
    }

    /// Gives up half of what is held. False when it holds nothing.
    pub(crate) fn press(&self, shed: &mut Shed) -> bool {
        self.log.lock().press(shed)
    }

    /// How many events are held, and their weight in bytes.
    pub(crate) fn held(&self) -> (usize, usize) {
        let log = self.log.lock();
        (log.len(), log.bytes())
    }

    /// The offset after `position`, of those up to `until`.
    fn after(
        &self,
        topic: &Topic,
        position: Position,
        epoch: u64,
        until: u64,
    ) -> Result<u64, ResumeError> {
        let error = |kind| ResumeError {
            topic: topic.clone(),
            position,
            kind,
        };
        if position.epoch != epoch {
            return Err(error(ResumeErrorKind::OtherEpoch { current: epoch }));
        }
        if position.offset >= until {
            return Err(error(ResumeErrorKind::NotYet));
        }
        let oldest = self.log.lock().start();
        let next = position.offset + 1;
        if next < oldest {
            return Err(error(ResumeErrorKind::TooOld { oldest }));
        }
        Ok(next)
    }

    /// The first event at or after an offset that is not too old, with its offset.
    fn first_from(&self, offset: u64, core: &Core) -> Option<(u64, Event)> {
        let mut shed = Shed::default();
        let found = {
            let mut log = self.log.lock();
            log.expire(&self.limits, core.clock.now(), &mut shed);
            let first = log.from(offset).next();
            first.map(|(seq, event)| (seq, event.clone()))
        };
        core.account(&mut shed);
        found
    }
}

/// Where a returning subscription stood, topic by topic.
///
/// ```
/// use distributary::{Budget, Hub, Resume};
///
/// let hub = Hub::builder().history("chat.*", Budget::default().events(100)?)?.build()?;
/// hub.publish("chat.7", "hello")?;
/// let mut sub = hub.subscribe("chat.7")?;
/// hub.publish("chat.7", "are you there?")?;
/// let seen = sub.try_recv()?.position();
/// drop(sub);
///
/// hub.publish("chat.7", "while you were away")?;
/// let mut sub = hub.subscribe_from("chat.7", Resume::at(seen))?;
/// assert_eq!(&sub.try_recv()?.payload()[..], b"while you were away");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Resume {
    /// For a selector of exactly one topic.
    pub(crate) only: Option<Position>,
    pub(crate) topics: Vec<(Topic, Position)>,
}

impl Resume {
    /// After this position, for a selector of exactly one topic.
    pub fn at(position: Position) -> Self {
        Resume {
            only: Some(position),
            topics: Vec::new(),
        }
    }

    /// Nowhere yet: add positions with [`Resume::topic`]. Topics without one start
    /// with what is published from now on.
    pub fn new() -> Self {
        Resume::default()
    }

    /// After this position in this topic.
    pub fn topic(mut self, topic: Topic, position: Position) -> Self {
        self.topics.push((topic, position));
        self
    }
}

/// What a subscription asked back for cannot be had, exactly or at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeError {
    topic: Topic,
    position: Position,
    kind: ResumeErrorKind,
}

/// Why a position cannot be resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResumeErrorKind {
    /// The position was counted by another hub: before a restart, or elsewhere.
    OtherEpoch {
        /// The epoch of this hub.
        current: u64,
    },
    /// Events after the position have been let go of.
    TooOld {
        /// The oldest offset that is still held.
        oldest: u64,
    },
    /// The topic has not counted that far.
    NotYet,
    /// The topic keeps no history.
    NoHistory,
    /// The selector does not cover the topic, or it names more than one and a single
    /// position was given.
    NotSelected,
}

impl ResumeError {
    pub(crate) fn new(topic: Topic, position: Position, kind: ResumeErrorKind) -> Self {
        ResumeError {
            topic,
            position,
            kind,
        }
    }

    /// The position that was asked for.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The topic concerned.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The reason.
    pub fn kind(&self) -> ResumeErrorKind {
        self.kind
    }
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot resume {:?} after {}: ",
            self.topic, self.position
        )?;
        match self.kind {
            ResumeErrorKind::OtherEpoch { current } => write!(
                f,
                "that position is of another epoch than this hub's {current:x}; load the current state and subscribe anew"
            ),
            ResumeErrorKind::TooOld { oldest } => write!(
                f,
                "events before offset {oldest:x} are no longer held; load the current state and subscribe anew, or keep more history"
            ),
            ResumeErrorKind::NotYet => {
                f.write_str("the topic has not counted that far; the position is not one of its events")
            }
            ResumeErrorKind::NoHistory => {
                f.write_str("the topic keeps no history; give it some with HubBuilder::history")
            }
            ResumeErrorKind::NotSelected => f.write_str(
                "the selector does not cover the topic, or covers more than the one position says; name each topic with Resume::topic",
            ),
        }
    }
}

impl std::error::Error for ResumeError {}

/// The events a subscription has to catch up with before its feed.
pub(crate) struct Backlog {
    /// Events that may belong to it, until they have been looked at.
    seen: Vec<Seen>,
    /// What was lost behind the last of them, by topic.
    tail: Vec<Waiting>,
    /// Rising by time of publishing, read from the end.
    waiting: Vec<Waiting>,
    /// The event given last, in case it was not taken.
    last: Option<(Arc<Node>, u64)>,
    /// Missed, and still to be told before anything else.
    owed: u64,
}

/// An event of a topic's history.
struct Seen {
    node: Arc<Node>,
    /// The offset behind the event before it: those in between were lost on their way to
    /// this hub.
    from: u64,
    event: Event,
}

/// One stretch of one topic's history.
struct Waiting {
    node: Arc<Node>,
    next: u64,
    until: u64,
}

/// What a backlog gave.
pub(crate) enum Caught {
    Event(Event),
    Missed(u64),
    /// Nothing is left; the feed takes over.
    Up,
}

impl Backlog {
    /// Collects what follows `position` in a topic, up to its `order`, which the caller holds,
    /// so that nothing is appended meanwhile; and carries `shed` out of it. What others
    /// published until now may be missing unless the topic `is_heard`.
    pub(crate) fn collect(
        &mut self,
        core: &Core,
        node: &Arc<Node>,
        (topic, position): &(Topic, Position),
        order: &mut u64,
        is_heard: bool,
        shed: &mut Shed,
    ) -> Result<(), ResumeError> {
        let Some(history) = &node.history else {
            let kind = ResumeErrorKind::NoHistory;
            return Err(ResumeError::new(topic.clone(), *position, kind));
        };
        history.expire(core.clock.now(), shed);
        let mut next = history.after(topic, *position, core.epoch, *order)?;
        if !is_heard {
            history.unheard(position.offset, order);
        }
        let until = *order;
        for (offset, event) in history.log.lock().from(next) {
            self.seen.push(Seen {
                node: Arc::clone(node),
                from: std::mem::replace(&mut next, offset + 1),
                event: event.clone(),
            });
        }
        if next < until {
            let node = Arc::clone(node);
            self.tail.push(Waiting { node, next, until });
        }
        Ok(())
    }

    /// Keeps what `filter` admits, in the order of publishing. No lock is needed any more:
    /// the events themselves have been collected.
    pub(crate) fn settle(mut self, filter: Option<&Filter>) -> Option<Box<Backlog>> {
        let mut seen = std::mem::take(&mut self.seen);
        let projection = filter.map(|filter| Projection::new(filter.paths().cloned()));
        let admits = |event: &Event| {
            let (Some(filter), Some(projection)) = (filter, &projection) else {
                return true;
            };
            let mut fields = Fields::new();
            if !event.attributes().is_empty() {
                projection.from_attributes(event.attributes(), &mut fields);
            } else if projection.from_json(event.payload(), &mut fields).is_err() {
                return false;
            }
            filter.admits(&fields)
        };
        // Stable: within a topic the times already rise as the offsets do.
        seen.sort_by_key(|seen| seen.event.published_nanos());
        for Seen { node, from, event } in &seen {
            let offset = event.position().offset;
            // What the filter would have made of those that were lost nobody knows.
            self.add(node, *from, offset + u64::from(admits(event)));
        }
        for Waiting { node, next, until } in std::mem::take(&mut self.tail) {
            self.add(&node, next, until);
        }
        self.waiting.reverse();
        (!self.waiting.is_empty()).then(|| Box::new(self))
    }

    fn add(&mut self, node: &Arc<Node>, next: u64, until: u64) {
        if next == until {
            return;
        }
        if let Some(last) = self.waiting.last_mut()
            && last.until == next
            && Arc::ptr_eq(&last.node, node)
        {
            last.until = until;
            return;
        }
        self.waiting.push(Waiting {
            node: Arc::clone(node),
            next,
            until,
        });
    }

    /// Takes back the event that was given last.
    pub(crate) fn put_back(&mut self) {
        let Some((node, offset)) = self.last.take() else {
            return;
        };
        match self.waiting.last_mut() {
            Some(stretch) if Arc::ptr_eq(&stretch.node, &node) && stretch.next == offset + 1 => {
                stretch.next = offset;
            }
            _ => self.waiting.push(Waiting {
                node,
                next: offset,
                until: offset + 1,
            }),
        }
    }

    /// Takes back a count of missed events that was not told.
    pub(crate) fn owe(&mut self, missed: u64) {
        self.owed += missed;
    }

    /// How many events are still to be read, or told as missed.
    pub(crate) fn len(&self) -> u64 {
        let stretches = self.waiting.iter();
        let waiting: u64 = stretches.map(|stretch| stretch.until - stretch.next).sum();
        waiting + self.owed
    }

    /// Forgets the topics that are not asked for any more.
    pub(crate) fn keep(&mut self, mut covers: impl FnMut(&Topic) -> bool) {
        self.waiting
            .retain(|stretch| stretch.node.topic_name().is_some_and(&mut covers));
    }

    pub(crate) fn new() -> Self {
        Backlog {
            seen: Vec::new(),
            tail: Vec::new(),
            waiting: Vec::new(),
            last: None,
            owed: 0,
        }
    }

    /// The next event to catch up with.
    pub(crate) fn next(&mut self, core: &Core) -> Caught {
        let mut missed = std::mem::take(&mut self.owed);
        while let Some(stretch) = self.waiting.last_mut() {
            let history = stretch.node.history.as_ref();
            let found = history.and_then(|history| history.first_from(stretch.next, core));
            let seq = found.as_ref().map_or(stretch.until, |(seq, _)| *seq);
            let lost = seq.min(stretch.until) - stretch.next;
            if lost > 0 {
                // History let go of it before it was read.
                missed += lost;
                stretch.next += lost;
            } else if missed > 0 {
                break;
            } else if let Some((_, event)) = found {
                self.last = Some((Arc::clone(&stretch.node), stretch.next));
                stretch.next += 1;
                if stretch.next == stretch.until {
                    self.waiting.pop();
                }
                return Caught::Event(event);
            }
            if stretch.next == stretch.until {
                self.waiting.pop();
            }
        }
        match missed {
            0 => Caught::Up,
            missed => Caught::Missed(missed),
        }
    }
}
