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
    collections::{BTreeMap, BTreeSet, HashSet},
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
    roll::{Announcement, Call},
    stage::{Side, Stage},
    waiters::{Asked, Waiters},
};
use crate::{
    backplane::{Backplane, Change, Inlet, Name, Notes, Origin, Together, Upstream},
    event::{Content, Publication},
    pattern::Pattern,
    redis::{Redis, outbox::is_ours},
    sync::{Mutex, RwLock, StdArc},
    topic::Topic,
    wake::contained,
};

mod face;
#[cfg(test)]
mod tests;

/// So many topics are named when it is told what goes by a server.
const MOST_NAMED: usize = 8;

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
    waiters: Waiters,
}

/// What is moved.
#[derive(Default)]
struct Book {
    servers: Vec<StdArc<Plane>>,
    topics: AHashMap<Topic, StdArc<Moved>>,
    /// What names mean at each server.
    ends: Vec<AHashMap<Topic, End>>,
    channels: AHashMap<Topic, StdArc<Moved>>,
    closed: bool,
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
    interest: Notes<Name>,
    asked: Mutex<Asked>,
}

impl Plane {
    fn of(redis: Redis) -> StdArc<Self> {
        StdArc::new(Plane {
            redis,
            interest: Notes::new(),
            asked: Mutex::default(),
        })
    }
}

impl Moving {
    /// Everything goes by this server until it is moved.
    pub fn on(redis: Redis) -> Self {
        // By the same number its events know it, where they have envelopes.
        let hub = redis.publisher();
        let book = Book {
            servers: vec![Plane::of(redis)],
            ends: vec![AHashMap::new()],
            ..Book::default()
        };
        Moving(StdArc::new(Shared {
            hub,
            hub_inlet: OnceLock::new(),
            book: RwLock::new(book),
            patterns: Mutex::default(),
            heartbeat: Heartbeat::default(),
            waiters: Waiters::default(),
        }))
    }

