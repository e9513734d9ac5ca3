//! The backplane that topics can be moved on: between a hub and one or several servers.
//!
//! To the hub it is a backplane, to each server's it is a hub. What the hub wants and
//! publishes is translated on the way out, what arrives is translated and freed of
//! duplicates on the way in; topics that are not moved pass through.
//!
//! # Invariants
//!
//! - No lock is held while another backplane or the hub is called.
//! - In this hub a moved topic has its old name at every stage; its new one is nobody's.

use std::{
    collections::HashSet,
    fmt,
    sync::{OnceLock, Weak},
    time::Instant,
};

use ahash::AHashMap;

use super::{
    course::Course,
    entering::Migration,
    error::MigrationError,
    heartbeat::Heartbeat,
    moved::{Moved, Server},
    roll::Announcement,
    stage::{Side, Stage},
};
use crate::{
    backplane::{
        Acknowledge, Backplane, Change, Counts, ForwardError, Health, Inlet, Interest, Name,
        Origin, Upstream,
    },
    event::{Content, Publication},
    pattern::Pattern,
    redis::{Redis, outbox::is_ours},
    selector::Selector,
    sync::{Mutex, RwLock, StdArc},
    topic::Topic,
};

/// A backplane on which topics can be moved while they are in use: to other names, and to
/// other servers. Cheap to clone; one clone is the hub's backplane, another one begins
/// migrations. See the [module](super) for how.
#[derive(Clone)]
pub struct Moving(pub(super) StdArc<Shared>);

pub(super) struct Shared {
    /// Names this hub to others.
    pub(super) hub: u64,
    hub_inlet: OnceLock<Inlet>,
    book: RwLock<Book>,
    /// Patterns that the hub wants.
    patterns: Mutex<HashSet<Pattern>>,
    heartbeat: Heartbeat,
}

/// What is moved.
#[derive(Default)]
struct Book {
    servers: Vec<StdArc<Plane>>,
    topics: AHashMap<Topic, StdArc<Moved>>,
    /// What names mean at each server.
    ends: Vec<AHashMap<Topic, End>>,
    channels: AHashMap<Topic, StdArc<Moved>>,
}

type End = (StdArc<Moved>, Side);

impl Book {
    /// What a name means at a server.
    fn end(&self, server: Server, topic: &str) -> Option<End> {
        self.ends.get(server)?.get(topic).cloned()
    }

    fn has(&self, (server, topic): &(Server, Topic)) -> bool {
        self.end(*server, topic.as_str()).is_some() || self.topics.contains_key(topic)
    }
}

/// One server.
pub(super) struct Plane {
    pub(super) redis: Redis,
    interest: Interest,
}

impl Plane {
    fn of(redis: Redis) -> StdArc<Self> {
        StdArc::new(Plane {
            redis,
            interest: Interest::default(),
        })
    }
}

impl Moving {
    /// Everything goes by this server until it is moved.
    pub fn on(redis: Redis) -> Self {
        let book = Book {
            servers: vec![Plane::of(redis)],
            ends: vec![AHashMap::new()],
            ..Book::default()
        };
        Moving(StdArc::new(Shared {
            hub: fastrand::u64(1..),
            hub_inlet: OnceLock::new(),
            book: RwLock::new(book),
            patterns: Mutex::default(),
            heartbeat: Heartbeat::default(),
        }))
    }

