//! What stands for a session's value on this side of the border.
//!
//! The value itself, whatever it is, stays in a table of JavaScript's under this number.
//! The last of those that hold the session on this side (a connection, a ticket that is
//! still valid) lets go of it, and JavaScript is told to forget the number.

use std::sync::Arc;

use super::queue::{Call, Queue};

/// The session of a client.
pub(super) struct Session {
    number: Option<i64>,
    queue: Arc<Queue>,
}

impl Session {
    /// Without a number there is no value to be forgotten.
    pub(super) fn new(number: Option<i64>, queue: &Arc<Queue>) -> Self {
        Session {
            number,
            queue: Arc::clone(queue),
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.number
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.queue.put(Call::Forget(number));
        }
    }
}
