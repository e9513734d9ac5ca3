//! What all tracks have in common: the time, what is counted, what may be held, and which
//! logs are wanted.

use std::{collections::VecDeque, time::Instant};

use smol_str::SmolStr;

use super::rules::Rules;
use crate::{
    backplane::Origin,
    redis::{
        arrival::{Deliver, Stamp},
        modes::Modes,
        outbox::is_ours,
        watch::LATE,
        wire::envelope::{Envelope, Stamps},
    },
};

/// What may be held while logs are read, in bytes, for all topics.
pub(super) const HELD_BYTES: usize = 16 << 20;
/// An event later than this is counted as late, in µs.
const LATE_MICROS: u64 = LATE.as_micros() as u64;

/// What was counted, since the hub was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// Handed on.
    pub(crate) arrived: u64,
    /// Of these, read from a log.
    pub(crate) repaired: u64,
    /// Let go because they were handed on before.
    pub(crate) duplicates: u64,
    /// Stretches that are missing and will stay so.
    pub(crate) gaps: u64,
    /// Events in them, where they could be counted.
    pub(crate) lost: u64,
    /// Of those handed on and not read from a log: later than 900 ms.
    pub(crate) late: u64,
    /// Messages, and entries of logs, that could not be read.
    pub(crate) unreadable: u64,
}

/// What all tracks have in common.
#[derive(Debug)]
pub(super) struct Shared {
    us: u64,
    pub(super) rules: Rules,
    pub(super) tally: Tally,
    pub(super) now: Stamp,
    /// Of `now`, since `started`.
    pub(super) second: u32,
    started: Instant,
    /// When the newest break was.
    pub(super) cut_second: u32,
    pub(super) held: usize,
    pub(super) most_held: usize,
    pub(super) wanted: VecDeque<SmolStr>,
    hasher: ahash::RandomState,
}

impl Shared {
    pub(super) fn new(us: u64, modes: Modes, now: Stamp) -> Self {
        Shared {
            us,
            rules: Rules::new(modes),
            tally: Tally::default(),
            now,
            second: 0,
            started: now.instant,
            cut_second: 0,
            held: 0,
            most_held: HELD_BYTES,
            wanted: VecDeque::new(),
            hasher: ahash::RandomState::new(),
        }
    }

    pub(super) fn tick(&mut self, now: Stamp) {
        self.now = now;
        let passed = now.instant.saturating_duration_since(self.started);
        self.second = u32::try_from(passed.as_secs()).unwrap_or(u32::MAX);
    }

    pub(super) fn hash(&self, payload: &[u8]) -> u64 {
        self.hasher.hash_one(payload)
    }

    pub(super) fn want(&mut self, topic: &str) {
        self.wanted.push_back(topic.into());
    }

    pub(super) fn is_ours(&self, publisher: u64) -> bool {
        is_ours(self.us, publisher)
    }

    pub(super) fn seen(&mut self, stamps: &Stamps) {
        if !self.is_ours(stamps.publisher) {
            self.tally.duplicates += 1;
        }
    }

    pub(super) fn lost(&mut self, topic: &str, missed: u64, out: &mut impl Deliver) {
        self.tally.gaps += 1;
        self.tally.lost = self.tally.lost.saturating_add(missed);
        out.lost(topic, Some(missed));
    }

    /// Nobody knows how many.
    pub(super) fn lost_some(&mut self, topic: &str, out: &mut impl Deliver) {
        self.tally.gaps += 1;
        out.lost(topic, None);
    }

    pub(super) fn deliver(
        &mut self,
        topic: &str,
        envelope: Envelope<'_>,
        from_log: bool,
        out: &mut impl Deliver,
    ) {
        match envelope.publication(topic) {
            Ok(event) => {
                self.tally.arrived += 1;
                self.tally.repaired += u64::from(from_log);
                let Stamps {
                    publisher,
                    serial,
                    micros,
                    ..
                } = envelope.stamps;
                let lag = self.now.micros.saturating_sub(micros);
                self.tally.late += u64::from(!from_log && lag > LATE_MICROS);
                let origin = Origin {
                    publisher,
                    serial,
                    micros,
                };
                out.numbered(event, origin);
            }
            Err(_) => {
                self.tally.unreadable += 1;
                self.lost(topic, 1, out);
            }
        }
    }
}