    /// Takes part in the migration of a topic, at this stage: the one that all hubs have
    /// reached, or the one before. It is taken as it is said; from then on stages are
    /// entered by [`Migration::enter`].
    ///
    /// # Errors
    /// When the course cannot be, or one of its names is taken.
    pub fn begin(&self, course: Course, stage: Stage) -> Result<Migration, MigrationError> {
        let shared = &self.0;
        if course.onto.is_none() && course.name == course.topic {
            return Err(MigrationError::Nowhere);
        }
        let taken = |topic: &Topic| MigrationError::Taken {
            topic: topic.to_string(),
        };
        let new_name = Name::Topic(course.name.clone());
        if course.name != course.topic && shared.hub_wants(&new_name) {
            return Err(taken(&course.name));
        }
        shared
            .heartbeat
            .start(StdArc::downgrade(shared))
            .map_err(MigrationError::Redis)?;
        let mut course = course;
        let onto = course.onto.take().map(Plane::of);
        let (moved, server) = {
            let mut book = shared.book.write();
            let server = onto.as_ref().map_or(0, |_| book.servers.len());
            let moved = StdArc::new(Moved::new(&course, server, stage));
            for end in &moved.ends {
                if book.has(end) {
                    return Err(taken(&end.1));
                }
            }
            if let Some(plane) = &onto {
                book.servers.push(StdArc::clone(plane));
                book.ends.push(AHashMap::new());
            }
            book.topics
                .insert(moved.topic.clone(), StdArc::clone(&moved));
            book.channels
                .insert(moved.channel.clone(), StdArc::clone(&moved));
            for side in Side::BOTH {
                let (server, topic) = moved.ends[side.index()].clone();
                book.ends[server].insert(topic, (StdArc::clone(&moved), side));
            }
            (moved, server)
        };
        if let (Some(plane), Some(_)) = (&onto, shared.hub_inlet.get()) {
            shared.attach(server, plane);
        }
        shared.note(0, Name::Topic(moved.channel.clone()));
        shared.wants_changed(&moved);
        shared.announce(&moved, false);
        Ok(Migration::new(StdArc::downgrade(shared), moved))
    }
}

impl Shared {
    fn plane(&self, server: Server) -> Option<StdArc<Plane>> {
        self.book.read().servers.get(server).cloned()
    }

    fn planes(&self) -> Vec<StdArc<Plane>> {
        self.book.read().servers.clone()
    }

    /// The server of a side.
    pub(super) fn server(&self, moved: &Moved, side: Side) -> Option<StdArc<Plane>> {
        self.plane(moved.ends[side.index()].0)
    }

    /// The server by which hubs tell each other their stages.
    pub(super) fn first(&self) -> Option<StdArc<Plane>> {
        self.plane(0)
    }

    pub(super) fn all_moved(&self) -> Vec<StdArc<Moved>> {
        self.book.read().topics.values().cloned().collect()
    }

    fn attach(self: &StdArc<Self>, server: Server, plane: &Plane) {
        plane.redis.attach(Inlet::of(StdArc::new(Tap {
            shared: StdArc::downgrade(self),
            server,
        })));
    }

    fn hub_wants(&self, name: &Name) -> bool {
        self.hub_inlet
            .get()
            .is_some_and(|inlet| inlet.is_wanted(name))
    }

    /// Whether the hub listens to a moved topic, by its name or by a pattern.
    fn hub_wants_moved(&self, moved: &Moved) -> bool {
        self.hub_wants(&Name::Topic(moved.topic.clone()))
            || self
                .patterns
                .lock()
                .iter()
                .any(|pattern| pattern.matches(moved.topic.as_str()))
    }

    /// Whether a side of a moved topic is to be listened to by its name.
    pub(super) fn hears(&self, moved: &Moved, side: Side) -> bool {
        moved.stage().reads(side)
            && match side {
                // The first server has the patterns as well.
                Side::Old => self.hub_wants(&Name::Topic(moved.topic.clone())),
                Side::New => self.hub_wants_moved(moved),
            }
    }

    fn is_wanted(&self, server: Server, name: &Name) -> bool {
        let topic = match name {
            Name::Pattern(_) => return server == 0 && self.hub_wants(name),
            Name::Topic(topic) => topic,
        };
        let end = {
            let book = self.book.read();
            if server == 0 && book.channels.contains_key(topic) {
                return true;
            }
            book.end(server, topic.as_str())
        };
        match end {
            Some((moved, side)) => self.hears(&moved, side),
            None => server == 0 && self.hub_wants(name),
        }
    }

