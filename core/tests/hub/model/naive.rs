//! What a hub should do, said as plainly as it can be said: a list of events, and for
//! every reader a list of those that it should get. No sharing, no cursors into
//! anything shared, no index; every question is a walk over a list.

use std::collections::{BTreeSet, VecDeque};

use distributary::{Overflow, Position, SelectorError};

use super::Change;

pub(super) const TOPICS: [&str; 6] = ["a", "b", "news.1", "news.2", "h.1", "h.2"];

/// Patterns, and which of [`TOPICS`] they match.
pub(super) const PATTERNS: [(&str, [bool; 6]); 5] = [
    ("*", [true; 6]),
    ("news.*", [false, false, true, true, false, false]),
    ("h.?", [false, false, false, false, true, true]),
    ("[ab]", [true, true, false, false, false, false]),
    ("*.[^2]", [false, false, true, false, true, false]),
];

/// Topics that keep history, by this pattern and this many events.
pub(super) const HISTORY: &str = "h.*";
pub(super) const KEPT: usize = 4;

pub(super) fn keeps_history(topic: usize) -> bool {
    topic >= 4
}

/// Filters as text; the first admits everything.
pub(super) const FILTERS: [&str; 5] = [
    "{}",
    r#"{"id": [1]}"#,
    r#"{"id": [{"numeric": [">", 2]}]}"#,
    r#"{"kind": ["x"], "id": [1, 2]}"#,
    r#"{"tag": [{"exists": false}]}"#,
];

/// How the fields of an event are shown to filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Attributes,
    Broken,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Fields {
    pub(super) id: i64,
    pub(super) x: bool,
    pub(super) tagged: bool,
    pub(super) form: Form,
}

fn admits(filter: usize, fields: &Fields) -> bool {
    let readable = fields.form != Form::Broken;
    match filter {
        0 => true,
        1 => readable && fields.id == 1,
        2 => readable && fields.id > 2,
        3 => readable && fields.x && (fields.id == 1 || fields.id == 2),
        _ => readable && !fields.tagged,
    }
}

/// A published event; its number is its place in [`World::events`].
#[derive(Debug)]
pub(super) struct Published {
    pub(super) topic: usize,
    pub(super) fields: Fields,
    pub(super) key: Option<u8>,
    pub(super) weight: usize,
    pub(super) position: Option<Position>,
}

#[derive(Default)]
pub(super) struct World {
    pub(super) events: Vec<Published>,
}

impl World {
    /// The numbers of all events of a topic that have a position, oldest first.
    pub(super) fn of_topic(&self, topic: usize) -> Vec<usize> {
        (0..self.events.len())
            .filter(|n| self.events[*n].topic == topic && self.events[*n].position.is_some())
            .collect()
    }

    /// Whether history still has an event.
    pub(super) fn kept(&self, number: usize) -> bool {
        let all = self.of_topic(self.events[number].topic);
        all.iter().rev().take(KEPT).any(|n| *n == number)
    }
}

/// What became of an event that a reader should get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Waiting,
    /// Gave way, to be told as missed.
    Lost,
    /// A newer one with its key has taken its place.
    Replaced,
}

/// The event number of something that is only counted any more.
const FORGOTTEN: usize = usize::MAX;

/// What a reader finds next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Event(usize),
    Missed(u64),
    Nothing,
}

/// Those who are equal in this share a feed.
pub(super) type FeedKey = (
    BTreeSet<usize>,
    BTreeSet<usize>,
    usize,
    u8,
    (usize, usize),
    Option<usize>,
);

#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) topics: BTreeSet<usize>,
    pub(super) patterns: BTreeSet<usize>,
    pub(super) filter: usize,
    pub(super) overflow: Overflow,
    pub(super) events: usize,
    pub(super) bytes: usize,
    /// A name of its own, for a reader that shares its feed with nobody.
    pub(super) alone: Option<usize>,
    /// From history, to be read first.
    pub(super) backlog: VecDeque<usize>,
    /// All that it should have got, in order.
    pub(super) queue: Vec<(usize, Fate)>,
    /// How much of the queue it has been given or told about.
    pub(super) read: usize,
}

