//! A lane's letter box: which groups have something new, and whether it sleeps.
//!
//! # Protocol
//!
//! A publisher pushes first and then swaps the state to `CALLED`; it rings only if
//! it found `ASLEEP`. A lane that wants to sleep swaps to `ASLEEP` first and then looks
//! at the queues once more. The swaps are in one order for everybody, so either the
//! lane sees the push or the publisher sees it asleep: no wake-up is lost, and one
//! sleep is ended by one ring however many publish meanwhile.

use super::Bell;
use crate::sync::{AtomicU8, Mutex, Ordering, Queue};

/// The lane is at work, or will look again before it sleeps.
const AWAKE: u8 = 0;
/// The lane found nothing and waits for the bell.
const ASLEEP: u8 = 1;
/// Somebody has called since the lane looked last.
const CALLED: u8 = 2;

pub(crate) struct Post {
    ready: Queue<u32>,
    state: AtomicU8,
    bell: Mutex<Bell>,
}

impl Post {
    pub(crate) fn new() -> Self {
        Post {
            ready: Queue::new(),
            state: AtomicU8::new(AWAKE),
            bell: Mutex::new(Bell::None),
        }
    }

    /// Announces a group that has something new. True when the lane slept and this
    /// caller is the one who has to ring.
    #[must_use]
    pub(crate) fn announce(&self, group: u32) -> bool {
        self.ready.push(group);
        self.call()
    }

    /// Announces something in another queue of the lane, already pushed.
    #[must_use]
    pub(crate) fn call(&self) -> bool {
        self.state.swap(CALLED, Ordering::SeqCst) == ASLEEP
    }

    /// The next group that has something new.
    pub(crate) fn next(&self) -> Option<u32> {
        self.ready.pop()
    }

    /// Rings the bell. Never under another lock.
    pub(crate) fn ring(&self) {
        let bell = {
            let mut bell = self.bell.lock();
            match &*bell {
                // A task hears one ring for each time that it waits; to clone its waker here
                // would be to run foreign code under the lock.
                Bell::Task(_) => std::mem::take(&mut *bell),
                _ => bell.clone(),
            }
        };
        bell.ring();
    }

    /// Sets who is rung from now on.
    pub(crate) fn listen(&self, bell: Bell) {
        let before = std::mem::replace(&mut *self.bell.lock(), bell);
        // Dropping a user's waker or callback is calling out: after the lock.
        drop(before);
    }

    /// Goes to sleep unless there is something to do, which `busy` tells for the
    /// lane's other queues. True when the lane may wait for the bell.
    #[must_use]
    pub(crate) fn sleep(&self, busy: impl FnOnce() -> bool) -> bool {
        self.state.swap(ASLEEP, Ordering::SeqCst);
        if self.ready.is_empty() && !busy() {
            return true;
        }
        self.wake();
        false
    }

    /// The lane is up again, for whatever reason.
    pub(crate) fn wake(&self) {
        self.state.swap(AWAKE, Ordering::SeqCst);
    }

    /// Whether the bell has been rung since the lane went to sleep.
    pub(crate) fn is_called(&self) -> bool {
        self.state.load(Ordering::SeqCst) != ASLEEP
    }
}
