//! What an arriving message means: an event, an echo, a duplicate, a hole.
//!
//! The conductor hands in what comes, in the order it comes, and says when names are
//! heard, cut off and given up; the inbox says what to deliver and what is lost, and which
//! logs to read. It owns no socket and no clock.
//!
//! | file | its job |
//! |---|---|
//! | `track` | one topic: its place in the log, what is missing of it; `reading`: its log being read |
//! | `shared` | what all tracks have in common |
//! | `memory` | what is forgotten |
//! | `stock` | what comes while a log is read, and waits |
//! | `publishers` | how far each publisher of a topic was heard |
//! | `echo` | plain payloads of our own that come back |
//! | `ours` | numbers that our own events got in a log |
//! | `rules` | whether events come as this hub's rules say |
//!
//! | arrives | means |
//! |---|---|
//! | plain, and a note of it was made when we sent it | our echo |
//! | plain otherwise | an event, as it is |
//! | an envelope of ours | our echo; its number counts |
//! | the log's next number | an event, unless its publisher's serial was heard |
//! | a later number, another lineage | a hole: held, and the log is read |
//! | no number | an event; a jump of the serial is a loss of known size |
//!
//! # Invariants
//!
//! - Of each publisher and topic, every event is delivered at most once and in order;
//!   what is passed over is told with its exact number, where there is a number.
//! - Memory is bounded: topics heard through patterns and publishers that fell silent are
//!   forgotten, what is held while logs are read has one budget for all.

mod echo;
mod memory;
mod ours;
mod publishers;
mod rules;
mod shared;
mod stock;
mod track;

pub(crate) use shared::Tally;

use std::time::Instant;

use smol_str::SmolStr;

use self::{rules::Shape, shared::Shared, track::Track};
use super::{
    arrival::{Deliver, Stamp},
    log::repair::{Ask, Entry, Head, Place},
    modes::Modes,
    wire::envelope::{self, Arrival},
};
use crate::{
    backplane::Condition,
    pattern::{Pattern, PatternTable},
    topic::MAX_TOPIC_BYTES,
};

/// Seconds within which a topic must have been heard for a break to count as its loss.
const LATELY: u32 = 60;
/// What clocks of machines differ by, in µs: an event may have been published so long before
/// a break, by its publisher's clock, and be news after it.
const SKEW_MICROS: u64 = 30_000_000;

/// By which subscription a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// By its name.
    Topic,
    /// By a pattern.
    Pattern,
}

/// A log to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) topic: SmolStr,
    /// Names the read in the answer.
    pub(crate) ticket: u64,
    pub(crate) ask: Ask,
}

/// What a read brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a, B> {
    /// Where it was asked for and there is one.
    pub(crate) head: Option<Head>,
    /// Ascending.
    pub(crate) entries: &'a [Entry<B>],
    /// They were fewer than were asked for.
    pub(crate) is_last: bool,
}

/// All topics of a hub that are heard, as far as there is something to know of them.
#[derive(Debug)]
pub(crate) struct Inbox {
    tracks: hashbrown::HashMap<SmolStr, Track, ahash::RandomState>,
    roaming: usize,
    /// Patterns that may bring topics with logs, and since when they are heard, in µs since
    /// the epoch.
    patterns: Patterns,
    has_parted: bool,
    /// Logs that nobody had heard of may have begun since then, while patterns were cut
    /// off.
    unseen: Option<u64>,
    breaks: u64,
    next_ticket: u64,
    shared: Shared,
}

struct Patterns(PatternTable<u64>);

impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} patterns", self.0.len())
    }
}

impl Inbox {
    /// The inbox of the hub that publishes as `us`, by these rules.
    pub(crate) fn new(us: u64, modes: Modes, now: Stamp) -> Self {
        Inbox {
            tracks: hashbrown::HashMap::default(),
            roaming: 0,
            patterns: Patterns(PatternTable::new()),
            has_parted: false,
            unseen: None,
            breaks: 0,
            next_ticket: 0,
            shared: Shared::new(us, modes, now),
        }
    }

