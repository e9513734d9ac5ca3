//! Notes from any thread for one that takes them, and the bell that tells it of some.
//!
//! To note something and to tell of it are two steps: whoever notes under a lock tells once
//! it holds none. Of all who noted, the first that looks is the one to tell; the taker
//! silences the bell when it finds no note, and then looks once more.
//!
//! # Invariants
//!
//! - A note is pushed before the bell is touched, and the bell is silenced before the last
//!   look at the notes: none is left lying while nobody is to tell of it.
//! - To note something runs nothing foreign.
//! - What was true before a note was pushed is seen by whoever takes it.
//! - Once nobody takes notes any more, none is kept.

use crate::sync::{AtomicU8, Ordering, Queue};

/// There are notes that are not taken anyway.
const NOTED: u8 = 1;

/// Their taker was told, and takes until there are none.
const TOLD: u8 = 2;

/// Nobody takes notes any more.
const ENDED: u8 = 4;

/// The notes, and whether their taker has been told of them.
pub(crate) struct Notes<T> {
    notes: Queue<T>,
    bell: AtomicU8,
}

impl<T> Notes<T> {
    pub(crate) fn new() -> Self {
        Notes {
            notes: Queue::new(),
            bell: AtomicU8::new(0),
        }
    }

    /// Notes something. Whoever does asks soon whether it [is to be told](Notes::is_to_be_told).
    pub(crate) fn note(&self, note: T) {
        if self.bell.load(Ordering::Acquire) & ENDED != 0 {
            return;
        }
        self.notes.push(note);
        // Written also where nothing changes: see `next`.
        let before = self.bell.fetch_or(NOTED, Ordering::AcqRel);
        if before & ENDED != 0 {
            // It ended in between, and may have looked before the push.
            self.clear();
        }
    }

    /// Whether the taker has to be told, by the caller.
    #[must_use]
    pub(crate) fn is_to_be_told(&self) -> bool {
        let (taken, given) = (Ordering::AcqRel, Ordering::Acquire);
        self.bell
            .compare_exchange(NOTED, NOTED | TOLD, taken, given)
            .is_ok()
    }

    /// The next note. Whoever has begun to take goes on until there is none.
    pub(crate) fn next(&self) -> Option<T> {
        if let Some(note) = self.notes.pop() {
            return Some(note);
        }
        // Whoever has written before this has pushed before, and the look below sees it.
        self.bell.fetch_and(ENDED, Ordering::AcqRel);
        let late = self.notes.pop()?;
        // It is taken without having been told of; who comes now need not tell either.
        self.bell.fetch_or(NOTED | TOLD, Ordering::AcqRel);
        Some(late)
    }

    /// How many notes there are.
    #[cfg(any(feature = "redis", loom))]
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }

    /// Nobody takes notes any more.
    #[cfg(any(feature = "redis", loom))]
    pub(crate) fn end(&self) {
        self.bell.fetch_or(ENDED, Ordering::AcqRel);
        self.clear();
    }

    fn clear(&self) {
        while self.notes.pop().is_some() {}
    }
}

#[cfg(all(test, feature = "redis", not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_a_taker_that_has_ended() {
        let notes = Notes::new();
        notes.note(1);
        assert!(notes.is_to_be_told());
        notes.note(2);
        assert!(!notes.is_to_be_told(), "it was told");
        assert_eq!(notes.len(), 2);
        notes.end();
        notes.note(3);
        assert!(!notes.is_to_be_told());
        assert_eq!(notes.len(), 0);
        assert_eq!(notes.next(), None);
    }
}

/// Models of the bell. A note that is slept over shows as a deadlock, which the checker
/// reports.
#[cfg(all(test, loom))]
mod loom_tests {
    use loom::{sync::Notify, thread};

    use super::*;
    use crate::{
        sync::{AtomicBool, StdArc},
        wake::loom_tests::check,
    };

    /// The notes of a hub, and how its backplane is told.
    struct Desk {
        notes: Notes<usize>,
        told: Notify,
    }

    impl Desk {
        fn new() -> StdArc<Self> {
            StdArc::new(Desk {
                notes: Notes::new(),
                told: Notify::new(),
            })
        }

        fn note(&self, name: usize) {
            self.notes.note(name);
            self.tell();
        }

        fn tell(&self) {
            if self.notes.is_to_be_told() {
                self.told.notify();
            }
        }
    }

    #[test]
    fn loom_no_note_is_slept_over() {
        check(|| {
            let desk = Desk::new();
            let hubs = [0, 1].map(|name| {
                let desk = StdArc::clone(&desk);
                thread::spawn(move || {
                    // As under a lock, and then without.
                    desk.notes.note(name);
                    desk.note(name);
                })
            });
            let mut taken = [0; 2];
            while taken != [2; 2] {
                desk.told.wait();
                while let Some(name) = desk.notes.next() {
                    taken[name] += 1;
                }
            }
            for hub in hubs {
                hub.join().unwrap();
            }
        });
    }

    #[test]
    fn loom_whoever_takes_the_last_note_sees_what_is_true() {
        check(|| {
            let desk = Desk::new();
            let listened_to = StdArc::new(AtomicBool::new(false));
            let hub = {
                let (desk, listened_to) = (StdArc::clone(&desk), StdArc::clone(&listened_to));
                thread::spawn(move || {
                    for is in [true, false, true] {
                        // The lock of a topic's admissions orders these alone.
                        listened_to.store(is, Ordering::Relaxed);
                        desk.note(0);
                    }
                })
            };
            let (mut taken, mut wanted) = (0, false);
            while taken < 3 {
                desk.told.wait();
                while desk.notes.next().is_some() {
                    taken += 1;
                    wanted = listened_to.load(Ordering::Relaxed);
                }
            }
            assert!(wanted);
            hub.join().unwrap();
        });
    }

    #[test]
    fn loom_nothing_is_kept_for_a_taker_that_has_ended() {
        check(|| {
            let desk = Desk::new();
            let hubs = [0, 1].map(|name| {
                let desk = StdArc::clone(&desk);
                thread::spawn(move || desk.note(name))
            });
            desk.notes.end();
            for hub in hubs {
                hub.join().unwrap();
            }
            assert_eq!(desk.notes.len(), 0);
        });
    }
}
