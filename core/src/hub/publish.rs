//! The way of an event through the hub: route, append, wake.
//!
//! ```text
//! publish ─ make room ─ find topic ─┬─ route ─ append to each feed ─┬─ wake ─ clear up
//!                                   └── under the topic's order ────┘
//! ```
//!
//! Everything that is foreign (wakers, bells, the dropping of events) happens after
//! the last lock is gone.

use std::{fmt, time::Instant};

use super::{core::Core, history::History, node::Node, outlet::Outlet, route::Hits};
use crate::{
    backplane::Forwarding,
    event::{Content, Event, Position, Publication},
    feed::Shed,
    sync::{Arc, Ordering},
    topic::{Topic, TopicError},
    wake::Calls,
};

/// What became of a published event.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Delivery {
    /// Feeds that admitted it: distinct selectors.
    pub feeds: usize,
    /// Subscriptions on those feeds. Each will get the event, unless its budget is spent
    /// before it reads; then it is told.
    pub subscriptions: u64,
    /// The share of all live subscriptions that is, from 0 to 1.
    pub share: f64,
    /// Its position in its topic; `None` when nobody asked for it and the topic keeps
    /// no history, for then there is no event.
    pub position: Option<Position>,
    /// What became of it on its way to other machines.
    pub forwarding: Forwarding,
}

/// Why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic is not a topic name.
    Topic(TopicError),
    /// The event alone is heavier than the budget of the whole hub.
    TooLarge {
        /// What it weighs, in bytes.
        weight: usize,
        /// The hub's budget, in bytes.
        budget: u64,
    },
    /// The hub has been closed.
    Closed,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishError::Topic(error) => error.fmt(f),
            PublishError::TooLarge { weight, budget } => write!(
                f,
                "the event weighs {weight} bytes, more than the hub may hold in all ({budget}): publish a reference instead, or raise HubBuilder::bytes"
            ),
            PublishError::Closed => f.write_str("the hub is closed: make a new one"),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Printed as it is, so the chain goes on behind it.
            PublishError::Topic(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<TopicError> for PublishError {
    fn from(error: TopicError) -> Self {
        PublishError::Topic(error)
    }
}

/// An event that was not published within the time given, and itself.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishWaitError<T> {
    /// No room was made in time. The event comes back.
    TimedOut(Publication<T>),
    /// It cannot be published at all.
    Refused(PublishError),
}

impl<T> fmt::Display for PublishWaitError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PublishWaitError::TimedOut(_) => f.write_str(
                "some subscription had no room for the event in time: publish it without waiting, or give up on it",
            ),
            PublishWaitError::Refused(error) => error.fmt(f),
        }
    }
}

impl<T: fmt::Debug> std::error::Error for PublishWaitError<T> {}

/// How far a publication got.
enum Sent<T> {
    Done(Delivery),
    /// Not at all; here it is.
    Not(Obstacle, Publication<T>),
}

enum Obstacle {
    /// The topic has been taken out of its table. It has to be found anew.
    Gone,
    /// Some feed is full.
    Full,
    /// It would never fit into some feed of this byte budget.
    TooLarge { budget: usize },
    /// The hub has to give something up first.
    Pressed,
}

/// What a sender asks for.
#[derive(Clone, Copy)]
struct Terms {
    /// Only if nobody misses anything for it.
    room: bool,
    /// The hub has given up what it could.
    pressed: bool,
}

/// What leaves the topic's order with the publisher, to be called or dropped where no
/// lock is held: everything here may run foreign code.
#[derive(Default)]
struct Carried {
    shed: Shed,
    calls: Calls,
    crowded: Vec<Arc<Outlet>>,
    hits: Hits,
    unwanted: Option<Content>,
}

