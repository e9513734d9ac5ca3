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
    waiters::{Asked, Told, Waiters},
};
use crate::{
    backplane::{
        Acknowledge, Backplane, Change, Counts, ForwardError, Health, Inlet, Interest, Name,
        Origin, Upstream,
    },
    event::{Content, Publication},
    pattern::Pattern,
    redis::{Redis, outbox::is_ours, plane::ToldJoined},
    selector::Selector,
    sync::{Mutex, RwLock, StdArc},
    topic::Topic,
    wake::contained,
};

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
    interest: Interest,
    asked: Mutex<Asked>,
}

impl Plane {
    fn of(redis: Redis) -> StdArc<Self> {
        StdArc::new(Plane {
            redis,
            interest: Interest::default(),
            asked: Mutex::default(),
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

    /// The condition is that of the server that is worst off; once there are several, each
    /// reason names its server, and the topics that are served by it.
    fn health(&self) -> Health {
        let planes = self.0.planes();
        let healths: Vec<_> = if planes.len() == 1 {
            planes.iter().map(|plane| plane.redis.health()).collect()
        } else {
            let served = self.0.served(&planes);
            let named = planes.iter().zip(served).map(|(plane, served)| {
                let mut health = plane.redis.health();
                for reason in &mut health.reasons {
                    reason.text = format!("{served}: {}", reason.text);
                }
                health
            });
            named.collect()
        };
        let revision = whole(healths.iter().map(|health| health.revision));
        let mut healths = healths.into_iter();
        let mut all = healths.next().unwrap_or_default();
        all.revision = revision;
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
        }
        all
    }

    fn when_health_changes(&self, seen: u64, told: Told) {
        self.0.waiters.add(seen, told);
        self.0.watch();
        self.0.tell_changed();
    }

    fn prometheus(&self) -> String {
        let mut text = self
            .0
            .first()
            .map_or(String::new(), |plane| plane.redis.prometheus());
        text.push_str(&super::metrics::text(&self.0.all_moved()));
        text
    }

    fn when_joined(&self, told: ToldJoined) {
        let planes = self.0.planes();
        let one = once_all(planes.len(), told);
        for plane in planes {
            plane.redis.when_joined(one());
        }
    }

    fn close(&self, told: Told) {
        self.0.heartbeat.end();
        for moved in self.0.all_moved() {
            let last = moved.roll.lock().farewell();
            self.0.say(&moved, &last);
        }
        let planes = {
            let mut book = self.0.book.write();
            book.closed = true;
            book.servers.clone()
        };
        let one = once_all(planes.len(), Box::new(|_| told()));
        for plane in planes {
            let one = one();
            plane.redis.close(Box::new(move || one(Vec::new())));
        }
    }
}

/// The revision of the whole: another server is a change as well.
fn whole(revisions: impl Iterator<Item = u64>) -> u64 {
    revisions.map(|revision| revision + 1).sum::<u64>()
}

/// Makes what is to be called so many times, for `told` to be called by the last, with the
/// names of all.
fn once_all(times: usize, told: ToldJoined) -> impl Fn() -> ToldJoined {
    let left = StdArc::new(Mutex::new((times, Vec::new(), Some(told))));
    move || {
        let left = StdArc::clone(&left);
        Box::new(move |names| {
            let last = {
                let mut left = left.lock();
                left.0 -= 1;
                left.1.extend(names);
                match left.0 {
                    0 => left.2.take().zip(Some(std::mem::take(&mut left.1))),
                    _ => None,
                }
            };
            if let Some((last, names)) = last {
                last(names);
            }
        })
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
    use std::{thread, time::Duration};

    use super::*;
    use crate::{
        Hub,
        backplane::{Condition, ForwardErrorKind, Reason},
        redis::{Mode, RedisBuilder},
        sync::{AtomicBool, Ordering},
    };

    /// Two threads took a pattern's end and its new beginning, and the first was slow.
    #[test]
    fn a_change_that_is_told_late_does_not_undo_a_later_one() {
        let moving = Moving::on(server());
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

    #[test]
    fn a_hub_that_is_closed_enters_no_stage_and_does_not_try_until_the_deadline() {
        let moving = Moving::on(server());
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let course = Course::of("a").unwrap().onto(server());
        let migration = moving.begin(course, Stage::Old).unwrap();
        let deadline = Instant::now() + Duration::from_secs(600);
        thread::scope(|scope| {
            let entering = scope.spawn(|| migration.enter(Stage::DualRead, deadline));
            while migration.stage() == Stage::Old {
                thread::yield_now();
            }
            hub.close();
            assert_eq!(entering.join().unwrap(), Err(MigrationError::Closed));
        });
        assert_eq!(migration.stage(), Stage::Old);
        let after = migration.enter(Stage::DualRead, deadline);
        assert_eq!(after, Err(MigrationError::Closed));
    }

    /// A server that nobody connects to.
    fn server() -> Redis {
        Redis::at("redis://127.0.0.1:1").unwrap().build().unwrap()
    }

    fn post(moving: &Moving, server: Server, condition: Condition) {
        let health = Health {
            condition,
            ..Health::default()
        };
        let plane = moving.0.plane(server).unwrap();
        plane.redis.board().post(health);
    }

    /// One that is called, and whether it was.
    fn waits(moving: &Moving) -> StdArc<AtomicBool> {
        let called = StdArc::new(AtomicBool::new(false));
        let told = StdArc::clone(&called);
        let seen = moving.health().revision;
        moving.when_health_changes(seen, Box::new(move || told.store(true, Ordering::SeqCst)));
        called
    }

    #[test]
    fn a_server_that_flaps_leaves_nothing_behind_at_one_that_is_steady() {
        let moving = Moving::on(server());
        let course = Course::of("a").unwrap().onto(server());
        moving.begin(course, Stage::Old).unwrap();
        for round in 0..100 {
            let condition = [Condition::Ok, Condition::Away][round % 2];
            let called = waits(&moving);
            post(&moving, 0, condition);
            assert!(called.load(Ordering::SeqCst));
        }
        let steady = moving.0.plane(1).unwrap();
        assert!(steady.redis.board().waiting() <= 1);
        let called = waits(&moving);
        post(&moving, 1, Condition::Degraded);
        assert!(called.load(Ordering::SeqCst));
    }

    #[test]
    fn a_server_that_comes_is_a_change_and_is_waited_for_and_the_last_that_ends_is_the_end() {
        let moving = Moving::on(server());
        let called = waits(&moving);
        let course = Course::of("a").unwrap().onto(server());
        moving.begin(course, Stage::Old).unwrap();
        assert!(called.load(Ordering::SeqCst));
        let called = waits(&moving);
        post(&moving, 1, Condition::Degraded);
        assert!(called.load(Ordering::SeqCst));
        let called = waits(&moving);
        moving.0.plane(0).unwrap().redis.board().end();
        assert!(!called.load(Ordering::SeqCst));
        moving.0.plane(1).unwrap().redis.board().end();
        assert!(called.load(Ordering::SeqCst));
        assert!(waits(&moving).load(Ordering::SeqCst));
    }

    #[test]
    fn a_course_whose_ends_promise_different_things_is_refused_with_both_of_them() {
        let at = || Redis::at("redis://127.0.0.1:1").unwrap();
        let replays = |pattern: &str| at().mode(pattern, Mode::Replay).unwrap();
        let begin = |redis: RedisBuilder, course: Course| {
            let moving = Moving::on(redis.build().unwrap());
            let _hub = Hub::builder().backplane(moving.clone()).build().unwrap();
            let begun = moving.begin(course, Stage::Old).map(drop);
            assert_eq!(moving.0.all_moved().len(), usize::from(begun.is_ok()));
            begun
        };
        let of = |topic: &str| Course::of(topic).unwrap();
        let differ = |topic: &str, old, name: &str, new| {
            Err(MigrationError::Modes {
                topic: topic.into(),
                old,
                name: name.into(),
                new,
            })
        };
        // To a name that no rule matches, there and back, and to one that another matches.
        let renamed =
            |topic: &str, name: &str| begin(replays("doc.*"), of(topic).to(name).unwrap());
        assert_eq!(
            renamed("doc.1", "other.1"),
            differ("doc.1", "replay", "other.1", "live")
        );
        assert_eq!(
            renamed("other.1", "doc.1"),
            differ("other.1", "live", "doc.1", "replay")
        );
        assert_eq!(renamed("doc.1", "doc.2"), Ok(()));
        let durable = replays("doc.*").mode("kept.*", Mode::Durable).unwrap();
        let kept = begin(durable, of("doc.1").to("kept.1").unwrap());
        assert_eq!(kept, differ("doc.1", "replay", "kept.1", "durable"));
        // To a server with no such rules, to one with the rule for another name, and to one
        // with the right one.
        let onto = |to: RedisBuilder| {
            let course = of("doc.1").to("other.1").unwrap();
            begin(replays("doc.*"), course.onto(to.build().unwrap()))
        };
        let live = differ("doc.1", "replay", "other.1", "live");
        assert_eq!(onto(at()), live);
        assert_eq!(onto(replays("doc.*")), live);
        assert_eq!(onto(replays("other.*")), Ok(()));
        // Readers of plain events cannot read envelopes.
        let enveloped = begin(
            at(),
            of("a").onto(at().envelope("a").unwrap().build().unwrap()),
        );
        let differ = differ("a", "live", "a", "live in an envelope");
        assert_eq!(enveloped, differ);
        let text = differ.unwrap_err().to_string();
        assert!(text.contains("rules for that name"), "{text}");
    }

    #[test]
    fn the_stage_where_it_is_is_entered_again_at_once_and_changes_nothing() {
        let moving = Moving::on(server());
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        // Nobody answers: what had to ask anybody would fail.
        let course = Course::of("a").unwrap().onto(server());
        let migration = moving.begin(course, Stage::NewWrite).unwrap();
        let now = Instant::now();
        assert_eq!(migration.check(Stage::NewWrite, now), Ok(()));
        assert_eq!(migration.enter(Stage::NewWrite, now), Ok(()));
        assert_eq!(migration.force(Stage::NewWrite, now), Ok(()));
        assert_eq!(migration.stage(), Stage::NewWrite);
        hub.close();
        let after = migration.enter(Stage::NewWrite, now);
        assert_eq!(after, Err(MigrationError::Closed));
    }

    #[test]
    fn where_hubs_tell_their_stages_users_neither_publish_nor_listen() {
        let moving = Moving::on(server());
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        let course = Course::of("a").unwrap().onto(server());
        moving.begin(course, Stage::Old).unwrap();
        for own in ["distributary:migration:a", "distributary:migration:b"] {
            let refused = moving.refuses(&Selector::topic(own).unwrap());
            assert!(refused.is_some_and(|why| why.contains(own)), "{own}");
            assert!(hub.subscribe(Selector::topic(own).unwrap()).is_err());
            let event = Publication::new(Topic::new(own).unwrap(), "new 1");
            let (error, _) = moving.forward(event, None).unwrap_err();
            assert_eq!(error.kind(), ForwardErrorKind::Unsupported);
        }
    }

    #[test]
    fn one_of_two_servers_that_is_away_is_named_with_what_goes_by_it() {
        let at = |port: u16| {
            let url = format!("redis://127.0.0.1:{port}");
            Redis::at(url).unwrap().build().unwrap()
        };
        let moving = Moving::on(at(1));
        let texts = || {
            let reasons = moving.health().reasons;
            reasons.into_iter().map(|reason| reason.text).collect()
        };
        let away = |server: Server| {
            let reason = Reason {
                code: "disconnected",
                condition: Condition::Away,
                text: "refused".into(),
            };
            let health = Health {
                condition: Condition::Away,
                reasons: vec![reason],
                ..Health::default()
            };
            moving.0.plane(server).unwrap().redis.board().post(health);
        };
        away(0);
        let all: Vec<String> = texts();
        assert_eq!(all, ["refused"]);
        for topic in ["b", "a"] {
            let course = Course::of(topic).unwrap().onto(at(2));
            moving.begin(course, Stage::New).unwrap();
        }
        let course = Course::of("c").unwrap().onto(at(3));
        let migration = moving.begin(course, Stage::Old).unwrap();
        for server in 0..4 {
            away(server);
        }
        let all: Vec<String> = texts();
        let expected = [
            r#"127.0.0.1:1 ("c", all that is not moved): refused"#,
            r#"127.0.0.1:2 ("a", "b"): refused"#,
            "127.0.0.1:3 (no topic at this stage): refused",
        ];
        assert_eq!(all, expected);
        assert_eq!(moving.health().condition, Condition::Away);
        // Nor can its side be reached.
        let entered = migration.enter(Stage::DualRead, Instant::now());
        let not_reached = MigrationError::NotReached {
            server: "127.0.0.1:3".into(),
        };
        assert_eq!(entered, Err(not_reached));
    }

    #[test]
    fn nothing_begins_on_a_hub_that_was_closed() {
        let moving = Moving::on(server());
        let hub = Hub::builder().backplane(moving.clone()).build().unwrap();
        assert!(hub.close().wait(Instant::now() + Duration::from_secs(10)));
        let course = Course::of("a").unwrap().onto(server());
        let begun = moving.begin(course, Stage::Old);
        assert_eq!(begun.unwrap_err(), MigrationError::Closed);
        assert_eq!(moving.0.planes().len(), 1);
    }
}
