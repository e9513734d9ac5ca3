//! The bounded log inside a feed: what is held, from where, and who still needs it.
//!
//! Pure state: no lock, no clock, no thread. Every event that the feed admits takes
//! the next sequence number, also one that is refused at once, so a reader's cursor
//! is one number and what it missed is a difference.
//!
//! # Invariants
//!
//! - `entries` is in rising order of `seq`, all below `end`.
//! - Each reader is counted once: in `readers` of the first entry at or after its
//!   cursor, or in `caught_up` when there is none.
//! - The front entry has a reader, or the log keeps history. So what everybody has
//!   read is let go at once, and the cost of that is paid once per entry.
//! - A hole between two entries is a refused or a pushed-out event, which counts as
//!   missed; in a conflating log it is a replaced one, which does not, unless it
//!   lies below `floor`.
//!
//! Events that leave go into [`Shed`], so that the caller drops them (and with them
//! perhaps a user's buffer) after its lock.

use std::collections::VecDeque;

use hashbrown::HashMap;
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::limits::{Limits, Overflow};
use crate::{event::Event, sync::Arc};

/// What left a log, and why it was lost if it was.
#[derive(Default)]
pub(crate) struct Shed {
    /// To be dropped outside the lock.
    pub(crate) events: SmallVec<[Event; 4]>,
    /// By how many bytes the log's own memory has grown.
    pub(crate) grown: i64,
    /// The latest publish time among those that every reader had read; 0 if none.
    pub(crate) drained: u64,
    pub(crate) losses: Losses,
}

/// Unread events that a log gave up, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Losses {
    /// Pushed out by newer ones.
    pub(crate) oldest: u64,
    /// Refused because the log was full.
    pub(crate) newest: u64,
    /// Too old.
    pub(crate) stale: u64,
    /// Replaced by a newer one with the same key.
    pub(crate) conflated: u64,
    /// Given up because the whole hub was over its budget.
    pub(crate) pressed: u64,
}

impl Losses {
    pub(crate) fn any(&self) -> bool {
        *self != Losses::default()
    }
}

#[derive(Clone, Copy)]
enum Loss {
    Oldest,
    Stale,
    Pressed,
}

struct Entry {
    event: Event,
    seq: u64,
    /// Readers whose next unread entry this is.
    readers: u32,
}

/// A run of events that readers share without touching their reference counts.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) first: u64,
    events: Events,
}

/// One event, the usual run, needs no allocation of its own.
#[derive(Clone)]
enum Events {
    One(Event),
    Several(Arc<[Event]>),
}

impl Run {
    pub(crate) fn new(first: u64, events: Vec<Event>) -> Self {
        let events = Events::Several(events.into());
        Run { first, events }
    }

    pub(crate) fn end(&self) -> u64 {
        self.first + self.events().len() as u64
    }

    pub(crate) fn events(&self) -> &[Event] {
        match &self.events {
            Events::One(event) => std::slice::from_ref(event),
            Events::Several(events) => events,
        }
    }
}

/// What a reader finds at its cursor.
pub(crate) enum Next {
    /// Nothing new.
    Nothing,
    /// So many are gone; the next one to read is `cursor`.
    Missed { missed: u64, cursor: u64 },
    /// An entry at this index.
    At(usize),
}

#[derive(Default)]
pub(crate) struct Log {
    end: u64,
    caught_up: u32,
    /// Keeps entries that nobody needs: the log of a topic's history.
    keeps: bool,
    /// So many have asked it to take everything, whatever its limits.
    grows: u16,
    /// Absent until the first event: an idle feed is small.
    held: Option<Box<Held>>,
}

#[derive(Default)]
struct Held {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Everything below was lost to the budget: where a conflating log counts from.
    floor: u64,
    /// The latest run handed out, kept while it is still wholly in the log.
    run: Option<Run>,
    /// Sequence number of the unread event of each key, in a conflating log.
    latest: Option<Box<Latest>>,
}

type Latest = HashMap<SmolStr, u64, ahash::RandomState>;

/// A log keeps room for this many entries when it runs empty.
const SMALL: usize = 4;

impl Log {
    /// A log whose first event takes the number `first`.
    pub(crate) fn starting_at(first: u64) -> Self {
        Log {
            end: first,
            ..Log::default()
        }
    }

