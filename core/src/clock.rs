//! The hub's clock: wall time that never runs backwards.
//!
//! One reading of the system's wall clock when the hub is made, the monotonic clock
//! from there on. Events of one process therefore carry times in the order of
//! publishing, and an age budget is not upset by a clock that is set.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since the Unix epoch, monotonic from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    offset: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        Clock {
            started: Instant::now(),
            // A system clock before 1970 is taken as 1970.
            offset: wall.map_or(0, |d| d.as_nanos() as u64),
        }
    }

    /// Now.
    pub(crate) fn now(&self) -> u64 {
        self.offset + self.started.elapsed().as_nanos() as u64
    }
}