impl Core {
    pub(crate) fn publish<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
    ) -> Result<Delivery, PublishError> {
        self.publish_and(publication, None)
    }

    /// As [`publish`](Core::publish); who has to be woken for it is added to `later`.
    pub(crate) fn publish_quietly<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
        later: &mut Calls,
    ) -> Result<Delivery, PublishError> {
        self.publish_and(publication, Some(later))
    }

    fn publish_and<T: AsRef<str>>(
        &self,
        mut publication: Publication<T>,
        mut later: Option<&mut Calls>,
    ) -> Result<Delivery, PublishError> {
        let mut terms = Terms {
            room: false,
            pressed: false,
        };
        loop {
            let Some(node) = self.admit(&publication)? else {
                return Ok(Delivery::default());
            };
            match self.send(&node, publication, terms, later.as_deref_mut()) {
                Sent::Done(delivery) => return Ok(delivery),
                Sent::Not(obstacle, back) => {
                    publication = back;
                    if let Obstacle::Pressed = obstacle {
                        self.make_room(publication.content.weight());
                        terms.pressed = true;
                    }
                }
            }
        }
    }

    pub(crate) fn publish_wait<T: AsRef<str>>(
        &self,
        publication: Publication<T>,
        deadline: Instant,
    ) -> Result<Delivery, PublishWaitError<T>> {
        let mut waiting = Some(publication);
        let sent = self.room.wait_for(deadline, || {
            // Readers that have left may still hold a feed full.
            self.reap(true);
            let mut publication = waiting.take()?;
            let terms = Terms {
                room: true,
                pressed: false,
            };
            loop {
                let node = match self.admit(&publication) {
                    Ok(Some(node)) => node,
                    Ok(None) => return Some(Ok(Delivery::default())),
                    Err(error) => return Some(Err(PublishWaitError::Refused(error))),
                };
                let weight = publication.content.weight();
                let (obstacle, back) = match self.send(&node, publication, terms, None) {
                    Sent::Done(delivery) => return Some(Ok(delivery)),
                    Sent::Not(obstacle, back) => (obstacle, back),
                };
                publication = back;
                match obstacle {
                    Obstacle::Gone => {}
                    Obstacle::Full | Obstacle::Pressed => {
                        waiting = Some(publication);
                        return None;
                    }
                    Obstacle::TooLarge { budget } => {
                        let budget = budget as u64;
                        let error = PublishError::TooLarge { weight, budget };
                        return Some(Err(PublishWaitError::Refused(error)));
                    }
                }
            }
        });
        match (sent, waiting) {
            (Some(result), _) => result,
            (None, Some(publication)) => Err(PublishWaitError::TimedOut(publication)),
            // An attempt either has a result or gives the publication back.
            (None, None) => Ok(Delivery::default()),
        }
    }

    /// Checks a publication and finds its topic, if anybody could want it.
    fn admit<T: AsRef<str>>(
        &self,
        publication: &Publication<T>,
    ) -> Result<Option<Arc<Node>>, PublishError> {
        let name = publication.topic.as_ref();
        Topic::check(name)?;
        let weight = publication.content.weight();
        let budget = self.pressure.budget();
        if weight as u64 > budget {
            return Err(PublishError::TooLarge { weight, budget });
        }
        if self.is_closed() {
            return Err(PublishError::Closed);
        }
        let found = self.table.find(name).or_else(|| self.first_seen(name));
        if found.is_none() {
            self.meters.published(0, 0, 0.0);
        }
        Ok(found)
    }

    /// A topic that nobody asked for by name: known from now on if it keeps history,
    /// and for a while if there are patterns that it may match.
    pub(super) fn first_seen(&self, name: &str) -> Option<Arc<Node>> {
        let keep = self.rules.iter().find(|rule| rule.topics.matches(name));
        if keep.is_none() && (!self.patterns.were_any() || self.patterns.len() == 0) {
            return None;
        }
        let topic = Topic::new(name).ok()?;
        let passing = keep.is_none();
        let make = |count| self.new_topic(topic.clone(), count);
        Some(self.table.find_or_insert(&topic, passing, make))
    }

    /// A node for a topic that is not in the table yet, and where it counted when it was,
    /// if that is known.
    pub(crate) fn new_topic(&self, topic: Topic, count: Option<u64>) -> Node {
        // Else offsets start from the clock, so a topic that was forgotten and comes back
        // never repeats one: no topic sees a billion events a second.
        let first = count.unwrap_or_else(|| self.clock.now());
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.topics.matches(topic.as_str()));
        let history = rule.map(|rule| Box::new(History::new(rule.keep, first)));
        Node::topic(topic, first, history)
    }

    /// Routes, appends and wakes, or leaves that for `later`.
    fn send<T>(
        &self,
        node: &Arc<Node>,
        publication: Publication<T>,
        terms: Terms,
        later: Option<&mut Calls>,
    ) -> Sent<T> {
        // The name is the caller's own type: it outlives the lock as well.
        let Publication { topic, content } = publication;
        let mut carried = Carried::default();
        // Waiting publishers take turns, or two of them would see the same room.
        let turn = terms.room.then(|| self.room.take_turn());
        let sent = {
            let mut order = node.order.lock();
            match self.route(node, &content.payload, &content.attributes) {
                None => Err((Obstacle::Gone, content)),
                Some(hits) => {
                    carried.hits = hits;
                    match self.obstacle(node, content.weight(), terms, &mut carried) {
                        Some(obstacle) => Err((obstacle, content)),
                        None => Ok(self.append(node, &mut order, content, &mut carried)),
                    }
                }
            }
        };
        drop(turn);
        match later {
            Some(later) => later.take_over(&mut carried.calls),
            None => carried.calls.make(),
        }
        self.herald.tell(std::mem::take(&mut carried.crowded));
        self.account(&mut carried.shed);
        self.reap(true);
        if node.history.is_some() {
            self.expire_next_history();
        }
        match sent {
            Ok(delivery) => Sent::Done(delivery),
            Err((obstacle, content)) => Sent::Not(obstacle, Publication { topic, content }),
        }
    }

    /// Why an event of this weight is not to be appended now.
    fn obstacle(
        &self,
        node: &Arc<Node>,
        weight: usize,
        terms: Terms,
        carried: &mut Carried,
    ) -> Option<Obstacle> {
        let outlets = &carried.hits.outlets;
        if outlets.is_empty() && node.history.is_none() {
            return None;
        }
        let short = self.is_short_of(weight);
        if !terms.room {
            return (short && !terms.pressed).then_some(Obstacle::Pressed);
        }
        let now = self.clock.now();
        for outlet in outlets {
            let budget = outlet.feed.limits().budget.bytes;
            if weight > budget {
                return Some(Obstacle::TooLarge { budget });
            }
            if outlet.feed.is_full(weight, now, &mut carried.shed) {
                return Some(Obstacle::Full);
            }
        }
        // Who asks for room wants nobody else to lose anything for it either.
        short.then_some(Obstacle::Full)
    }

    fn append(
        &self,
        node: &Arc<Node>,
        order: &mut u64,
        content: Content,
        carried: &mut Carried,
    ) -> Delivery {
        let Carried {
            shed,
            calls,
            crowded,
            hits,
            unwanted,
        } = carried;
        if hits.unreadable {
            self.meters.unreadable();
        }
        let bytes = content.payload.len();
        let topic = match node.topic_name() {
            Some(topic) if !hits.outlets.is_empty() || node.history.is_some() => topic,
            _ => {
                if let Some(counters) = &hits.counters {
                    counters.count(0, 0, bytes);
                }
                self.meters.published(0, 0, 0.0);
                *unwanted = Some(content);
                return Delivery::default();
            }
        };
        let position = Position {
            epoch: self.epoch,
            offset: *order,
        };
        *order += 1;
        let now = self.clock.now();
        let event = Event::new(topic.clone(), content, now, position, &self.gauge);
        if let Some(history) = &node.history {
            history.push(event.clone(), now, shed);
            self.pressure.history_holds(node);
        }
        let mut subscriptions = 0;
        for outlet in &hits.outlets {
            subscriptions += u64::from(outlet.feed.live());
            if outlet.feed.append(event.clone(), now, calls, shed) {
                crowded.push(Arc::clone(outlet));
            }
            self.pressure.feed_holds(outlet);
        }
        // Readers may have been so quick that this is the last one who holds it.
        shed.events.push(event);
        let live = self.live.load(Ordering::Relaxed).max(subscriptions).max(1);
        let delivery = Delivery {
            feeds: hits.outlets.len(),
            subscriptions,
            share: subscriptions as f64 / live as f64,
            position: Some(position),
            forwarding: Forwarding::None,
        };
        self.meters
            .published(delivery.feeds as u64, subscriptions, delivery.share);
        if let Some(counters) = &hits.counters {
            counters.count(delivery.feeds as u64, subscriptions, bytes);
        }
        delivery
    }
}