    /// What was counted.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.tally
    }

    /// What came lately that is not by this hub's rules: how bad that is, and what to do.
    pub(crate) fn differing(&self, now: Instant) -> Option<(Condition, String)> {
        self.shared.rules.differing(now)
    }

    // What comes.

    /// A message; of several copies that one which carries its topic.
    pub(crate) fn message(
        &mut self,
        via: Via,
        topic: &str,
        bytes: &[u8],
        now: Stamp,
        out: &mut impl Deliver,
    ) {
        if topic.is_empty() || topic.len() > MAX_TOPIC_BYTES {
            // Nobody can listen to it.
            return;
        }
        self.shared.tick(now);
        let arrival = envelope::decode(bytes);
        let unseen = match arrival {
            Arrival::Enveloped(envelope) if via == Via::Pattern && envelope.stamps.number != 0 => {
                self.unseen_of(topic)
            }
            _ => None,
        };
        self.make_room(out);
        let (track, shared) = self.track(topic, unseen);
        track.heard = shared.second;
        let became_exact = via == Via::Topic && !std::mem::replace(&mut track.is_exact, true);
        track.resume(topic, shared, out);
        if let Some(came) = Shape::of(&arrival) {
            let rule = track.rule;
            shared.rules.compare(topic, rule, came, now.instant);
        }
        match arrival {
            Arrival::Enveloped(envelope) => track.message(topic, envelope, bytes, shared, out),
            Arrival::Plain => {
                if !track.is_echo(bytes, shared) {
                    track.plain_heard(shared);
                    shared.tally.arrived += 1;
                    let payload = bytes::Bytes::copy_from_slice(bytes);
                    out.event(crate::Publication::new(topic, payload));
                }
            }
            Arrival::Unreadable => track.unreadable_message(topic, shared, out),
        }
        self.roaming -= usize::from(became_exact);
    }

    /// From when on the log of a topic is news to us that comes by patterns.
    fn unseen_of(&self, topic: &str) -> Option<u64> {
        let unseen = self.unseen?;
        let mut heard_since = None;
        self.patterns.0.for_each_match(topic, |since| {
            heard_since = Some(heard_since.unwrap_or(u64::MAX).min(*since));
        });
        heard_since.map(|since: u64| since.max(unseen))
    }

    /// The track of a topic; a new one reads the log since `unseen`.
    fn track(&mut self, topic: &str, unseen: Option<u64>) -> (&mut Track, &mut Shared) {
        let Inbox {
            tracks,
            shared,
            roaming,
            ..
        } = self;
        let track = match tracks.entry_ref(topic) {
            hashbrown::hash_map::EntryRef::Occupied(entry) => entry.into_mut(),
            hashbrown::hash_map::EntryRef::Vacant(entry) => {
                *roaming += 1;
                let track = match unseen {
                    Some(micros) => Track::since(micros, topic, shared),
                    None => Track::new(topic, shared),
                };
                entry.insert_with_key(topic.into(), track)
            }
        };
        (track, shared)
    }

    /// A copy of a plain message was let go before it came here.
    pub(crate) fn duplicate(&mut self) {
        self.shared.tally.duplicates += 1;
    }

    // Which names are heard.

    /// Whether a topic's log has to be looked at before it is listened to: nothing is
    /// known of it.
    pub(crate) fn is_unplaced(&self, topic: &str) -> bool {
        self.tracks
            .get(topic)
            .is_none_or(|track| !track.is_placed())
    }

    /// Whether a topic's log has been heard, and is to be read before it is known again.
    pub(crate) fn is_behind(&self, topic: &str) -> bool {
        self.tracks.get(topic).is_some_and(Track::is_behind)
    }

    /// How far a topic's log went before it was listened to.
    pub(crate) fn placed(&mut self, topic: &str, head: Option<Head>, now: Stamp) {
        self.shared.tick(now);
        let (track, _) = self.track(topic, None);
        track.placed(head.map_or(Place::Start, |head| Place::At(head.newest)));
    }

    /// A topic that keeps a log is about to be heard. If nobody could say how far the log
    /// goes, because its server was away, then the first break tells by time what is missing.
    pub(crate) fn begun(&mut self, topic: &str, now: Stamp) {
        self.shared.tick(now);
        if self.is_unplaced(topic) {
            let (track, _) = self.track(topic, None);
            track.begun(now.micros.saturating_sub(SKEW_MICROS));
        }
    }

    /// A topic is heard from here on, by its name.
    pub(crate) fn joined(&mut self, topic: &str, now: Stamp, out: &mut impl Deliver) {
        self.shared.tick(now);
        if let Some(track) = self.tracks.get_mut(topic) {
            self.roaming -= usize::from(!track.is_exact);
            track.is_exact = true;
            track.resume(topic, &mut self.shared, out);
        }
    }

    /// A pattern is heard from here on that may bring topics with logs.
    pub(crate) fn pattern_joined(&mut self, pattern: &Pattern, now: Stamp) {
        if self.patterns.0.find(pattern).is_none() {
            self.patterns.0.insert(pattern.clone(), now.micros);
        }
    }

    /// A topic is not listened to by its name any more; whether it is by a pattern.
    pub(crate) fn parted(&mut self, topic: &str, still_heard: bool) {
        let Some(track) = self.tracks.get_mut(topic) else {
            return;
        };
        self.roaming += usize::from(track.is_exact);
        track.is_exact = false;
        if !still_heard {
            self.remove(topic);
        }
    }

    /// A pattern was given up. Topics that it alone brought are forgotten with
    /// [`forget_unheard`](Inbox::forget_unheard): once for all that go together.
    pub(crate) fn pattern_parted(&mut self, pattern: &Pattern) {
        self.has_parted = true;
        if let Some(id) = self.patterns.0.find(pattern) {
            self.patterns.0.remove(id);
        }
    }

    /// Forgets topics that only patterns brought that were given up. `is_heard` tells of a
    /// topic whether anything else brings it.
    pub(crate) fn forget_unheard(&mut self, is_heard: impl Fn(&str) -> bool) {
        if std::mem::take(&mut self.has_parted) {
            self.retain(|topic, track| track.is_exact || is_heard(topic));
        }
    }

    /// The server has taken a topic from us: it is cut off alone.
    pub(crate) fn severed(&mut self, topic: &str, now: Stamp) {
        self.shared.tick(now);
        self.shared.cut_second = self.shared.second;
        if let Some(track) = self.tracks.get_mut(topic) {
            track.cut(&mut self.shared);
        }
    }

    /// A connection is gone, and with it the topics that it alone brought: whatever is not
    /// heard still.
    pub(crate) fn broken(&mut self, now: Stamp, is_heard: impl Fn(&str) -> bool) {
        self.shared.tick(now);
        self.shared.cut_second = self.shared.second;
        if !self.patterns.0.is_empty() {
            let unseen = now.micros.saturating_sub(SKEW_MICROS);
            self.unseen.get_or_insert(unseen);
            self.breaks += 1;
        }
        for (topic, track) in &mut self.tracks {
            if !track.is_cut() && !is_heard(topic) {
                track.cut(&mut self.shared);
            }
        }
    }

    /// Everything that was wanted is heard again: topics too that have been silent since.
    pub(crate) fn whole(
        &mut self,
        now: Stamp,
        is_heard: impl Fn(&str) -> bool,
        out: &mut impl Deliver,
    ) {
        self.shared.tick(now);
        for (topic, track) in &mut self.tracks {
            if track.is_cut() && is_heard(topic) {
                track.resume(topic, &mut self.shared, out);
            }
        }
    }

    /// Everything is heard that will be: what is cut off still was given up meanwhile,
    /// unless it `is_wanted`.
    pub(crate) fn forget_cut(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.retain(|topic, track| !track.is_cut() || is_wanted(topic));
    }

    // Logs that appeared meanwhile.

    /// Whether logs have to be looked for that may have begun while patterns were cut off;
    /// until [`searched`](Inbox::searched) is called with the mark.
    pub(crate) fn to_search(&self) -> Option<u64> {
        self.unseen.map(|_| self.breaks)
    }

    /// There is a log of this topic.
    pub(crate) fn found(&mut self, topic: &str, now: Stamp, out: &mut impl Deliver) {
        self.shared.tick(now);
        if self.tracks.contains_key(topic) {
            return;
        }
        let unseen = self.unseen_of(topic);
        if unseen.is_some() {
            self.make_room(out);
            self.track(topic, unseen);
        }
    }

    /// All were found that there were, if nothing broke since the mark.
    pub(crate) fn searched(&mut self, mark: u64) {
        if mark == self.breaks {
            self.unseen = None;
        }
    }

    // What we send.

    /// A plain payload goes out on a topic that we have asked to hear.
    pub(crate) fn sent(&mut self, topic: &str, payload: &[u8], now: Stamp) {
        self.shared.tick(now);
        let (track, shared) = self.track(topic, None);
        track.heard = shared.second;
        track.sent(payload, shared);
    }

    /// The server refused it: it will not come back.
    pub(crate) fn refused(&mut self, topic: &str, payload: &[u8]) {
        if let Some(track) = self.tracks.get_mut(topic) {
            track.refused(payload, &self.shared);
        }
    }

    /// An event of ours is in the log of a topic, under this number.
    pub(crate) fn kept(&mut self, topic: &str, number: u64) {
        if let Some(track) = self.tracks.get_mut(topic) {
            track.kept(number);
        }
    }

    /// Another server may be there than before: the numbers of ours may be others' now.
    pub(crate) fn disown(&mut self) {
        for track in self.tracks.values_mut() {
            track.disown();
        }
    }

    // Repairs.

    /// Whether there may be logs to read.
    pub(crate) fn has_reads(&self) -> bool {
        !self.shared.wanted.is_empty()
    }

    /// The next log to read.
    pub(crate) fn next_read(&mut self) -> Option<Read> {
        while let Some(topic) = self.shared.wanted.pop_front() {
            let ticket = self.next_ticket + 1;
            let track = self.tracks.get_mut(&topic);
            if let Some(ask) = track.and_then(|track| track.ask(ticket)) {
                self.next_ticket = ticket;
                return Some(Read { topic, ticket, ask });
            }
        }
        None
    }

    /// What a read brought.
    pub(crate) fn read<B: AsRef<[u8]>>(
        &mut self,
        read: &Read,
        page: Page<'_, B>,
        now: Stamp,
        out: &mut impl Deliver,
    ) {
        self.shared.tick(now);
        if let Some(track) = self.tracks.get_mut(&read.topic) {
            track.read(&read.topic, read.ticket, page, &mut self.shared, out);
        }
    }

    /// Whether a read is waited for still.
    pub(crate) fn awaits(&self, read: &Read) -> bool {
        let track = self.tracks.get(&read.topic);
        track.is_some_and(|track| track.awaits(read.ticket))
    }

    /// The read was not done, and is wanted still.
    pub(crate) fn undone(&mut self, read: &Read) {
        if let Some(track) = self.tracks.get_mut(&read.topic) {
            track.undone(&read.topic, read.ticket, &mut self.shared);
        }
    }

    /// Whoever did the reads is gone: all that were under way are wanted again.
    pub(crate) fn give_back(&mut self) {
        for (topic, track) in &mut self.tracks {
            track.give_back(topic, &mut self.shared);
        }
    }

    /// The server will not have the log read: what is missing is told as lost.
    pub(crate) fn unread(&mut self, read: &Read, now: Stamp, out: &mut impl Deliver) {
        self.shared.tick(now);
        if let Some(track) = self.tracks.get_mut(&read.topic) {
            track.unread(&read.topic, read.ticket, &mut self.shared, out);
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