    /// A log that keeps what its limits allow, read or not.
    pub(crate) fn history(first: u64) -> Self {
        Log {
            end: first,
            keeps: true,
            ..Log::default()
        }
    }

    /// Takes everything from now on, whatever its limits, until it is refilled.
    pub(crate) fn grow(&mut self) {
        self.grows += 1;
    }

    /// Keeps to its limits again.
    pub(crate) fn stop_growing(&mut self, limits: &Limits, shed: &mut Shed) {
        self.grows -= 1;
        if self.grows == 0 {
            while let Some(held) = &self.held
                && (held.entries.len() > limits.budget.events || held.bytes > limits.budget.bytes)
            {
                self.lose_front(Loss::Oldest, shed);
            }
        }
    }

    /// The number that the next event takes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// How many events are held.
    pub(crate) fn len(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.entries.len())
    }

    /// The weight of the events held, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.bytes)
    }

    /// Whether what came last is held no more, or never was.
    pub(crate) fn ends_in_hole(&self) -> bool {
        let last = self.held.as_ref().and_then(|held| held.entries.back());
        last.is_none_or(|last| last.seq + 1 < self.end)
    }

    /// The number of the oldest event held, or of the next one.
    pub(crate) fn start(&self) -> u64 {
        self.held
            .as_ref()
            .and_then(|held| held.entries.front())
            .map_or(self.end, |front| front.seq)
    }

    /// Whether an event of this weight would push another out or be refused.
    pub(crate) fn is_full(&self, weight: usize, limits: &Limits) -> bool {
        self.grows == 0
            && self.held.as_ref().is_some_and(|held| {
                !held.entries.is_empty()
                    && (held.entries.len() >= limits.budget.events
                        || held.bytes + weight > limits.budget.bytes)
            })
    }

    /// Readers who stand before this number hold most of what the bytes allow: they had
    /// better read than wait for more. 0 while there is room.
    pub(crate) fn pressed(&self, limits: &Limits) -> u64 {
        let full = |held: &&Held| held.bytes / 3 >= limits.budget.bytes / 4;
        let Some(held) = self
            .held
            .as_deref()
            .filter(full)
            .filter(|_| self.grows == 0)
        else {
            return 0;
        };
        let quarter = held.entries.get(held.entries.len() / 4);
        quarter.map_or(0, |entry| entry.seq + 1)
    }

    /// Admits an event. Amortised O(1); one hash look-up more when conflating.
    pub(crate) fn push(&mut self, event: Event, limits: &Limits, now: u64, shed: &mut Shed) {
        let seq = self.end;
        let weight = event.weight();
        self.expire(limits, now, shed);
        self.end += 1;
        if self.caught_up == 0 && !self.keeps && self.len() == 0 {
            // Nobody left to read it: the last reader is on its way out.
            shed.events.push(event);
            return;
        }
        if weight > limits.budget.bytes && self.grows == 0 {
            // It fits into no emptiness of this log: everything older gives way as it
            // would have, and the event itself is lost.
            if limits.overflow == Overflow::DropNewest {
                shed.losses.newest += 1;
            } else {
                while self.len() > 0 {
                    self.lose_front(Loss::Oldest, shed);
                }
                self.held().floor = self.end;
                shed.losses.oldest += u64::from(!self.keeps);
            }
            shed.events.push(event);
            self.tidy_history(shed);
            return;
        }
        if limits.overflow == Overflow::KeepLatest && self.grows == 0 {
            self.replace_older(&event, seq, shed);
        }
        while self.is_full(weight, limits) {
            if limits.overflow == Overflow::DropNewest {
                shed.losses.newest += 1;
                shed.events.push(event);
                return;
            }
            self.lose_front(Loss::Oldest, shed);
        }
        let readers = std::mem::take(&mut self.caught_up);
        let held = self.held();
        held.bytes += weight;
        let before = held.room();
        held.entries.push_back(Entry {
            event,
            seq,
            readers,
        });
        shed.grown += held.room() - before;
    }

    /// Counts events that were to come and are lost: every reader misses them.
    pub(crate) fn lose(&mut self, missed: u64, limits: &Limits) {
        self.end += missed;
        if limits.overflow == Overflow::KeepLatest {
            // Else the hole would pass for events that newer ones replaced.
            self.held().floor = self.end;
        }
    }

    /// Whether a reader that stands at `cursor` has lost something to the limits of a log that
    /// pushes the oldest out.
    pub(crate) fn has_overrun(&self, cursor: u64) -> bool {
        self.held.as_ref().is_some_and(|held| cursor < held.floor)
    }

    /// Takes out the unread event that has the same key.
    fn replace_older(&mut self, event: &Event, seq: u64, shed: &mut Shed) {
        let Some(key) = event.conflation_key() else {
            return;
        };
        let held = self.held();
        let Some(older) = held.latest.get_or_insert_default().insert(key, seq) else {
            return;
        };
        let Ok(index) = held.entries.binary_search_by_key(&older, |entry| entry.seq) else {
            return;
        };
        shed.losses.conflated += 1;
        self.take_out(index, shed);
    }

    /// Drops what is past its age. O(1) when nothing is.
    pub(crate) fn expire(&mut self, limits: &Limits, now: u64, shed: &mut Shed) {
        if limits.budget.age == u64::MAX || self.grows > 0 {
            return;
        }
        let limit = now.saturating_sub(limits.budget.age);
        while let Some(front) = self.front()
            && front.event.published_nanos() < limit
        {
            self.lose_front(Loss::Stale, shed);
        }
        self.tidy_history(shed);
    }

    /// An empty history takes no room, for its topic may be forgotten any time.
    fn tidy_history(&mut self, shed: &mut Shed) {
        if self.keeps && self.len() == 0 {
            self.clear(shed);
        }
    }

    /// Gives up the older half of what is held, at least one event, because the hub
    /// as a whole holds too much. False when nothing is held.
    pub(crate) fn press(&mut self, shed: &mut Shed) -> bool {
        if self.grows > 0 {
            return false;
        }
        let half = self.len().div_ceil(2);
        for _ in 0..half {
            self.lose_front(Loss::Pressed, shed);
        }
        if let Some(held) = &mut self.held
            && half > 0
        {
            held.shrink(shed);
        }
        self.tidy_history(shed);
        half > 0
    }

    fn lose_front(&mut self, loss: Loss, shed: &mut Shed) {
        let Some(front) = self.front() else { return };
        let seq = front.seq;
        // A history's entries have no readers; giving one up is no loss to anyone here.
        if !self.keeps {
            match loss {
                Loss::Oldest => shed.losses.oldest += 1,
                Loss::Stale => shed.losses.stale += 1,
                Loss::Pressed => shed.losses.pressed += 1,
            }
        }
        self.held().floor = seq + 1;
        self.take_out(0, shed);
    }

    /// Removes an entry; its readers go on to the next one.
    fn take_out(&mut self, index: usize, shed: &mut Shed) {
        let held = self.held();
        let Some(entry) = held.entries.remove(index) else {
            return;
        };
        held.bytes -= entry.event.weight();
        held.run = None;
        held.forget_key(&entry);
        match held.entries.get_mut(index) {
            Some(next) => next.readers += entry.readers,
            None => self.caught_up += entry.readers,
        }
        shed.events.push(entry.event);
        // The next front may be one that nobody needs any more.
        self.let_go_front(shed);
    }

    /// Counts a reader in, at `cursor`.
    pub(crate) fn join(&mut self, cursor: u64) {
        *self.readers_at(cursor) += 1;
    }

    /// Counts a reader out that stood at `cursor`.
    pub(crate) fn leave(&mut self, cursor: u64, shed: &mut Shed) {
        *self.readers_at(cursor) -= 1;
        self.let_go(shed);
    }

    /// Counts a reader on from one cursor to a later one.
    pub(crate) fn advance(&mut self, from: u64, to: u64, shed: &mut Shed) {
        *self.readers_at(from) -= 1;
        *self.readers_at(to) += 1;
        self.let_go(shed);
    }

    /// Counts a reader on that stood at the entry of this index, over `taken` entries.
    pub(crate) fn advance_over(&mut self, index: usize, taken: usize, shed: &mut Shed) {
        let Some(held) = &mut self.held else { return };
        if let Some(entry) = held.entries.get_mut(index) {
            entry.readers -= 1;
        }
        match held.entries.get_mut(index + taken) {
            Some(entry) => entry.readers += 1,
            None => self.caught_up += 1,
        }
        self.let_go(shed);
    }

    fn readers_at(&mut self, cursor: u64) -> &mut u32 {
        if cursor < self.end
            && let Some(held) = &mut self.held
        {
            let index = held.index_of(cursor);
            if let Some(entry) = held.entries.get_mut(index) {
                return &mut entry.readers;
            }
        }
        &mut self.caught_up
    }

    /// Lets go of what everybody has read, and of the room for it.
    fn let_go(&mut self, shed: &mut Shed) {
        self.let_go_front(shed);
        let Some(held) = &mut self.held else { return };
        if !held.entries.is_empty() || self.keeps {
            return;
        }
        held.latest = None;
        // With the last event lost rather than read, somebody may still have to be told,
        // and the floor is what it will be told by.
        if self.caught_up <= 1 && held.floor != self.end {
            // A feed of one reader: most such feeds are idle for long, and what is freed
            // here serves the next one while it is hot in the cache.
            shed.grown -= held.room();
            self.held = None;
        } else if held.entries.capacity() > 4 * SMALL {
            held.shrink(shed);
        }
    }

    /// Lets go of everything, for the last reader has gone.
    pub(crate) fn clear(&mut self, shed: &mut Shed) {
        if let Some(held) = self.held.take() {
            shed.grown -= held.room();
            // Lanes give their places up later.
            self.caught_up += held.entries.iter().map(|entry| entry.readers).sum::<u32>();
            shed.events
                .extend(held.entries.into_iter().map(|entry| entry.event));
        }
    }

    /// Lets go of the front as long as nobody needs it.
    fn let_go_front(&mut self, shed: &mut Shed) {
        if self.keeps {
            return;
        }
        let Some(held) = &mut self.held else { return };
        while held.entries.front().is_some_and(|front| front.readers == 0) {
            let Some(entry) = held.entries.pop_front() else {
                break;
            };
            held.bytes -= entry.event.weight();
            held.run = None;
            held.forget_key(&entry);
            shed.drained = shed.drained.max(entry.event.published_nanos());
            shed.events.push(entry.event);
        }
    }

    /// What a reader finds at `cursor`. O(1); O(log n) when the log has holes.
    pub(crate) fn next(&self, cursor: u64, limits: &Limits) -> Next {
        if cursor >= self.end {
            return Next::Nothing;
        }
        let Some(held) = &self.held else {
            return Next::Missed {
                missed: self.end - cursor,
                cursor: self.end,
            };
        };
        let index = held.index_of(cursor);
        let next = held.entries.get(index).map_or(self.end, |entry| entry.seq);
        // In a conflating log a hole above the floor was replaced by something newer.
        let lost_to = match limits.overflow {
            Overflow::KeepLatest => held.floor.min(next),
            _ => next,
        };
        if lost_to > cursor {
            return Next::Missed {
                missed: lost_to - cursor,
                cursor: lost_to,
            };
        }
        match index < held.entries.len() {
            true => Next::At(index),
            false => Next::Nothing,
        }
    }

    /// The event at an index that [`Log::next`] gave, and the cursor after it.
    pub(crate) fn read(&self, index: usize) -> Option<(Event, u64)> {
        let entry = self.held.as_ref()?.entries.get(index)?;
        Some((entry.event.clone(), entry.seq + 1))
    }

    /// Up to `max` events from an index on, without a hole between them.
    ///
    /// The run is kept and shared: readers that stand at the same place cost one
    /// reference count each, not one per event.
    pub(crate) fn run(&mut self, index: usize, max: usize) -> Run {
        let held = self.held();
        let first = held.entries.get(index).map_or(0, |entry| entry.seq);
        let len = held.contiguous_from(index).min(max);
        if len == 1
            && let Some(entry) = held.entries.get(index)
        {
            let events = Events::One(entry.event.clone());
            return Run { first, events };
        }
        if let Some(run) = &held.run
            && run.first == first
            && run.events().len() == len
        {
            return run.clone();
        }
        let events = held.entries.range(index..index + len);
        let run = Run {
            first,
            events: Events::Several(events.map(|entry| entry.event.clone()).collect()),
        };
        held.run = Some(run.clone());
        run
    }

    /// All events held from `cursor` on, oldest first, with their numbers.
    pub(crate) fn from(&self, cursor: u64) -> impl Iterator<Item = (u64, &Event)> {
        self.held.iter().flat_map(move |held| {
            let index = held.index_of(cursor);
            let entries = held.entries.range(index.min(held.entries.len())..);
            entries.map(|entry| (entry.seq, &entry.event))
        })
    }

    /// Keeps only the unread events that `keep` admits, for a log of a single reader,
    /// and returns that reader's new cursor.
    ///
    /// What stays moves up to the end without holes; what the reader had missed so
    /// far is still told, as one count before the rest.
    pub(crate) fn retain_unread(
        &mut self,
        cursor: u64,
        limits: &Limits,
        mut keep: impl FnMut(&Event) -> bool,
        shed: &mut Shed,
    ) -> u64 {
        let conflates = limits.overflow == Overflow::KeepLatest;
        let end = self.end;
        let Some(held) = &mut self.held else {
            return cursor;
        };
        let missed = match conflates {
            true => held.floor.saturating_sub(cursor),
            false => end - cursor - held.entries.len() as u64,
        };
        held.run = None;
        held.latest = None;
        let before = held.room();
        for entry in std::mem::take(&mut held.entries) {
            if keep(&entry.event) {
                held.entries.push_back(entry);
            } else {
                held.bytes -= entry.event.weight();
                shed.events.push(entry.event);
            }
        }
        let first = end - held.entries.len() as u64;
        for (seq, entry) in (first..).zip(&mut held.entries) {
            entry.seq = seq;
            entry.readers = u32::from(seq == first);
            if conflates && let Some(key) = entry.event.conflation_key() {
                held.latest.get_or_insert_default().insert(key, seq);
            }
        }
        shed.grown += held.room() - before;
        held.floor = first;
        self.caught_up = u32::from(first == end);
        first - missed
    }

    /// Replaces everything by these events, for a log of a single reader that has
    /// missed so many before them. Returns that reader's cursor.
    pub(crate) fn refill(
        &mut self,
        events: Vec<Event>,
        missed: u64,
        limits: &Limits,
        shed: &mut Shed,
    ) -> u64 {
        if let Some(held) = &mut self.held {
            shed.events
                .extend(held.entries.drain(..).map(|entry| entry.event));
            shed.grown -= held.room();
            **held = Held::default();
        }
        self.grows = 0;
        let cursor = self.end;
        self.end += missed;
        if missed > 0 {
            self.held().floor = self.end;
        }
        self.caught_up = 1;
        for event in events {
            let now = event.published_nanos();
            self.push(event, limits, now, shed);
        }
        cursor
    }

    fn front(&self) -> Option<&Entry> {
        self.held.as_ref()?.entries.front()
    }

    fn held(&mut self) -> &mut Held {
        self.held.get_or_insert_default()
    }
}

