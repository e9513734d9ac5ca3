//! The thread that says every second how far this hub is.

use std::{
    sync::Weak,
    thread::{Builder, JoinHandle},
    time::Instant,
};

use super::{moving::Shared, roll};
use crate::{
    redis::{RedisError, RedisErrorKind},
    sync::{Condvar, Mutex, StdArc},
};

/// Starts with the first migration, ends with the hub.
#[derive(Default)]
pub(super) struct Heartbeat {
    thread: Mutex<Option<JoinHandle<()>>>,
    bell: StdArc<Bell>,
}

#[derive(Default)]
struct Bell {
    ended: Mutex<bool>,
    rung: Condvar,
}

impl Heartbeat {
    /// Starts it, unless it is started.
    pub(super) fn start(&self, shared: Weak<Shared>) -> Result<(), RedisError> {
        let mut thread = self.thread.lock();
        if thread.is_some() {
            return Ok(());
        }
        let bell = StdArc::clone(&self.bell);
        let started = Builder::new()
            .name("distributary-moves".into())
            .spawn(move || beat(&shared, &bell))
            .map_err(|error| RedisError::new(RedisErrorKind::Thread, error.to_string()))?;
        *thread = Some(started);
        Ok(())
    }

    /// Ends it. Nothing is waited for: it holds nothing of the hub while it sleeps.
    pub(super) fn end(&self) {
        *self.bell.ended.lock() = true;
        self.bell.rung.notify_all();
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.end();
    }
}

fn beat(shared: &Weak<Shared>, bell: &Bell) {
    loop {
        let next = Instant::now() + roll::EVERY;
        let mut ended = bell.ended.lock();
        while !*ended && !bell.rung.wait_until(&mut ended, next).timed_out() {}
        if *ended {
            return;
        }
        drop(ended);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        for moved in shared.all_moved() {
            shared.announce(&moved);
        }
    }
}
