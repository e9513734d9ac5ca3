//! Where a publisher waits for room, if it asked to.
//!
//! Nobody waits here unless it called
//! [`publish_wait`](crate::Hub::publish_wait); readers pay one load for the
//! possibility.

use std::time::Instant;

use crate::sync::{AtomicU32, Condvar, Mutex, MutexGuard, Ordering};

#[derive(Default)]
pub(crate) struct Room {
    waiting: AtomicU32,
    /// Raised whenever some feed let go of something.
    version: Mutex<u64>,
    changed: Condvar,
    /// One waiting publisher at a time looks for room and takes it.
    turn: Mutex<()>,
}

impl Room {
    /// Held by a waiting publisher from its look at the feeds until it has appended.
    pub(crate) fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }

    /// Some feed let go of something.
    pub(crate) fn made(&self) {
        // A waiter announces itself before it looks at the feeds, and the feeds' locks
        // order its look against the change that led here.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            *self.version.lock() += 1;
            self.changed.notify_all();
        }
    }

    /// Calls `attempt` until it gives something, each time that room was made, or
    /// until the deadline.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Instant,
        mut attempt: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let result = loop {
            let seen = *self.version.lock();
            if let Some(result) = attempt() {
                break Some(result);
            }
            let mut version = self.version.lock();
            while *version == seen {
                if self.changed.wait_until(&mut version, deadline).timed_out() {
                    break;
                }
            }
            drop(version);
            if Instant::now() >= deadline {
                break attempt();
            }
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        result
    }
}