impl Held {
    /// What the entries take beside the events, in bytes.
    fn room(&self) -> i64 {
        (self.entries.capacity() * size_of::<Entry>()) as i64
    }

    /// Gives unused room back.
    fn shrink(&mut self, shed: &mut Shed) {
        let before = self.room();
        self.entries.shrink_to(SMALL);
        shed.grown += self.room() - before;
    }

    /// The index of the first entry at or after `seq`.
    fn index_of(&self, seq: u64) -> usize {
        let Some(front) = self.entries.front() else {
            return 0;
        };
        if seq <= front.seq {
            return 0;
        }
        let guess = usize::try_from(seq - front.seq).unwrap_or(usize::MAX);
        match self.entries.get(guess) {
            Some(entry) if entry.seq == seq => guess,
            _ => self.entries.partition_point(|entry| entry.seq < seq),
        }
    }

    /// How many entries from `index` on follow each other without a hole.
    fn contiguous_from(&self, index: usize) -> usize {
        let (Some(first), Some(last)) = (self.entries.get(index), self.entries.back()) else {
            return 0;
        };
        let rest = self.entries.len() - index;
        if last.seq - first.seq + 1 == rest as u64 {
            return rest;
        }
        let expected = |i: usize| first.seq + i as u64;
        let mut entries = self.entries.range(index..).enumerate();
        entries
            .position(|(i, entry)| entry.seq != expected(i))
            .unwrap_or(rest)
    }

    fn forget_key(&mut self, entry: &Entry) {
        if let Some(latest) = &mut self.latest
            && let Some(key) = entry.event.conflation_key()
            && latest.get(&key) == Some(&entry.seq)
        {
            latest.remove(&key);
        }
    }
}
