//! One link: what waits for it, what is in flight on it, and when it may send.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ahash::AHashSet as HashSet;

use super::{
    Limits, Server,
    encode::Wire,
    holding::Holding,
    parcel::{Parcel, Trace},
};
use crate::{
    redis::{modes::Way, socket::Commands},
    topic::Topic,
};

/// Bytes in flight on a link: more is not written before something is answered.
const MAX_FLYING: usize = 1024 * 1024;
/// Events in flight on a link, at most. Small ones come to this before the bytes do.
pub(crate) const MOST_FLYING: usize = 32 * 1024;
/// Bytes and events of one pipeline.
const MAX_BATCH: usize = 128 * 1024;
const MAX_EVENTS: usize = 1_024;

/// After a "not now": the first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long is waited for replicas that let the last event wait in vain.
const LATE_REPLICA_WAIT: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Departures {
    /// Oldest first.
    pub(super) waiting: VecDeque<Parcel>,
    /// Older than what waits of the same topics.
    pub(super) holding: Holding,
    flying: VecDeque<Flight>,
    flying_bytes: usize,
    flying_events: usize,
    /// A `WAIT` is in flight. A server answers nothing else on a connection that waits, so
    /// a second is not sent before the first is answered: they would add up.
    is_waiting: bool,
    /// Refused for now, in order: they wait again once nothing is in flight.
    again: Vec<Parcel>,
    /// Topics whose logs lack what must come first.
    lacking: HashSet<Topic>,
    pub(super) wire: Wire,
    /// The replication id of the server that was last connected to.
    seen: Option<Option<u64>>,
    connected: bool,
    paused_until: Option<Instant>,
    pause: Duration,
    replicas_are_late: bool,
    /// Topics that belong to other links, and have something in flight or waiting here.
    /// Nothing is sent before they are gone.
    pub(super) leaving: HashSet<Topic>,
}

/// One pipeline in flight.
pub(super) struct Flight {
    pub(super) parcels: Vec<Parcel>,
    /// A `WAIT` is its last command.
    pub(super) waits: bool,
    bytes: usize,
}

/// One pipeline under construction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) commands: Commands,
    parcels: Vec<Parcel>,
    waits: bool,
}

/// What comes back once nothing is in flight.
pub(super) struct Landed {
    /// Topics whose logs lack what must come first.
    pub(super) lacking: HashSet<Topic>,
    /// So many at the front wait again.
    pub(super) again: usize,
}

impl Batch {
    pub(super) fn has_room(&self) -> bool {
        self.commands.len() < MAX_BATCH && self.parcels.len() < MAX_EVENTS
    }

    pub(super) fn add(&mut self, parcel: Parcel) {
        self.waits |= parcel.way == Way::Durable;
        self.parcels.push(parcel);
    }
}

impl Departures {
    /// True when another server is there than before, for all that is known.
    pub(super) fn connected(&mut self, server: Server) -> bool {
        let other = server.id.is_none() || self.seen != Some(server.id);
        self.seen = Some(server.id);
        self.connected = true;
        self.wire = Wire::new(server);
        self.replicas_are_late = false;
        self.resume();
        if other {
            self.waiting.iter_mut().for_each(Parcel::astray);
        }
        other
    }

    /// What is lost with the connection, and how many wait again at the front.
    pub(super) fn broken(&mut self) -> (Vec<Parcel>, usize) {
        self.let_go();
        self.connected = false;
        self.flying_bytes = 0;
        self.flying_events = 0;
        self.is_waiting = false;
        self.lacking.clear();
        let mut lost = Vec::new();
        let mut again = std::mem::take(&mut self.again);
        for parcel in again.iter_mut().chain(&mut self.waiting) {
            // It was in the log of a server that may not be there again.
            if parcel.trace == Trace::InLog {
                parcel.trace = Trace::Maybe;
            }
        }
        for mut parcel in self.flying.drain(..).flat_map(|flight| flight.parcels) {
            if parcel.way.is_plain() {
                lost.push(parcel);
            } else {
                if parcel.trace != Trace::Astray {
                    parcel.trace = Trace::Maybe;
                }
                again.push(parcel);
            }
        }
        let count = again.len();
        self.put_first(again);
        (lost, count)
    }

