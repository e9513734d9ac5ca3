//! Waiting until other machines are heard.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use super::interest::Name;
use crate::{
    hub::core::Core,
    sync::{Condvar, Mutex, StdArc},
};

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
struct State {
    outcome: Option<Result<(), JoinError>>,
    waker: Option<Waker>,
}

/// Why a hub does not hear all that it listens to from other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The backplane's server does not let this hub hear these names. All others are heard;
    /// these are asked for again now and then.
    Refused(Vec<Name>),
    /// The hub was closed before.
    Closed,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Refused(names) => {
                write!(
                    f,
                    "the server does not let this hub hear {} of the names that it listens to",
                    names.len()
                )?;
                if let Some(name) = names.first() {
                    write!(f, ", such as {:?}", name.as_str())?;
                }
                f.write_str(": grant them to its user")
            }
            JoinError::Closed => f.write_str("the hub was closed before other machines were heard"),
        }
    }
}

impl std::error::Error for JoinError {}

/// Ready once all that a hub listened to is heard from other machines, or it is known why
/// it is not: a future, and something that a thread can [`wait`](Joined::wait) for. From
/// [`Hub::joined`](crate::Hub::joined).
#[must_use = "nothing is waited for until this is awaited"]
pub struct Joined(StdArc<Shared>);

impl Joined {
    pub(crate) fn ask(core: &StdArc<Core>) -> Self {
        let shared = StdArc::new(Shared::default());
        match &core.backplane {
            None => shared.state.lock().outcome = Some(Ok(())),
            Some(backplane) => {
                let told = Told(StdArc::clone(&shared));
                backplane.when_joined(Box::new(move |refused| {
                    told.0.tell(match refused.is_empty() {
                        true => Ok(()),
                        false => Err(JoinError::Refused(refused)),
                    });
                }));
            }
        }
        Joined(shared)
    }

    /// Blocks the thread until it is so, at most until `deadline`; whether all is heard. Why
    /// it is not says [`outcome`](Joined::outcome).
    pub fn wait(&self, deadline: Instant) -> bool {
        let mut state = self.0.state.lock();
        while state.outcome.is_none() {
            if self.0.told.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        matches!(state.outcome, Some(Ok(())))
    }

    /// What came of it, if that is known.
    pub fn outcome(&self) -> Option<Result<(), JoinError>> {
        self.0.state.lock().outcome.clone()
    }
}

/// The backplane's half. Dropped untold, it says that nobody will tell.
struct Told(StdArc<Shared>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.tell(Err(JoinError::Closed));
    }
}

impl Shared {
    /// What is told first counts.
    fn tell(&self, outcome: Result<(), JoinError>) {
        let waker = {
            let mut state = self.state.lock();
            state.outcome.get_or_insert(outcome);
            state.waker.take()
        };
        self.told.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Joined {
    type Output = Result<(), JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state.lock();
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone());
        }
        let old = state.waker.replace(cx.waker().clone());
        drop(state);
        // A waker's destructor is foreign.
        drop(old);
        Poll::Pending
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("outcome", &self.0.state.lock().outcome)
            .finish()
    }
}