    /// Takes part in the migration of a topic, at this stage: the one that all hubs have
    /// reached, or the one before. It is taken as it is said; from then on stages are
    /// entered by [`Migration::enter`].
    ///
    /// # Errors
    /// When the course cannot be, one of its names is taken, or events would be promised
    /// something else on the new side: there the rules of its server decide, by the name that
    /// the topic has there.
    pub fn begin(&self, course: Course, stage: Stage) -> Result<Migration, MigrationError> {
        let shared = &self.0;
        if course.onto.is_none() && course.name == course.topic {
            return Err(MigrationError::Nowhere);
        }
        if let Some(first) = shared.first() {
            let [old, new] = [
                first.redis.way(&course.topic),
                course
                    .onto
                    .as_ref()
                    .unwrap_or(&first.redis)
                    .way(&course.name),
            ];
            // Whoever was promised a log has it on both sides, and readers of one side can
            // read the other.
            if old != new {
                return Err(MigrationError::Modes {
                    topic: course.topic.to_string(),
                    old: old.as_str(),
                    name: course.name.to_string(),
                    new: new.as_str(),
                });
            }
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
            if book.closed {
                return Err(MigrationError::Closed);
            }
            let server = onto.as_ref().map_or(0, |_| book.servers.len());
            let moved = StdArc::new(Moved::new(&course, server, shared.hub, stage));
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
        shared.watch();
        shared.tell_changed();
        shared.note(0, Name::Topic(moved.channel.clone()));
        shared.wants_changed(&moved);
        shared.announce(&moved);
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

    /// In words: where each server is, and what goes by it now. Topics may have moved onto
    /// one server each by themselves: then all of them are named.
    fn served(&self, planes: &[StdArc<Plane>]) -> Vec<String> {
        let mut topics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for moved in self.all_moved() {
            let stage = moved.stage();
            for side in Side::BOTH.into_iter().filter(|side| stage.reads(*side)) {
                // One that came since is not asked for.
                if let Some(plane) = planes.get(moved.ends[side.index()].0) {
                    let at = topics.entry(plane.redis.address()).or_default();
                    at.insert(format!("{:?}", moved.topic.as_str()));
                }
            }
        }
        let first = planes.first().map(|plane| plane.redis.address());
        let words = |plane: &StdArc<Plane>| {
            let address = plane.redis.address();
            let mut all: Vec<_> = topics.get(&address).into_iter().flatten().collect();
            let more = all.len().saturating_sub(MOST_NAMED);
            all.truncate(MOST_NAMED);
            let mut words: Vec<_> = all.into_iter().cloned().collect();
            if more > 0 {
                words.push(format!("{more} more"));
            }
            if first.as_ref() == Some(&address) {
                words.push("all that is not moved".into());
            }
            match words.is_empty() {
                true => format!("{address} (no topic at this stage)"),
                false => format!("{address} ({})", words.join(", ")),
            }
        };
        planes.iter().map(words).collect()
    }

    /// The server by which hubs tell each other their stages.
    pub(super) fn first(&self) -> Option<StdArc<Plane>> {
        self.plane(0)
    }

    /// Whether the hub was closed. Clones of a [`Moving`] may outlive it.
    pub(super) fn is_closed(&self) -> bool {
        self.hub_inlet.get().is_some_and(Inlet::is_closed)
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
        if let Some(plane) = self.plane(server) {
            plane.interest.note(name);
            if plane.interest.is_to_be_told() {
                plane.redis.interest_changed();
            }
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

    /// On which sides a moved topic is listened to by its name.
    pub(super) fn hears_on(&self, moved: &Moved) -> [bool; 2] {
        Side::BOTH.map(|side| self.hears(moved, side))
    }

    /// Asks every server for its next change that is not asked for it already.
    fn watch(self: &StdArc<Self>) {
        for plane in self.planes() {
            {
                let mut asked = plane.asked.lock();
                if *asked != Asked::No {
                    continue;
                }
                *asked = Asked::Yes;
            }
            let seen = plane.redis.health().revision;
            let (shared, weak) = (StdArc::downgrade(self), StdArc::downgrade(&plane));
            let told = move || {
                if let (Some(shared), Some(plane)) = (shared.upgrade(), weak.upgrade()) {
                    shared.told_by(&plane, seen);
                }
            };
            plane.redis.when_health_changes(seen, Box::new(told));
        }
    }

    /// A server has told that its health is not of this revision any more, or never will be
    /// of another.
    fn told_by(self: &StdArc<Self>, plane: &Plane, seen: u64) {
        let is_over = plane.redis.health().revision == seen;
        *plane.asked.lock() = if is_over { Asked::Over } else { Asked::No };
        self.tell_changed();
        if !self.waiters.is_empty() {
            self.watch();
        }
    }

    /// Calls those who have not seen how it is now.
    fn tell_changed(&self) {
        let planes = self.planes();
        let last = planes
            .iter()
            .all(|plane| *plane.asked.lock() == Asked::Over);
        let revisions = planes.iter().map(|plane| plane.redis.health().revision);
        let revision = whole(revisions);
        for told in self.waiters.take(revision, last) {
            contained(told);
        }
    }

    /// Tells the other hubs how far this one is.
    pub(super) fn announce(&self, moved: &Moved) {
        let hears = self.hears_on(moved);
        let said = moved.roll.lock().say(hears);
        self.say(moved, &said);
    }

    /// Tells them, and asks them to do the same.
    pub(super) fn call(&self, moved: &Moved) -> Call {
        let hears = self.hears_on(moved);
        let (said, call) = moved.roll.lock().call(hears);
        self.say(moved, &said);
        call
    }

    fn say(&self, moved: &Moved, announcement: &Announcement) {
        if let Some(first) = self.first() {
            // If it does not go out, this hub counts as silent, which is what it is.
            let channel = moved.channel.clone();
            first.redis.announce(channel, announcement.text());
        }
    }

    fn heard(&self, moved: &Moved, announcement: Announcement) {
        let asked = moved.roll.lock().heard(announcement, Instant::now());
        if let Some(call) = asked {
            let hears = self.hears_on(moved);
            let answer = moved.roll.lock().answer(hears, call);
            self.say(moved, &answer);
        }
    }

    fn deliver(
        &self,
        server: Server,
        topic: &str,
        content: Content,
        origin: Option<Origin>,
        together: &mut Together,
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
            None => hub.deliver_together(Publication { topic, content }, together),
            Some((moved, side)) => {
                let now = Instant::now();
                let first = match origin {
                    // What this hub published by the other side was delivered then.
                    Some(origin) if self.published(&moved, side.other(), origin) => {
                        moved.counters.read(side, false, Some(origin), now);
                        false
                    }
                    Some(origin) => moved.numbered(side, origin, now),
                    None => moved.arrived(side, &content.payload, now),
                };
                if !first {
                    return 0;
                }
                let event = Publication {
                    topic: &moved.topic,
                    content,
                };
                hub.deliver_together(event, together)
            }
        }
    }

    /// Whether this hub published an event, by the server of a side.
    fn published(&self, moved: &Moved, side: Side, origin: Origin) -> bool {
        self.server(moved, side)
            .is_some_and(|plane| is_ours(plane.redis.publisher(), origin.publisher))
    }

    /// Whether everything comes that others publish on a topic, by whichever side.
    fn hears_all_of(&self, topic: &Topic) -> bool {
        let moved = self.book.read().topics.get(topic).cloned();
        let Some(moved) = moved else {
            return self.first().is_some_and(|plane| plane.redis.hears(topic));
        };
        let stage = moved.stage();
        let mut read = Side::BOTH.into_iter().filter(|side| stage.reads(*side));
        read.all(|side| self.brings(&moved, side))
    }

    /// Whether a side of a moved topic is heard.
    fn brings(&self, moved: &Moved, side: Side) -> bool {
        let server = self.server(moved, side);
        server.is_some_and(|plane| plane.redis.hears(&moved.ends[side.index()].1))
    }

    /// The topics, by their names at a server, whose history is less whole where that
    /// server's name is not heard: neither a side that is not read, nor one beside another
    /// that is heard, for publishers go over to it only once all hear it.
    fn kept(&self, server: Server, name: &Name) -> Vec<Topic> {
        let Some(hub) = self.hub_inlet.get() else {
            return Vec::new();
        };
        let Name::Topic(topic) = name else {
            return hub.kept(name);
        };
        let end = self.book.read().end(server, topic.as_str());
        let Some((moved, side)) = end else {
            return hub.kept(name);
        };
        let stage = moved.stage();
        let other = side.other();
        let is_covered = stage.reads(other) && self.brings(&moved, other);
        if !stage.reads(side) || is_covered {
            return Vec::new();
        }
        match hub.kept(&Name::Topic(moved.topic.clone())).is_empty() {
            true => Vec::new(),
            false => vec![topic.clone()],
        }
    }

    fn unheard(&self, server: Server, topic: &Topic) {
        let end = self.book.read().end(server, topic.as_str());
        if let Some(hub) = self.hub_inlet.get() {
            hub.unheard(end.as_ref().map_or(topic, |(moved, _)| &moved.topic));
        }
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

    fn deliver(
        &self,
        topic: &str,
        content: Content,
        origin: Option<Origin>,
        together: &mut Together,
    ) -> u64 {
        let shared = self.shared.upgrade();
        shared.map_or(0, |shared| {
            shared.deliver(self.server, topic, content, origin, together)
        })
    }

    fn lost(&self, topic: &Topic, missed: Option<u64>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lost(self.server, topic, missed);
        }
    }

    fn keeps_history(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| {
            let hub = shared.hub_inlet.get();
            hub.is_some_and(Inlet::keeps_history)
        })
    }

    fn kept(&self, name: &Name) -> Vec<Topic> {
        let shared = self.shared.upgrade();
        shared.map_or_else(Vec::new, |shared| shared.kept(self.server, name))
    }

    fn unheard(&self, topic: &Topic) {
        if let Some(shared) = self.shared.upgrade() {
            shared.unheard(self.server, topic);
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

/// The revision of the whole: another server is a change as well.
fn whole(revisions: impl Iterator<Item = u64>) -> u64 {
    revisions.map(|revision| revision + 1).sum::<u64>()
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving")
            .field("servers", &self.0.book.read().servers.len())
            .field("topics", &self.0.book.read().topics.len())
            .finish()
    }
}
