//! What waits although its link is free: topics whose logs the hub itself has yet to read.
//!
//! A hub that publishes and listens comes back from a break with a queue. Sent at once, it
//! may trim from a log what others published meanwhile, before the hub has read that. So
//! for a moment after a connection was made, events of such topics are held.
//!
//! # Invariants
//!
//! - Once an event of a topic is held, all later ones are, until none is held.
//! - Nothing is held for longer than [`LONGEST`] after the connection was made, and nothing
//!   that would soon be too late.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ahash::AHashSet as HashSet;

use super::{Limits, parcel::Parcel};
use crate::topic::Topic;

/// How long a repair is waited for at most.
const LONGEST: Duration = Duration::from_secs(2);
/// How long before its deadline an event goes out all the same.
const MARGIN: Duration = Duration::from_millis(500);
/// How often it is looked whether logs have been read.
const GLANCE: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(super) struct Holding {
    /// Until when anything is held, once a connection stands.
    until: Option<Instant>,
    /// When to look again.
    glance: Option<Instant>,
    topics: HashSet<Topic>,
    /// Oldest first.
    pub(super) parcels: VecDeque<Parcel>,
}

impl Holding {
    /// A connection stands; nothing is held yet.
    pub(super) fn begin(&mut self, now: Instant) {
        self.until = Some(now + LONGEST);
        self.glance = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    /// Whether what is held may go: the time is over, or a log has been read.
    pub(super) fn is_over(&mut self, now: Instant, behind: impl Fn(&Topic) -> bool) -> bool {
        if self.until.is_none_or(|until| until <= now) {
            self.until = None;
            return true;
        }
        if self.topics.is_empty() || self.glance.is_some_and(|glance| now < glance) {
            return false;
        }
        self.glance = Some(now + GLANCE);
        !self.topics.iter().all(behind)
    }

    /// Whether an event has to wait here.
    pub(super) fn holds(
        &self,
        parcel: &Parcel,
        now: Instant,
        limits: &Limits,
        behind: impl Fn(&Topic) -> bool,
    ) -> bool {
        if self.until.is_none() || !parcel.way.is_logged() {
            return false;
        }
        let topic = parcel.topic();
        self.topics.contains(topic) || (!is_urgent(parcel, now, limits) && behind(topic))
    }

    pub(super) fn hold(&mut self, parcel: Parcel) {
        if !self.topics.contains(parcel.topic()) {
            self.topics.insert(parcel.topic().clone());
        }
        self.parcels.push_back(parcel);
    }

    /// The oldest, if it can wait no longer.
    pub(super) fn urgent(&self, now: Instant, limits: &Limits) -> Option<&Parcel> {
        let oldest = self.parcels.front();
        oldest.filter(|oldest| is_urgent(oldest, now, limits))
    }

    /// Lets all go, in order.
    pub(super) fn take(&mut self) -> VecDeque<Parcel> {
        self.topics.clear();
        std::mem::take(&mut self.parcels)
    }
}

fn is_urgent(parcel: &Parcel, now: Instant, limits: &Limits) -> bool {
    now + MARGIN >= parcel.at + limits.deadline
}