    /// Notes that interest in a name may have changed at a server.
    fn note(&self, server: Server, name: Name) {
        if let Some(plane) = self.plane(server)
            && plane.interest.note(name)
        {
            plane.redis.interest_changed();
        }
    }

    /// Notes that either side of a moved topic may have to be joined or left.
    pub(super) fn wants_changed(&self, moved: &Moved) {
        for side in Side::BOTH {
            self.note(moved.ends[side.index()].0, moved.name(side));
        }
    }

    /// The hub's interest in a name has changed.
    fn hub_changed(&self, change: Change) {
        match &change.name {
            Name::Topic(topic) => {
                let moved = self.book.read().topics.get(topic).cloned();
                if let Some(moved) = moved {
                    self.wants_changed(&moved);
                    return;
                }
            }
            Name::Pattern(pattern) => {
                // Several threads may be here with changes of one pattern, in any order:
                // the last look agrees with what was noted.
                let mut wanted = change.wanted;
                loop {
                    let mut patterns = self.patterns.lock();
                    if wanted {
                        patterns.insert(pattern.clone());
                    } else {
                        patterns.remove(pattern);
                    }
                    drop(patterns);
                    let now = self.hub_wants(&change.name);
                    if now == wanted {
                        break;
                    }
                    wanted = now;
                }
                for moved in self.all_moved() {
                    if pattern.matches(moved.topic.as_str()) {
                        self.wants_changed(&moved);
                    }
                }
            }
        }
        self.note(0, change.name);
    }

    /// Tells the other hubs how far this one is; `call` asks them to do the same.
    pub(super) fn announce(&self, moved: &Moved, call: bool) {
        let hears = Side::BOTH.map(|side| self.hears(moved, side));
        self.say(moved, &moved.announcement(self.hub, hears, call));
    }

    fn say(&self, moved: &Moved, announcement: &Announcement) {
        if let Some(first) = self.first() {
            let event = Publication::new(moved.channel.clone(), announcement.text());
            // If it does not go out, this hub counts as silent, which is what it is.
            drop(first.redis.forward(event, None));
        }
    }

    fn heard(&self, moved: &Moved, announcement: Announcement) {
        if announcement.peer.hub == self.hub {
            return;
        }
        let call = announcement.call;
        moved.roll.lock().heard(announcement, Instant::now());
        if call {
            self.announce(moved, false);
        }
    }

    fn deliver(
        &self,
        server: Server,
        topic: &str,
        content: Content,
        origin: Option<Origin>,
    ) -> u64 {
        let Some(hub) = self.hub_inlet.get() else {
            return 0;
        };
        let (end, channel) = {
            let book = self.book.read();
            let channel = match server {
                0 => book.channels.get(topic).cloned(),
                _ => None,
            };
            (book.end(server, topic), channel)
        };
        if let Some(moved) = channel {
            if let Some(announcement) = Announcement::parse(&content.payload) {
                self.heard(&moved, announcement);
            }
            return 0;
        }
        match end {
            None => hub.deliver(Publication { topic, content }),
            Some((moved, side)) => {
                let now = Instant::now();
                let first = match origin {
                    // What this hub published by the other side was delivered then.
                    Some(origin) if self.published(&moved, side.other(), origin) => {
                        moved.counters.read(side, false, now);
                        false
                    }
                    Some(origin) => moved.numbered(side, origin, now),
                    None => moved.arrived(side, &content.payload, now),
                };
                if !first {
                    return 0;
                }
                hub.deliver(Publication {
                    topic: &moved.topic,
                    content,
                })
            }
        }
    }

    /// Whether this hub published an event, by the server of a side.
    fn published(&self, moved: &Moved, side: Side, origin: Origin) -> bool {
        self.server(moved, side)
            .is_some_and(|plane| is_ours(plane.redis.publisher(), origin.publisher))
    }

    fn lost(&self, server: Server, topic: &Topic, missed: Option<u64>) {
        let end = self.book.read().end(server, topic.as_str());
        if let Some(hub) = self.hub_inlet.get() {
            let topic = end.as_ref().map_or(topic, |(moved, _)| &moved.topic);
            hub.lost(topic, missed);
        }
    }
}

