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
pub(super) struct Awaited<T>(StdArc<Shared<T>>);

/// The backplane's half. Dropped untold, it says that nobody will tell.
pub(super) struct Teller<T>(StdArc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    rung: Condvar,
}

struct State<T> {
    /// What was told, or that nothing will be, once either is certain.
    outcome: Option<Option<T>>,
    wakers: Vec<Waker>,
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Awaited(StdArc::clone(&self.0))
    }
}

impl<T: Clone> Awaited<T> {
    pub(super) fn pair() -> (Teller<T>, Awaited<T>) {
        let state = State {
            outcome: None,
            wakers: Vec::new(),
        };
        let shared = StdArc::new(Shared {
            state: Mutex::new(state),
            rung: Condvar::new(),
        });
        (Teller(StdArc::clone(&shared)), Awaited(shared))
    }

    /// What was told, or that nothing will be; `None` while neither is certain.
    pub(super) fn outcome(&self) -> Option<Option<T>> {
        self.0.state.lock().outcome.clone()
    }

    /// Blocks the thread until that is known, at most until `deadline`.
    pub(super) fn wait(&self, deadline: Instant) -> Option<Option<T>> {
        let mut state = self.0.state.lock();
        while state.outcome.is_none() {
            if self.0.rung.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.outcome.clone()
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // Foreign code runs in its clone, and in the destructor of one that is not kept.
        let waker = cx.waker().clone();
        let mut state = self.0.state.lock();
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone());
        }
        if !state.wakers.iter().any(|known| known.will_wake(&waker)) {
            state.wakers.push(waker);
        }
        Poll::Pending
    }
}

impl<T> Teller<T> {
    pub(super) fn tell(self, what: T) {
        self.0.settle(Some(what));
    }
}

impl<T> Drop for Teller<T> {
    fn drop(&mut self) {
        self.0.settle(None);
    }
}

impl<T> Shared<T> {
    /// The first word counts.
    fn settle(&self, outcome: Option<T>) {
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
