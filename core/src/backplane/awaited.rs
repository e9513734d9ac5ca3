//! Waiting for a backplane to be done with something: by tasks, and by threads.
//!
//! # Invariants
//!
//! - An outcome comes, and once: a teller that is dropped tells what it was made with.
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

/// The half of those who wait; any number of them.
pub(super) struct Awaited<T>(StdArc<Shared<T>>);

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
    wakers: SmallVec<[Waker; 1]>,
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
        (teller, Awaited(shared))
    }

    /// What was told, if anything was.
    pub(super) fn outcome(&self) -> Option<T> {
        self.0.state.lock().outcome.clone()
    }

    /// Blocks the thread until something is told, at most until `deadline`.
    pub(super) fn wait(&self, deadline: Instant) -> Option<T> {
        let mut state = self.0.state.lock();
        while state.outcome.is_none() {
            if self.0.rung.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.outcome.clone()
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<T> {
        // Foreign code runs in its clone, and in the destructor of one that is not kept.
        let waker = cx.waker().clone();
        let mut state = self.0.state.lock();
        if let Some(outcome) = &state.outcome {
            let outcome = outcome.clone();
            drop(state);
            return Poll::Ready(outcome);
        }
        if !state.wakers.iter().any(|known| known.will_wake(&waker)) {
            state.wakers.push(waker);
        }
        Poll::Pending
    }
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Awaited(StdArc::clone(&self.0))
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
        for waker in wakers {
            contained(|| waker.wake());
        }
    }
}
