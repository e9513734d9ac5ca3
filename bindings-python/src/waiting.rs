//! What is waited for and is no event: what became of a publication on its way to other
//! machines, that these are heard, that the health of all this changes, that a stage of a
//! migration is entered, and that a hub which was closed has done its last.
//!
//! A coroutine waits in a seat of its loop's lane, as a reader of events does, so that
//! whatever settles it rings a bell and needs no interpreter. A thread is parked.
//!
//! # Invariants
//! - The lock is never held while Python code runs, nor while the interpreter is let go of.
//! - Who sleeps is laid in its seat before it is asked to be woken.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use distributary::{
    backplane::{
        Acknowledged, Closing, ForwardError, Health, HealthChanges, JoinError, Joined, Receipt,
    },
    redis::migration::MigrationError,
};
use parking_lot::Mutex;
use pyo3::{prelude::*, types::PyDict};
use tokio::sync::oneshot;

use crate::{
    errors::{closed, forward_error, migration_error, refused},
    fork::Native,
    lane::Lane,
    ready::Place,
    stats,
    subscription::park,
};

/// One thing that is waited for, by one task or one thread at a time.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Wait {
    state: Mutex<State>,
}

struct State {
    what: Native<What>,
    outcome: Option<Outcome>,
    seat: Option<(Py<Lane>, Arc<Place>)>,
}

enum What {
    Receipt(Receipt),
    Joined(Joined),
    Changed(HealthChanges),
    Entered(oneshot::Receiver<Result<(), MigrationError>>),
    Closing(Closing),
}

#[derive(Clone)]
enum Outcome {
    Acknowledged(Acknowledged),
    Failed(ForwardError),
    /// What was waited for is so.
    Done,
    /// How it is now; none once there is nothing more to tell.
    Health(Option<Box<Health>>),
    InTheWay(MigrationError),
    NotJoined(JoinError),
}

impl What {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self {
            What::Receipt(receipt) => Pin::new(receipt).poll(cx).map(|outcome| match outcome {
                Ok(acknowledged) => Outcome::Acknowledged(acknowledged),
                Err(error) => Outcome::Failed(error),
            }),
            What::Joined(joined) => Pin::new(joined).poll(cx).map(|outcome| match outcome {
                Ok(()) => Outcome::Done,
                Err(error) => Outcome::NotJoined(error),
            }),
            What::Changed(changes) => pin!(changes.next())
                .poll(cx)
                .map(|health| Outcome::Health(health.map(Box::new))),
            What::Entered(entered) => Pin::new(entered).poll(cx).map(|entered| match entered {
                Ok(Ok(())) => Outcome::Done,
                Ok(Err(error)) => Outcome::InTheWay(error),
                // Its thread has failed.
                Err(_) => Outcome::InTheWay(MigrationError::NotReached {
                    server: "the thread that asks".into(),
                }),
            }),
            What::Closing(closing) => Pin::new(closing).poll(cx).map(|()| Outcome::Done),
        }
    }
}

impl State {
    /// Whether there is an outcome, or never will be one.
    fn is_settled(&mut self, waker: &Waker) -> bool {
        if self.outcome.is_some() {
            return true;
        }
        let Some(what) = self.what.get_mut() else {
            return true;
        };
        match what.poll(&mut Context::from_waker(waker)) {
            Poll::Ready(outcome) => self.outcome = Some(outcome),
            Poll::Pending => return false,
        }
        true
    }
}

impl Wait {
    pub(crate) fn receipt(receipt: Receipt) -> Self {
        Wait::new(What::Receipt(receipt))
    }

    pub(crate) fn joined(joined: Joined) -> Self {
        Wait::new(What::Joined(joined))
    }

    pub(crate) fn changed(changes: HealthChanges) -> Self {
        Wait::new(What::Changed(changes))
    }

    pub(crate) fn entered(outcome: oneshot::Receiver<Result<(), MigrationError>>) -> Self {
        Wait::new(What::Entered(outcome))
    }

    pub(crate) fn closing(closing: Closing) -> Self {
        Wait::new(What::Closing(closing))
    }

    fn new(what: What) -> Self {
        let state = State {
            what: Native::new(what),
            outcome: None,
            seat: None,
        };
        Wait {
            state: Mutex::new(state),
        }
    }
}

#[pymethods]
impl Wait {
    /// Lays a task to sleep in the lane of its loop. False: there is nothing to sleep for.
    fn sleep(&self, lane: Py<Lane>, sleeper: Py<PyAny>) -> bool {
        let mut state = self.state.lock();
        let (lane, place) = state.seat.get_or_insert_with(|| {
            let place = lane.get().seat();
            (lane, place)
        });
        let (lane, place) = (lane.get(), Arc::clone(place));
        lane.settle_here();
        let before = lane.sleep(place.slot(), sleeper);
        let slot = place.slot();
        let waker = Waker::from(place);
        let unneeded = match state.is_settled(&waker) {
            true => state
                .seat
                .as_ref()
                .and_then(|(lane, _)| lane.get().rouse(slot)),
            false => None,
        };
        let sleeps = state.outcome.is_none() && state.what.get().is_some();
        drop(state);
        drop((before, unneeded));
        sleeps
    }

    /// Nobody sleeps any more: the seat is given back.
    fn leave(&self) {
        let seat = self.state.lock().seat.take();
        if let Some((lane, place)) = seat {
            drop(lane.get().leave(place.slot()));
        }
    }

    /// Blocks the thread until there is an outcome, at most so many seconds; whether there is
    /// one. `signals`: it is the thread that gets them.
    fn block(&self, py: Python<'_>, seconds: Option<f64>, signals: bool) -> PyResult<bool> {
        let deadline = seconds.and_then(|seconds| {
            let timeout = Duration::try_from_secs_f64(seconds.max(0.0)).ok()?;
            Instant::now().checked_add(timeout)
        });
        park(py, deadline, signals, |waker| {
            self.state.lock().is_settled(waker)
        })
    }

    /// Of a publication: how many heard it, and its number. None where neither is told: what
    /// was waited for is so, or it is not known yet.
    fn outcome(&self) -> PyResult<Option<(u64, Option<u64>)>> {
        let outcome = {
            let state = self.state.lock();
            match (&state.outcome, state.what.get()) {
                (Some(outcome), _) => outcome.clone(),
                (None, Some(_)) => return Ok(None),
                (None, None) => return Err(closed("forked")),
            }
        };
        match outcome {
            Outcome::Acknowledged(it) => Ok(Some((it.heard, it.number))),
            Outcome::Failed(cause) => Err(forward_error(&cause)),
            Outcome::InTheWay(cause) => Err(migration_error(cause)),
            Outcome::Done | Outcome::Health(_) => Ok(None),
            Outcome::NotJoined(JoinError::Refused(names)) => Err(refused(&names)),
            Outcome::NotJoined(_) => Err(closed("hub_closed")),
        }
    }

    /// Takes how the health is, so that the next change can be waited for. None once there is
    /// nothing more to tell, and in the child of a fork.
    fn take_health<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let taken = {
            let told = |outcome: &mut Outcome| matches!(outcome, Outcome::Health(Some(_)));
            self.state.lock().outcome.take_if(told)
        };
        match taken {
            Some(Outcome::Health(Some(health))) => stats::health(py, &health).map(Some),
            _ => Ok(None),
        }
    }
}