/// What one server's backplane sees as its hub.
struct Tap {
    shared: Weak<Shared>,
    server: Server,
}

impl Upstream for Tap {
    fn next_change(&self) -> Option<Change> {
        let shared = self.shared.upgrade()?;
        let name = shared.plane(self.server)?.interest.next()?;
        let wanted = shared.is_wanted(self.server, &name);
        Some(Change { name, wanted })
    }

    fn changes(&self) -> usize {
        let shared = self.shared.upgrade();
        let plane = shared.and_then(|shared| shared.plane(self.server));
        plane.map_or(0, |plane| plane.interest.len())
    }

    fn end_changes(&self) {
        let shared = self.shared.upgrade();
        if let Some(plane) = shared.and_then(|shared| shared.plane(self.server)) {
            plane.interest.end();
        }
    }

    fn is_wanted(&self, name: &Name) -> bool {
        let shared = self.shared.upgrade();
        shared.is_some_and(|shared| shared.is_wanted(self.server, name))
    }

    fn deliver(&self, topic: &str, content: Content, origin: Option<Origin>) -> u64 {
        let shared = self.shared.upgrade();
        shared.map_or(0, |shared| {
            shared.deliver(self.server, topic, content, origin)
        })
    }

    fn lost(&self, topic: &Topic, missed: Option<u64>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lost(self.server, topic, missed);
        }
    }

    fn is_closed(&self) -> bool {
        self.shared.upgrade().is_none_or(|shared| {
            let hub = shared.hub_inlet.get();
            hub.is_none_or(Inlet::is_closed)
        })
    }

    fn tidy(&self) {
        if let Some(shared) = self.shared.upgrade()
            && let Some(hub) = shared.hub_inlet.get()
        {
            hub.tidy();
        }
    }
}

impl Backplane for Moving {
    fn attach(&self, inlet: Inlet) {
        if self.0.hub_inlet.set(inlet).is_ok() {
            for (server, plane) in self.0.planes().iter().enumerate() {
                self.0.attach(server, plane);
            }
        }
    }

    fn interest_changed(&self) {
        if let Some(inlet) = self.0.hub_inlet.get() {
            while let Some(change) = inlet.next_change() {
                self.0.hub_changed(change);
            }
        }
    }

    fn refuses(&self, selector: &Selector) -> Option<String> {
        let moved = {
            let book = self.0.book.read();
            selector.named_topics().find_map(|topic| {
                let ends = book.ends.iter();
                let mut found = ends.filter_map(|ends| ends.get(topic.as_str()));
                found.find(|(moved, _)| moved.topic != *topic).cloned()
            })
        };
        if let Some((moved, _)) = moved {
            return Some(format!(
                "{} is where {} moves to: listen to {}, which is the same in this hub",
                moved.ends[1].1, moved.topic, moved.topic
            ));
        }
        self.0
            .planes()
            .iter()
            .find_map(|plane| plane.redis.refuses(selector))
    }

    fn forward(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
    ) -> Result<(), (ForwardError, Option<Acknowledge>)> {
        let (server, event) = {
            let book = self.0.book.read();
            let (server, event) = match book.topics.get(&event.topic) {
                None => (0, event),
                Some(moved) => {
                    let side = moved.sends(&event.content.payload, Instant::now());
                    let (server, topic) = moved.ends[side.index()].clone();
                    let content = event.content;
                    (server, Publication { topic, content })
                }
            };
            (StdArc::clone(&book.servers[server]), event)
        };
        server.redis.forward(event, acknowledge)
    }

    fn health(&self) -> Health {
        let planes = self.0.planes();
        let mut healths = planes.iter().map(|plane| plane.redis.health());
        let mut all = healths.next().unwrap_or_default();
        for health in healths {
            all.condition = all.condition.max(health.condition);
            for reason in health.reasons {
                if !all.reasons.contains(&reason) {
                    all.reasons.push(reason);
                }
            }
            add(&mut all.counts, &health.counts);
            if health.lag.p99 > all.lag.p99 {
                all.lag = health.lag;
            }
            all.queued_bytes += health.queued_bytes;
            all.joining += health.joining;
            all.nodes.extend(health.nodes);
            all.revision += health.revision;
        }
        all
    }

