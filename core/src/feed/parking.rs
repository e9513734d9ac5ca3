//! Where subscriptions that pull wait for a feed to grow.
//!
//! A parked reader leaves its waker and the cursor it stands at in a slot of a dense
//! slab. A publisher does not wake anybody under the feed's lock: it takes wakers
//! out in batches, lets go of the lock, wakes, and comes back for the next batch.
//!
//! # Invariants
//!
//! - A slot is armed only by a reader that, under the feed's lock, found nothing at
//!   its cursor; every append happens under the same lock. So there is no moment at
//!   which a reader sleeps and an event it should have is in the log unannounced.
//! - A pass visits each slot once, in order, and takes only wakers whose cursor is
//!   below the end it was started for: readers that woke, read and parked again
//!   during the pass are not woken twice.

use std::task::Waker;

use smallvec::SmallVec;

/// How many wakers leave the lock at a time. One in a model, so that two are a crowd.
pub(crate) const BATCH: usize = if cfg!(loom) { 1 } else { 32 };

/// Wakers on their way out of the lock.
pub(crate) type Wakers = SmallVec<[Waker; BATCH]>;

#[derive(Default)]
pub(crate) struct Parking {
    slots: Vec<Slot>,
    free: Vec<u32>,
    armed: u32,
}

#[derive(Default)]
struct Slot {
    waker: Option<Waker>,
    cursor: u64,
}

/// A reader's place in the slab; it keeps it from one wait to the next.
pub(crate) type SlotId = u32;

/// A reader that has never waited.
pub(crate) const NO_SLOT: SlotId = SlotId::MAX;

impl Parking {
    pub(crate) fn has_armed(&self) -> bool {
        self.armed > 0
    }

    /// Parks a reader in its slot, or a new one. Gives back the waker that is not needed
    /// (any more), to be dropped outside the lock.
    pub(crate) fn arm(&mut self, slot: &mut SlotId, waker: Waker, cursor: u64) -> Option<Waker> {
        if *slot == NO_SLOT {
            *slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            });
        }
        let entry = &mut self.slots[*slot as usize];
        entry.cursor = cursor;
        match &entry.waker {
            Some(old) if old.will_wake(&waker) => Some(waker),
            Some(_) => entry.waker.replace(waker),
            None => {
                self.armed += 1;
                entry.waker = Some(waker);
                None
            }
        }
    }

    /// Gives a slot back. The waker, if any, is to be dropped outside the lock.
    pub(crate) fn release(&mut self, slot: SlotId) -> Option<Waker> {
        if slot == NO_SLOT {
            return None;
        }
        let waker = self.slots[slot as usize].waker.take();
        self.armed -= u32::from(waker.is_some());
        self.free.push(slot);
        if self.free.len() == self.slots.len() {
            // Everybody is gone: a storm of waiters leaves nothing behind.
            *self = Parking::default();
        }
        waker
    }

    /// Goes on with a pass at slot `from`: takes up to [`BATCH`] wakers of readers
    /// that stand before `end`. Returns where to go on, or `None` when through.
    pub(crate) fn take(&mut self, from: usize, end: u64, wakers: &mut Wakers) -> Option<usize> {
        let mut at = from;
        while self.armed > 0 && at < self.slots.len() {
            if wakers.len() == BATCH {
                return Some(at);
            }
            let slot = &mut self.slots[at];
            if slot.cursor < end
                && let Some(waker) = slot.waker.take()
            {
                self.armed -= 1;
                wakers.push(waker);
            }
            at += 1;
        }
        None
    }
}
