//! What publishers put events into: one lock, one list, one budget.
//!
//! A push is all that a publisher's thread pays. The list is swapped for an empty one of
//! the same room when it is drained, so that a push does not allocate, and only who pushes
//! into an empty list wakes the one who sends.
//!
//! # Invariants
//!
//! - `bytes` is what all events weigh that have no outcome yet, here and further on; it
//!   never exceeds the budget.
//! - Nothing foreign runs under the lock: no destructor, no waker.

use std::time::Instant;

use crate::{
    backplane::{Acknowledge, ForwardError, ForwardErrorKind},
    event::Publication,
    sync::Mutex,
    wake::contained,
};

/// An event that was pushed.
pub(super) struct Posted {
    pub(super) event: Publication,
    pub(super) acknowledge: Option<Acknowledge>,
    pub(super) at: Instant,
    pub(super) weight: usize,
}

/// Events between the threads that publish and the one that sends.
pub(crate) struct Queue {
    state: Mutex<State>,
    budget: usize,
}

#[derive(Default)]
struct State {
    posted: Vec<Posted>,
    bytes: usize,
    closed: bool,
}

/// Why an event was not taken, and what came with it.
type Refused = (ForwardError, Option<Acknowledge>);

impl Queue {
    /// For so many bytes.
    pub(crate) fn new(budget: usize) -> Self {
        Queue {
            state: Mutex::default(),
            budget,
        }
    }

    /// Takes an event. True when the one who sends has to be woken: there was none.
    ///
    /// # Errors
    /// `Full` and `Closed`.
    pub(crate) fn push(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
        at: Instant,
    ) -> Result<bool, Refused> {
        let weight = event.content.weight() + event.topic.as_str().len();
        let posted = Posted {
            event,
            acknowledge,
            at,
            weight,
        };
        let mut state = self.state.lock();
        let kind = if state.closed {
            ForwardErrorKind::Closed
        } else if weight > self.budget - state.bytes {
            ForwardErrorKind::Full
        } else {
            state.bytes += weight;
            let first = state.posted.is_empty();
            state.posted.push(posted);
            return Ok(first);
        };
        drop(state);
        let mut error = ForwardError::new(kind);
        if kind == ForwardErrorKind::Full {
            let alone = if weight > self.budget { " alone" } else { "" };
            error = error.because(format!(
                "the event{alone} weighs {weight} bytes, the budget is {}",
                self.budget
            ));
        }
        Err((error, posted.acknowledge))
    }

    /// Moves everything into `to`, which is empty.
    pub(super) fn drain(&self, to: &mut Vec<Posted>) {
        std::mem::swap(&mut self.state.lock().posted, to);
    }

    /// Gives bytes back to the budget.
    pub(super) fn release(&self, bytes: usize) {
        self.state.lock().bytes -= bytes;
    }

    /// What the events weigh that have no outcome yet.
    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Whether nothing was pushed since it was last drained.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().posted.is_empty()
    }

    /// Refuses everything from here on. What is in it stays to be drained.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// Refuses everything from here on, and lets go of what nobody will drain any more.
    pub(crate) fn abandon(&self) {
        self.close();
        let posted = std::mem::take(&mut self.state.lock().posted);
        // Their payloads are foreign, and so is who waits for an outcome.
        for posted in posted {
            let Posted {
                event, acknowledge, ..
            } = posted;
            contained(|| drop(event));
            contained(|| drop(acknowledge));
        }
    }
}
