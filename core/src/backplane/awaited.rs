//! Waiting for a backplane to be done with something: by tasks, and by threads.
//!
//! # Invariants
//!
//! - An outcome comes, and once: a teller that is dropped tells what it was made with.
//! - One who waits has one waker here, that of its last poll, and none once it is gone.
//! - Who stops waiting leaves nothing behind: a teller keeps what it would tell, and nobody
//!   whom.
//! - Foreign code (wakers) runs outside the lock, and a panic of it reaches nobody else.

use std::{
    sync::Weak,
    task::{Context, Poll, Waker},
    time::Instant,
};

use smallvec::SmallVec;

use crate::{
    sync::{Condvar, Mutex, StdArc},
    wake::contained,
};

/// The half of one who waits; a clone is another one.
pub(super) struct Awaited<T> {
    shared: StdArc<Shared<T>>,
    /// Where its waker is kept, once it has left one.
    place: Option<usize>,
}

/// The backplane's half.
pub(super) struct Teller<T> {
    shared: Weak<Shared<T>>,
    /// What is told if nothing else ever is.
    untold: Option<T>,
}

pub(super) struct Shared<T> {
    state: Mutex<State<T>>,
    rung: Condvar,
}

struct State<T> {
    outcome: Option<T>,
    /// In places of those who wait.
    wakers: SmallVec<[Option<Waker>; 1]>,
}

impl<T: Clone> Awaited<T> {
    pub(super) fn pair(untold: T) -> (Teller<T>, Awaited<T>) {
        let shared = StdArc::new(Shared {
            state: Mutex::new(State {
                outcome: None,
                wakers: SmallVec::new(),
            }),
            rung: Condvar::new(),
        });
        let teller = Teller {
            shared: StdArc::downgrade(&shared),
            untold: Some(untold),
        };
        let place = None;
        (teller, Awaited { shared, place })
    }

    /// What was told, if anything was.
    pub(super) fn outcome(&self) -> Option<T> {
        self.shared.state.lock().outcome.clone()
    }

    /// Blocks the thread until something is told, at most until `deadline`.
    pub(super) fn wait(&self, deadline: Instant) -> Option<T> {
        let mut state = self.shared.state.lock();
        while state.outcome.is_none() {
            if self
                .shared
                .rung
                .wait_until(&mut state, deadline)
                .timed_out()
            {
                break;
            }
        }
        state.outcome.clone()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        // Foreign code runs in its clone, and in the destructor of one that is not kept.
        let waker = cx.waker().clone();
        let mut state = self.shared.state.lock();
        if let Some(outcome) = &state.outcome {
            let outcome = outcome.clone();
            drop(state);
            return Poll::Ready(outcome);
        }
        let wakers = &mut state.wakers;
        let place = *self.place.get_or_insert_with(|| {
            let free = wakers.iter().position(Option::is_none);
            free.unwrap_or_else(|| {
                wakers.push(None);
                wakers.len() - 1
            })
        });
        let before = wakers[place].replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Awaited {
            shared: StdArc::clone(&self.shared),
            place: None,
        }
    }
}

impl<T> Drop for Awaited<T> {
    fn drop(&mut self) {
        let Some(place) = self.place else {
            return;
        };
        let waker = {
            let mut state = self.shared.state.lock();
            // No place is left once something was told.
            state.wakers.get_mut(place).and_then(Option::take)
        };
        contained(|| drop(waker));
    }
}

impl<T> Teller<T> {
    pub(super) fn tell(mut self, outcome: T) {
        self.untold = None;
        self.settle(outcome);
    }

    /// Those who wait.
    pub(super) fn awaited(&self) -> &Weak<Shared<T>> {
        &self.shared
    }

    fn settle(&self, outcome: T) {
        if let Some(shared) = self.shared.upgrade() {
            shared.settle(outcome);
        }
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        if let Some(outcome) = self.untold.take() {
            self.settle(outcome);
        }
    }
}

impl<T> Shared<T> {
    fn settle(&self, outcome: T) {
        let wakers = {
            let mut state = self.state.lock();
            state.outcome = Some(outcome);
            std::mem::take(&mut state.wakers)
        };
        self.rung.notify_all();
        for waker in wakers.into_iter().flatten() {
            contained(|| waker.wake());
        }
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

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Polls with a waker of its own.
    fn poll(awaited: &mut Awaited<u8>) -> (Arc<Wakes>, Poll<u8>) {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let polled = awaited.poll(&mut Context::from_waker(&waker));
        (wakes, polled)
    }

    fn woken(wakes: &Wakes) -> usize {
        wakes.0.load(Ordering::Relaxed)
    }

    #[test]
    fn one_who_waits_keeps_the_last_waker_alone() {
        let (teller, mut one) = Awaited::pair(0);
        let mut other = one.clone();
        let (others, _) = poll(&mut other);
        let polls: Vec<_> = (0..1_000).map(|_| poll(&mut one).0).collect();
        let (last, before) = polls.split_last().unwrap();
        assert!(before.iter().all(|wakes| Arc::strong_count(wakes) == 1));
        assert_eq!(Arc::strong_count(last), 2);
        teller.tell(7);
        assert!(before.iter().all(|wakes| woken(wakes) == 0));
        assert_eq!((woken(last), woken(&others)), (1, 1));
        assert_eq!(poll(&mut one).1, Poll::Ready(7));
        assert_eq!(poll(&mut other).1, Poll::Ready(7));
    }

    #[test]
    fn one_who_is_gone_leaves_nothing() {
        let (teller, stays) = Awaited::pair(0);
        for _ in 0..1_000 {
            let mut one = stays.clone();
            let (wakes, polled) = poll(&mut one);
            assert_eq!(polled, Poll::Pending);
            drop(one);
            assert_eq!(Arc::strong_count(&wakes), 1);
        }
        assert_eq!(stays.shared.state.lock().wakers.len(), 1);
        let mut told = stays.clone();
        let (wakes, _) = poll(&mut told);
        drop(teller);
        assert_eq!(woken(&wakes), 1);
        drop(told);
    }
}
