//! The gate between a callback and whoever unsubscribes it from another thread.
//!
//! A lane thread passes the gate for each delivery; a leaver shuts it. Shut, nothing
//! passes any more. If the lane is inside at that moment, the leaver waits until it
//! has come out, so that after `unsubscribe` the callback has run for the last time;
//! a callback that unsubscribes itself does not wait for itself.

use crate::sync::{
    AtomicU8, Mutex, Ordering,
    thread::{self, Thread, ThreadId},
};

const OPEN: u8 = 0;
/// The lane is inside.
const BUSY: u8 = 1;
/// The lane is inside, and nobody else will pass.
const CLOSING: u8 = 2;
const SHUT: u8 = 3;

pub(super) struct Gate {
    state: AtomicU8,
    waiting: Mutex<Option<Thread>>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Gate {
            state: AtomicU8::new(OPEN),
            waiting: Mutex::new(None),
        }
    }

    /// Runs `f` inside, unless the gate is shut.
    pub(super) fn pass<T>(&self, f: impl FnOnce() -> T) -> Option<T> {
        self.swap(OPEN, BUSY)?;
        let result = f();
        if self.swap(BUSY, OPEN).is_none() {
            // Somebody has shut it meanwhile and may wait.
            self.state.store(SHUT, Ordering::SeqCst);
            let waiting = self.waiting.lock().take();
            if let Some(thread) = waiting {
                thread.unpark();
            }
        }
        Some(result)
    }

    fn swap(&self, from: u8, to: u8) -> Option<u8> {
        let (taken, given) = (Ordering::SeqCst, Ordering::SeqCst);
        self.state.compare_exchange(from, to, taken, given).ok()
    }

    /// Shuts the gate and waits until nobody is inside, unless it is the lane's own
    /// thread that shuts it. A lane whose thread is not known has not begun.
    pub(super) fn shut(&self, lane: Option<ThreadId>) {
        if self.bar() == OPEN || lane == Some(thread::current().id()) {
            return;
        }
        loop {
            *self.waiting.lock() = Some(thread::current());
            if self.is_shut() {
                return;
            }
            thread::park();
        }
    }

    /// Shuts the gate from inside or beside it, without waiting.
    pub(super) fn close(&self) {
        self.bar();
    }

    /// Lets nobody pass any more, in one step: the lane may come and go meanwhile. The
    /// state that was found.
    fn bar(&self) -> u8 {
        let barred = |state| match state {
            OPEN => Some(SHUT),
            BUSY => Some(CLOSING),
            _ => None,
        };
        let found = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, barred);
        found.unwrap_or_else(|state| state)
    }

    pub(super) fn is_shut(&self) -> bool {
        self.state.load(Ordering::SeqCst) == SHUT
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        sync::{AtomicBool, StdArc},
        wake::loom_tests::check,
    };

    #[test]
    fn loom_nothing_passes_a_gate_that_was_shut() {
        check(|| {
            let gate = StdArc::new(Gate::new());
            let gone = StdArc::new(AtomicBool::new(false));
            let lane = {
                let (gate, gone) = (StdArc::clone(&gate), StdArc::clone(&gone));
                thread::spawn(move || {
                    for _ in 0..2 {
                        gate.pass(|| {
                            assert!(!gone.load(Ordering::SeqCst), "ran after it was shut");
                        });
                    }
                })
            };
            gate.shut(Some(lane.thread().id()));
            gone.store(true, Ordering::SeqCst);
            assert!(gate.is_shut());
            lane.join().unwrap();
        });
    }

    #[test]
    fn loom_a_callback_that_shuts_its_own_gate_does_not_wait() {
        check(|| {
            let gate = StdArc::new(Gate::new());
            let other = {
                let gate = StdArc::clone(&gate);
                thread::spawn(move || gate.close())
            };
            gate.pass(|| gate.shut(Some(thread::current().id())));
            assert_eq!(gate.pass(|| ()), None);
            other.join().unwrap();
            assert!(gate.is_shut());
        });
    }
}