    fn when_health_changes(&self, seen: u64, told: Box<dyn FnOnce() + Send>) {
        let planes = self.0.planes();
        let revisions: Vec<u64> = planes
            .iter()
            .map(|plane| plane.redis.health().revision)
            .collect();
        if revisions.iter().sum::<u64>() != seen {
            return told();
        }
        // A server that has no more to tell does not end what the others have.
        let told = StdArc::new(Mutex::new((planes.len(), Some(told))));
        for (plane, revision) in planes.iter().zip(revisions) {
            let told = StdArc::clone(&told);
            let weak = StdArc::downgrade(plane);
            let once = move || {
                let changed = weak
                    .upgrade()
                    .is_some_and(|plane| plane.redis.health().revision != revision);
                let told = {
                    let mut told = told.lock();
                    told.0 -= 1;
                    if changed || told.0 == 0 {
                        told.1.take()
                    } else {
                        None
                    }
                };
                if let Some(told) = told {
                    told();
                }
            };
            plane.redis.when_health_changes(revision, Box::new(once));
        }
    }

    fn prometheus(&self) -> String {
        let mut text = self
            .0
            .first()
            .map_or(String::new(), |plane| plane.redis.prometheus());
        text.push_str(&super::metrics::text(&self.0.all_moved()));
        text
    }

    fn when_joined(&self, told: Box<dyn FnOnce(Vec<Name>) + Send>) {
        let planes = self.0.planes();
        let told = StdArc::new(Mutex::new((planes.len(), Vec::new(), Some(told))));
        for plane in planes {
            let told = StdArc::clone(&told);
            let one = move |refused| {
                let last = {
                    let mut told = told.lock();
                    told.0 -= 1;
                    told.1.extend(refused);
                    match told.0 {
                        0 => told.2.take().zip(Some(std::mem::take(&mut told.1))),
                        _ => None,
                    }
                };
                if let Some((last, refused)) = last {
                    last(refused);
                }
            };
            plane.redis.when_joined(Box::new(one));
        }
    }

    fn close(&self) {
        self.0.heartbeat.end();
        for moved in self.0.all_moved() {
            let mut last = moved.announcement(self.0.hub, [false; 2], false);
            last.gone = true;
            self.0.say(&moved, &last);
        }
        for plane in self.0.planes() {
            plane.redis.close();
        }
    }
}

fn add(all: &mut Counts, one: &Counts) {
    all.arrived += one.arrived;
    all.sent += one.sent;
    all.failed += one.failed;
    all.voided += one.voided;
    all.gaps += one.gaps;
    all.lost += one.lost;
    all.repaired += one.repaired;
    all.duplicates += one.duplicates;
    all.attempts += one.attempts;
    all.connections += one.connections;
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving")
            .field("servers", &self.0.book.read().servers.len())
            .field("topics", &self.0.book.read().topics.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hub;

    /// Two threads took a pattern's end and its new beginning, and the first was slow.
    #[test]
    fn a_change_that_is_told_late_does_not_undo_a_later_one() {
        let redis = Redis::at("redis://127.0.0.1:1").unwrap().build().unwrap();
        let moving = Moving::on(redis);
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let pattern = Pattern::new("a.*").unwrap();
        let change = |wanted| Change {
            name: Name::Pattern(pattern.clone()),
            wanted,
        };
        let noted = || moving.0.patterns.lock().contains(&pattern);
        let selector = Selector::pattern("a.*").unwrap();
        let subscription = hub.subscribe(selector).unwrap();
        assert!(noted());
        moving.0.hub_changed(change(false));
        assert!(noted());
        drop(subscription);
        moving.0.hub_changed(change(true));
        assert!(!noted());
    }
}
