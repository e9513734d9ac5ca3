//! Attempts to connect, of all hubs of the process: those that fail share one budget.
//!
//! The machine of a link takes from it by itself; whoever else connects asks here first.
//!
//! # Invariants
//!
//! - Whatever takes an attempt and reaches a server gives it back: it was no part of a
//!   storm.

use std::time::Instant;

use tokio::time::sleep_until;

use super::Conductor;
use crate::{redis::link::Budget, sync::Mutex};

/// What is left of it.
pub(super) static BUDGET: Mutex<Budget> = Mutex::new(Budget::new());

/// One that was taken out of the budget.
#[must_use = "one that succeeds is given back"]
pub(super) struct Attempt(&'static Mutex<Budget>);

impl Attempt {
    /// It has led to a server that lets us in.
    pub(super) fn succeeded(self) {
        self.0.lock().give_back();
    }
}

impl Conductor {
    /// Ready once the process may make an attempt.
    pub(super) async fn may_attempt(&self) -> Attempt {
        loop {
            let taken = self.budget.lock().take(Instant::now());
            match taken {
                Ok(()) => return Attempt(self.budget),
                Err(until) => sleep_until(until.into()).await,
            }
        }
    }
}
