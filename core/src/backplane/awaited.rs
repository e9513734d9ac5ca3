//! Waiting for a backplane to be done with something: by tasks, and by threads.

use std::{
    task::{Context, Poll, Waker},
    time::Instant,
};

use crate::{
    sync::{Condvar, Mutex, StdArc},
    wake::contained,
};

/// The half of those who wait; any number of them.
#[derive(Clone)]
pub(super) struct Awaited(StdArc<Shared>);

/// The backplane's half. Dropped untold, it says that nobody will tell.
pub(super) struct Teller(StdArc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    /// Whether it was told, once that or the opposite is certain.
    outcome: Option<bool>,
    wakers: Vec<Waker>,
}

impl Awaited {
    pub(super) fn pair() -> (Teller, Awaited) {
        let shared = StdArc::new(Shared::default());
        (Teller(StdArc::clone(&shared)), Awaited(shared))
    }

    /// Whether it was told; `None` while that may still be.
    pub(super) fn outcome(&self) -> Option<bool> {
        self.0.state.lock().outcome
    }

    /// Blocks the thread until that is known, at most until `deadline`.
    pub(super) fn wait(&self, deadline: Instant) -> Option<bool> {
        let mut state = self.0.state.lock();
        while state.outcome.is_none() {
            if self.0.rung.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.outcome
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<bool> {
        // Foreign code runs in its clone, and in the destructor of one that is not kept.
        let waker = cx.waker().clone();
        let mut state = self.0.state.lock();
        if let Some(outcome) = state.outcome {
            return Poll::Ready(outcome);
        }
        if !state.wakers.iter().any(|known| known.will_wake(&waker)) {
            state.wakers.push(waker);
        }
        Poll::Pending
    }
}

impl Teller {
    pub(super) fn tell(self) {
        self.0.settle(true);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.settle(false);
    }
}

impl Shared {
    /// The first word counts.
    fn settle(&self, outcome: bool) {
        let wakers = {
            let mut state = self.state.lock();
            state.outcome.get_or_insert(outcome);
            std::mem::take(&mut state.wakers)
        };
        self.rung.notify_all();
        for waker in wakers {
            contained(|| waker.wake());
        }
    }
}
