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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::wake::wake_all;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A reader, how often it was woken, and where it stands if it is parked.
    struct Reader {
        slot: SlotId,
        count: Arc<Count>,
        parked: Option<u64>,
        woken: usize,
    }

    /// A whole pass for those who stand before `end`.
    fn pass(parking: &mut Parking, end: u64) {
        let mut wakers = Wakers::new();
        let mut from = Some(0);
        while let Some(at) = from {
            from = parking.take(at, end, &mut wakers);
            assert!(wakers.len() <= BATCH);
            wake_all(&mut wakers);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Steps: arm at a cursor, release, or a pass up to a cursor.
        #[test]
        fn a_pass_wakes_exactly_those_who_stand_before_its_end(
            readers in 1..100_usize,
            steps in prop::collection::vec((0..8_u8, any::<usize>(), 0..10_u64), 1..300),
        ) {
            let mut parking = Parking::default();
            let reader = || Reader {
                slot: NO_SLOT,
                count: Arc::default(),
                parked: None,
                woken: 0,
            };
            let mut readers: Vec<Reader> = std::iter::repeat_with(reader).take(readers).collect();
            for (what, which, cursor) in steps {
                let chosen = which % readers.len();
                let reader = &mut readers[chosen];
                match what {
                    0 => {
                        let _ = parking.release(std::mem::replace(&mut reader.slot, NO_SLOT));
                        reader.parked = None;
                    }
                    1 => {
                        pass(&mut parking, cursor);
                        for reader in &mut readers {
                            let before = reader.parked.take_if(|at| *at < cursor);
                            reader.woken += usize::from(before.is_some());
                        }
                    }
                    _ => {
                        // Now and then with another waker than before.
                        if what == 2 {
                            prop_assert_eq!(reader.count.0.load(Ordering::Relaxed), reader.woken);
                            (reader.count, reader.woken) = (Arc::default(), 0);
                        }
                        let waker = Waker::from(Arc::clone(&reader.count));
                        let _ = parking.arm(&mut reader.slot, waker, cursor);
                        reader.parked = Some(cursor);
                    }
                }
                for reader in &readers {
                    prop_assert_eq!(reader.count.0.load(Ordering::Relaxed), reader.woken);
                }
                let armed = readers.iter().any(|reader| reader.parked.is_some());
                prop_assert_eq!(parking.has_armed(), armed);
            }
            // The last one to leave takes everything along.
            for reader in &mut readers {
                let _ = parking.release(std::mem::replace(&mut reader.slot, NO_SLOT));
                prop_assert_eq!(Arc::strong_count(&reader.count), 1);
            }
            prop_assert_eq!((parking.slots.capacity(), parking.free.capacity()), (0, 0));
        }
    }
}
