//! Something that Python began and waits for the end of. It always learns of it.

use std::sync::{Arc, mpsc};

use super::{
    board::{Board, Call, Side},
    failure::Failure,
};

/// How the end is told.
pub(super) enum Waits {
    /// On the event loop, which knows the operation by a number.
    Loop(Arc<Board>, u64),
    /// In a blocked thread.
    Thread(mpsc::Sender<Option<Failure>>),
}

pub(super) struct Operation {
    waits: Waits,
    outcome: Result<(), Failure>,
}

impl Operation {
    /// If it is broken off, that is its outcome.
    pub(super) fn new(waits: Waits, broken_off: Result<(), Failure>) -> Self {
        Operation {
            waits,
            outcome: broken_off,
        }
    }

    pub(super) fn end(mut self, outcome: Result<(), Failure>) {
        self.outcome = outcome;
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let failure = std::mem::replace(&mut self.outcome, Ok(())).err();
        match &self.waits {
            Waits::Loop(board, number) => {
                board.put(Side::Loop, Call::Done(*number, failure));
            }
            // Nobody waits any more: it was interrupted.
            Waits::Thread(told) => drop(told.send(failure)),
        }
    }
}