impl Reader {
    pub(super) fn feed(&self) -> FeedKey {
        let overflow = self.overflow as u8;
        let (topics, patterns) = (self.topics.clone(), self.patterns.clone());
        let budget = (self.events, self.bytes);
        (topics, patterns, self.filter, overflow, budget, self.alone)
    }

    pub(super) fn covers(&self, topic: usize) -> bool {
        self.topics.contains(&topic) || self.patterns.iter().any(|p| PATTERNS[*p].1[topic])
    }

    pub(super) fn wants(&self, event: &Published) -> bool {
        self.covers(event.topic) && admits(self.filter, &event.fields)
    }

    /// Takes an event in by the rules of overflow.
    pub(super) fn offer(&mut self, world: &World, number: usize) {
        let event = &world.events[number];
        let newest = self.overflow == Overflow::DropNewest;
        if newest && (self.waiting() > 0 || event.weight > self.bytes) {
            let full = self.waiting() >= self.events
                || self.waiting_bytes(world) + event.weight > self.bytes;
            if full {
                self.queue.push((number, Fate::Lost));
                return;
            }
        }
        let fits = event.weight <= self.bytes;
        if self.overflow == Overflow::KeepLatest && event.key.is_some() && fits {
            for (older, fate) in &mut self.queue[self.read..] {
                let same = *older != FORGOTTEN && world.events[*older].key == event.key;
                if *fate == Fate::Waiting && same {
                    *fate = Fate::Replaced;
                }
            }
        }
        self.queue.push((number, Fate::Waiting));
        while self.waiting() > self.events || self.waiting_bytes(world) > self.bytes {
            let first = self.queue[self.read..]
                .iter_mut()
                .find(|(_, fate)| *fate == Fate::Waiting);
            first.expect("something waits, for it is too much").1 = Fate::Lost;
        }
    }

