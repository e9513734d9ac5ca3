//! What each side of a migration has carried, so that the move can be seen.

use std::time::Instant;

use super::stage::Side;
use crate::{
    backplane::Origin,
    redis::outbox::hub_of,
    sync::{
        Mutex,
        counters::{AtomicU64, Ordering},
    },
};

/// What one side carried for this hub, since the migration began here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SideCounts {
    /// Events that came by it.
    pub read: u64,
    /// Events of this hub that went to it.
    pub written: u64,
    /// Of those that came, the ones that had come by the other side already.
    pub duplicates: u64,
    /// Of those that came, the ones that came by no other side.
    pub only: u64,
}

/// Both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Sides {
    /// Where events come from.
    pub old: SideCounts,
    /// Where they move to.
    pub new: SideCounts,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    sides: [Counter; 2],
}

#[derive(Debug, Default)]
struct Counter {
    read: AtomicU64,
    written: AtomicU64,
    duplicates: AtomicU64,
    last: Mutex<Option<Last>>,
}

/// The last event that came by a side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) at: Instant,
    /// The hub that published it, if the event says so.
    pub(super) by: Option<u64>,
}

impl Counters {
    pub(super) fn read(&self, side: Side, first: bool, origin: Option<Origin>, now: Instant) {
        let counter = &self.sides[side.index()];
        counter.read.fetch_add(1, Ordering::Relaxed);
        if !first {
            counter.duplicates.fetch_add(1, Ordering::Relaxed);
        }
        *counter.last.lock() = Some(Last {
            at: now,
            by: origin.map(|origin| hub_of(origin.publisher)),
        });
    }

    pub(super) fn written(&self, side: Side) {
        self.sides[side.index()]
            .written
            .fetch_add(1, Ordering::Relaxed);
    }

    /// When the last event came by a side, and by whom.
    pub(super) fn last(&self, side: Side) -> Option<Last> {
        *self.sides[side.index()].last.lock()
    }

    pub(super) fn sides(&self) -> Sides {
        let [old, new] = Side::BOTH.map(|side| {
            let of = |side: Side| &self.sides[side.index()];
            let counter = of(side);
            let read = counter.read.load(Ordering::Relaxed);
            let duplicates = counter.duplicates.load(Ordering::Relaxed);
            // Each duplicate of the other side had its first here.
            let twins = of(side.other()).duplicates.load(Ordering::Relaxed);
            SideCounts {
                read,
                written: counter.written.load(Ordering::Relaxed),
                duplicates,
                only: read.saturating_sub(duplicates + twins),
            }
        });
        Sides { old, new }
    }
}