    /// A pipeline to be filled, if something may be sent. Of topics that the hub is `behind`
    /// with nothing is, for a while.
    pub(super) fn begin(&mut self, now: Instant, behind: impl Fn(&Topic) -> bool) -> Option<Batch> {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
        }
        let free = self.connected
            && self.again.is_empty()
            && !self.is_leaving()
            && self.paused_until.is_none()
            && self.flying_bytes < MAX_FLYING
            && self.flying_events + MAX_EVENTS <= MOST_FLYING;
        if free && self.holding.is_over(now, behind) {
            self.let_go();
        }
        let some = !self.waiting.is_empty() || !self.holding.is_empty();
        (free && some).then(Batch::default)
    }

    /// What a pipeline carries next.
    pub(super) fn next(
        &mut self,
        now: Instant,
        limits: &Limits,
        behind: impl Fn(&Topic) -> bool,
    ) -> Option<Parcel> {
        let stays = |parcel: &Parcel| self.is_waiting && parcel.way == Way::Durable;
        if let Some(oldest) = self.holding.urgent(now, limits) {
            let stays = stays(oldest);
            return (!stays).then(|| self.holding.parcels.pop_front()).flatten();
        }
        while let Some(front) = self.waiting.front() {
            let held = self.holding.holds(front, now, limits, &behind);
            if !held && stays(front) {
                return None;
            }
            let parcel = self.waiting.pop_front()?;
            if !held {
                return Some(parcel);
            }
            self.holding.hold(parcel);
        }
        None
    }

    /// Nothing is held any more: it waits before everything else.
    pub(super) fn let_go(&mut self) {
        let mut held = self.holding.take();
        if !held.is_empty() {
            held.append(&mut self.waiting);
            self.waiting = held;
        }
    }

    /// The pipeline is filled; none if it is empty.
    pub(super) fn depart(&mut self, mut batch: Batch, replica_wait: Duration) -> Option<Commands> {
        if batch.parcels.is_empty() {
            return None;
        }
        if batch.waits {
            let patience = if self.replicas_are_late {
                replica_wait.min(LATE_REPLICA_WAIT)
            } else {
                replica_wait
            };
            let millis = patience.as_millis().max(1).to_string();
            batch.commands.command(&[b"WAIT", b"1", millis.as_bytes()]);
        }
        let bytes = batch.commands.len();
        self.flying_bytes += bytes;
        self.flying_events += batch.parcels.len();
        self.is_waiting |= batch.waits;
        self.flying.push_back(Flight {
            parcels: batch.parcels,
            waits: batch.waits,
            bytes,
        });
        Some(batch.commands)
    }

    /// The oldest pipeline is answered.
    pub(super) fn land(&mut self) -> Option<Flight> {
        let flight = self.flying.pop_front()?;
        self.flying_bytes -= flight.bytes;
        self.flying_events -= flight.parcels.len();
        self.is_waiting &= !flight.waits;
        Some(flight)
    }

    /// Puts what was refused for now back in line, if nothing is in flight any more.
    pub(super) fn landed(&mut self) -> Option<Landed> {
        if !self.flying.is_empty() || self.again.is_empty() {
            return None;
        }
        let parcels = std::mem::take(&mut self.again);
        let again = parcels.len();
        self.put_first(parcels);
        Some(Landed {
            lacking: std::mem::take(&mut self.lacking),
            again,
        })
    }

    /// Sends it again, once all that is in flight is answered.
    pub(super) fn again(&mut self, parcel: Parcel) {
        self.again.push(parcel);
    }

    /// Its log lacks what must come before it.
    pub(super) fn lacks(&mut self, parcel: Parcel) {
        self.lacking.insert(parcel.topic().clone());
        self.again(parcel);
    }

    /// The server said "not now".
    pub(super) fn pause(&mut self, now: Instant) {
        if self.paused_until.is_none() {
            self.pause = (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE);
            self.paused_until = Some(now + self.pause);
        }
    }

    /// The server took something.
    pub(super) fn succeeded(&mut self) {
        self.pause = Duration::ZERO;
    }

    pub(super) fn resume(&mut self) {
        self.paused_until = None;
        self.pause = Duration::ZERO;
    }

    /// When a pause ends that something waits for.
    pub(super) fn resumes(&self, now: Instant) -> Option<Instant> {
        let waits = self.connected && !self.waiting.is_empty();
        self.paused_until
            .filter(|until| waits && *until > now && self.again.is_empty())
    }

    pub(super) fn replicas_answered(&mut self, in_time: bool) {
        self.replicas_are_late = !in_time;
    }

    /// Notes which topics are to leave once nothing is in flight.
    pub(super) fn leave(&mut self, mut leaves: impl FnMut(&Parcel) -> bool) {
        let flying = self.flying.iter().flat_map(|flight| &flight.parcels);
        for parcel in flying.chain(&self.again).chain(&self.waiting) {
            if !self.leaving.contains(parcel.topic()) && leaves(parcel) {
                self.leaving.insert(parcel.topic().clone());
            }
        }
    }

    pub(super) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    pub(super) fn is_flying(&self) -> bool {
        !self.flying.is_empty()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// Whether nothing waits and nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
            && self.holding.is_empty()
            && self.flying.is_empty()
            && self.again.is_empty()
    }

    /// Takes out what waits of the topics of `others` and has departed before.
    pub(super) fn take_numbered(&mut self, others: &[Parcel]) -> Vec<Parcel> {
        self.let_go();
        let topics: HashSet<&Topic> = others.iter().map(Parcel::topic).collect();
        let mut taken = Vec::new();
        if !topics.is_empty() {
            for parcel in std::mem::take(&mut self.waiting) {
                if parcel.serial != 0 && topics.contains(parcel.topic()) {
                    taken.push(parcel);
                } else {
                    self.waiting.push_back(parcel);
                }
            }
        }
        taken
    }

    pub(super) fn put_first(&mut self, parcels: Vec<Parcel>) {
        self.let_go();
        for parcel in parcels.into_iter().rev() {
            self.waiting.push_front(parcel);
        }
    }
}
