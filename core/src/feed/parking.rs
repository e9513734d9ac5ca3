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
//! - A pass visits each slot once, in order, and takes only wakers of readers whose
//!   events are there at the end it was started for: readers that woke, read and parked
//!   again during the pass are not woken twice.
//! - `nearest` is at most the `until` of every armed slot, so an append that nobody
//!   waits for yet costs one comparison.

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
    nearest: u64,
}

#[derive(Default)]
struct Slot {
    waker: Option<Waker>,
    /// Where the reader stands.
    cursor: u64,
    /// The last event that it waits for.
    until: u64,
}

/// Whom a pass wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// Who waits for an event before this one.
    pub(crate) end: u64,
    /// Who stands before this one, however much more he waits for: the log is so full
    /// that it would soon push out what he has not read.
    pub(crate) pressed: u64,
}

impl Due {
    /// Everybody.
    pub(crate) const ALL: Due = Due {
        end: u64::MAX,
        pressed: u64::MAX,
    };
}

/// A reader's place in the slab; it keeps it from one wait to the next.
pub(crate) type SlotId = u32;

/// A reader that has never waited.
pub(crate) const NO_SLOT: SlotId = SlotId::MAX;

impl Parking {
    pub(crate) fn has_armed(&self) -> bool {
        self.armed > 0
    }

    /// Parks a reader in its slot, or a new one, until the event `until` is there. Gives
    /// back the waker that is not needed (any more), to be dropped outside the lock.
    pub(crate) fn arm(
        &mut self,
        slot: &mut SlotId,
        waker: Waker,
        cursor: u64,
        until: u64,
    ) -> Option<Waker> {
        if *slot == NO_SLOT {
            *slot = self.free.pop().unwrap_or_else(|| {
                self.slots.push(Slot::default());
                self.slots.len() as u32 - 1
            });
        }
        self.nearest = match self.armed {
            0 => until,
            _ => self.nearest.min(until),
        };
        let entry = &mut self.slots[*slot as usize];
        (entry.cursor, entry.until) = (cursor, until);
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
    /// that are due. Returns where to go on, or `None` when through.
    pub(crate) fn take(&mut self, from: usize, due: Due, wakers: &mut Wakers) -> Option<usize> {
        if self.nearest >= due.end && due.pressed == 0 {
            return None;
        }
        let mut nearest = u64::MAX;
        let mut at = from;
        while self.armed > 0 && at < self.slots.len() {
            if wakers.len() == BATCH {
                return Some(at);
            }
            let slot = &mut self.slots[at];
            if slot.waker.is_some() {
                if slot.until < due.end || slot.cursor < due.pressed {
                    self.armed -= 1;
                    wakers.extend(slot.waker.take());
                } else {
                    nearest = nearest.min(slot.until);
                }
            }
            at += 1;
        }
        if from == 0 {
            // Everybody was looked at, under one lock.
            self.nearest = nearest;
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

    /// A reader, how often it was woken, and if it is parked where it stands and what it
    /// waits for.
    struct Reader {
        slot: SlotId,
        count: Arc<Count>,
        parked: Option<(u64, u64)>,
        woken: usize,
    }

    /// A whole pass.
    fn pass(parking: &mut Parking, due: Due) {
        let mut wakers = Wakers::new();
        let mut from = Some(0);
        while let Some(at) = from {
            from = parking.take(at, due, &mut wakers);
            assert!(wakers.len() <= BATCH);
            wake_all(&mut wakers);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Steps: arm at a cursor for so many events, release, or a pass.
        #[test]
        fn a_pass_wakes_exactly_those_who_are_due(
            readers in 1..100_usize,
            steps in prop::collection::vec(
                (0..8_u8, any::<usize>(), 0..10_u64, 0..5_u64),
                1..300,
            ),
        ) {
            let mut parking = Parking::default();
            let reader = || Reader {
                slot: NO_SLOT,
                count: Arc::default(),
                parked: None,
                woken: 0,
            };
            let mut readers: Vec<Reader> = std::iter::repeat_with(reader).take(readers).collect();
            for (what, which, cursor, more) in steps {
                let chosen = which % readers.len();
                let reader = &mut readers[chosen];
                match what {
                    0 => {
                        let _ = parking.release(std::mem::replace(&mut reader.slot, NO_SLOT));
                        reader.parked = None;
                    }
                    1 => {
                        let pressed = if which % 3 == 0 { more } else { 0 };
                        pass(&mut parking, Due { end: cursor, pressed });
                        for reader in &mut readers {
                            let due = |&mut (at, until): &mut (u64, u64)| {
                                until < cursor || at < pressed
                            };
                            reader.woken += usize::from(reader.parked.take_if(due).is_some());
                        }
                    }
                    _ => {
                        // Now and then with another waker than before.
                        if what == 2 {
                            prop_assert_eq!(reader.count.0.load(Ordering::Relaxed), reader.woken);
                            (reader.count, reader.woken) = (Arc::default(), 0);
                        }
                        let waker = Waker::from(Arc::clone(&reader.count));
                        let until = cursor + more;
                        let _ = parking.arm(&mut reader.slot, waker, cursor, until);
                        reader.parked = Some((cursor, until));
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