    /// The numbers of the events that wait.
    pub(super) fn waits_for(&self) -> impl Iterator<Item = usize> + '_ {
        let unread = self.queue[self.read..].iter();
        unread
            .filter(|(_, fate)| *fate == Fate::Waiting)
            .map(|(number, _)| *number)
    }

    fn waiting(&self) -> usize {
        self.waits_for().count()
    }

    fn waiting_bytes(&self, world: &World) -> usize {
        self.waits_for().map(|n| world.events[n].weight).sum()
    }

    /// How many from where it stands are missed before the next that waits: up to the
    /// last one that was lost.
    pub(super) fn missed(&self) -> u64 {
        let unread = self.queue[self.read..].iter();
        let until_waiting = unread.take_while(|(_, fate)| *fate != Fate::Waiting);
        let last = until_waiting
            .enumerate()
            .filter(|(_, (_, fate))| *fate == Fate::Lost)
            .last();
        last.map_or(0, |(at, _)| at as u64 + 1)
    }

    /// What comes next, without taking it.
    pub(super) fn peek(&self, world: &World) -> Next {
        self.clone().next(world)
    }

    /// What comes next.
    pub(super) fn next(&mut self, world: &World) -> Next {
        let mut gone = 0;
        while self.backlog.front().is_some_and(|n| !world.kept(*n)) {
            self.backlog.pop_front();
            gone += 1;
        }
        if gone > 0 {
            return Next::Missed(gone);
        }
        if let Some(number) = self.backlog.pop_front() {
            return Next::Event(number);
        }
        let missed = self.missed();
        if missed > 0 {
            self.read += missed as usize;
            return Next::Missed(missed);
        }
        while let Some((number, fate)) = self.queue.get(self.read) {
            self.read += 1;
            if *fate == Fate::Waiting {
                return Next::Event(*number);
            }
        }
        Next::Nothing
    }

    /// Steps over what has been replaced and not lost, up to the event of this number: it
    /// may be among them and come all the same.
    pub(super) fn pass_replaced(&mut self, number: usize) {
        let unread = self.queue[self.read..].iter();
        let replaced = unread.take_while(|(n, f)| *f == Fate::Replaced && *n != number);
        if self.backlog.is_empty() && self.missed() == 0 {
            self.read += replaced.count();
        }
    }

    /// Takes an event that may have been pushed out a moment ago.
    pub(super) fn skip_to(&mut self, number: usize) {
        let unread = &self.queue[self.read..];
        let at = unread.iter().position(|(n, _)| *n == number);
        let at = at.expect("an event that it should get, and once");
        let replaced = |(_, fate): &(usize, Fate)| *fate == Fate::Replaced;
        assert!(unread[..at].iter().all(replaced), "passed over an event");
        self.read += at + 1;
    }

    /// How many events a batch may hold: those that follow each other.
    pub(super) fn run(&self, world: &World) -> usize {
        if !self.backlog.is_empty() {
            return self.backlog.iter().take_while(|n| world.kept(**n)).count();
        }
        let unread = self.queue[self.read..].iter();
        unread
            .skip_while(|(_, fate)| *fate != Fate::Waiting)
            .take_while(|(_, fate)| *fate == Fate::Waiting)
            .count()
    }

    /// Everything that is left, told or untold.
    pub(super) fn lag(&self) -> u64 {
        (self.backlog.len() + self.queue.len() - self.read) as u64
    }

    /// What comes of a change of names; on an error and on `false` nothing has changed.
    pub(super) fn rename(
        &mut self,
        world: &World,
        change: Change,
        alone: usize,
    ) -> Result<bool, SelectorError> {
        let (names, name, adds) = match change {
            Change::AddTopic(topic) => (&mut self.topics, topic, true),
            Change::RemoveTopic(topic) => (&mut self.topics, topic, false),
            Change::AddPattern(pattern) => (&mut self.patterns, pattern, true),
            Change::RemovePattern(pattern) => (&mut self.patterns, pattern, false),
        };
        let changed = match adds {
            true => names.insert(name),
            false => names.remove(&name),
        };
        if !changed {
            return Ok(false);
        }
        if self.topics.is_empty() && self.patterns.is_empty() {
            match change {
                Change::RemoveTopic(topic) => self.topics.insert(topic),
                _ => self.patterns.insert(name),
            };
            return Err(SelectorError::Empty);
        }
        if !adds || self.alone.is_none() {
            self.settle(world, alone);
        }
        Ok(true)
    }

    /// Its names have changed: what waits and is still asked for goes into a feed of
    /// its own, after one count of what was missed.
    fn settle(&mut self, world: &World, alone: usize) {
        let lost = |fate: &Fate| *fate == Fate::Lost;
        let unread = &self.queue[self.read..];
        let missed = match self.overflow {
            Overflow::KeepLatest => unread
                .iter()
                .rposition(|(_, f)| lost(f))
                .map_or(0, |at| at + 1),
            _ => unread.iter().filter(|(_, fate)| lost(fate)).count(),
        };
        let waits: Vec<usize> = self.waits_for().collect();
        let waits = waits
            .into_iter()
            .filter(|n| self.covers(world.events[*n].topic))
            .map(|n| (n, Fate::Waiting));
        let queue = std::iter::repeat_n((FORGOTTEN, Fate::Lost), missed).chain(waits);
        self.queue = queue.collect();
        self.read = 0;
        let backlog = std::mem::take(&mut self.backlog);
        let asked = |n: &usize| self.covers(world.events[*n].topic);
        self.backlog = backlog.into_iter().filter(asked).collect();
        self.alone.get_or_insert(alone);
    }
}
