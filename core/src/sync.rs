//! The one place that names locks, atomics and queues.
//!
//! A normal build takes `parking_lot` and `crossbeam`; a build with `--cfg loom`
//! takes loom's models of them, so that the hand-over protocols (`feed`,
//! `wake::Post`, the gate of callbacks, the notes for a backplane) run unchanged under
//! the model checker. Nothing that hands events over names a primitive elsewhere, which is
//! what makes those models say something about the shipped code. Reference counts hand
//! nothing over and are not modelled; [`Arc`] is one without a weak count, [`StdArc`] the
//! one that methods, wakers and trait objects ask for.
//!
//! # Lock order
//!
//! A thread takes these only downwards, and holds at most one of a row, but for the
//! orders of several topics, which a resume takes by name:
//!
//! 1. the turn of publishers that wait (`hub::room`), the topics that are counted
//! 2. a topic's publishing order, held by one publisher through routing and append
//! 3. a shard of the topic table (`hub::table`)
//! 4. a topic's admissions (`hub::node`)
//! 5. the pattern table (`hub::patterns`)
//! 6. a pattern's admissions
//! 7. a feed's state (`feed`), a topic's history
//! 8. leaves, under which nothing is taken: the registry of selectors, the register of
//!    feeds that hold events, what feeds share, the places of one feed, a lane's bell,
//!    a gate's waiting thread, the interned paths and shapes
//!
//! A shard's lock is never waited for by a holder of 4 to 8; who has a shard only tries
//! a topic's order. No waker, callback, sink or destructor of a payload runs under any
//! of them: what is to be woken, rung or dropped is carried out of the lock first.

pub(crate) use std::sync::Arc as StdArc;
pub(crate) use triomphe::Arc;

#[cfg(not(loom))]
pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering, fence};

/// Atomics that only count: they hand nothing over, so a model need not take them
/// apart, and keeps those of `std`.
pub(crate) mod counters {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
}

#[cfg(not(loom))]
pub(crate) use std::thread;

#[cfg(loom)]
pub(crate) use loom::thread;

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use modelled::Mutex;

/// A lock-free queue of any number of producers and consumers.
#[cfg(not(loom))]
pub(crate) type Queue<T> = crossbeam::queue::SegQueue<T>;
#[cfg(loom)]
pub(crate) use modelled::Queue;

/// loom's primitives in the shape of the ones they stand for.
#[cfg(loom)]
mod modelled {
    use std::collections::VecDeque;

    /// A `parking_lot` lock, as loom knows it.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("no thread panics while it holds a lock in a model")
        }

        pub(crate) fn try_lock(&self) -> Option<loom::sync::MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// A queue whose every operation is one step, as the lock-free one promises.
    pub(crate) struct Queue<T>(Mutex<VecDeque<T>>);

    impl<T> Queue<T> {
        pub(crate) fn new() -> Self {
            Queue(Mutex::new(VecDeque::new()))
        }

        pub(crate) fn push(&self, value: T) {
            self.0.lock().push_back(value);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.lock().pop_front()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }

        pub(crate) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }
}
