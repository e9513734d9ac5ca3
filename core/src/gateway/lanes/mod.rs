//! The threads that own sockets.
//!
//! A connection comes in by [`command`] and is taken in by [`arrive`]; from then on it
//! is a [`connection`] at one of the [`berths`], which are the engine's sink. Its
//! subscriptions have [`numbers`], and [`marks`] say where they stand. What the client
//! sends is [`incoming`], its [`wishes`] among it; what is written goes through its
//! [`outbox`]; [`ending`] is how it goes, [`drain`] how all go. The [`shard`] holds all
//! of it and is pure: the [`thread`] has the poll and the clock, [`stream`] the sockets,
//! [`wheel`] the due times.

mod arrive;
mod berths;
mod command;
mod connection;
mod drain;
mod ending;
mod incoming;
mod marks;
mod numbers;
mod outbox;
#[cfg(test)]
mod resume_tests;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod rig;
mod shard;
mod stream;
#[cfg(test)]
mod tests;
mod thread;
#[cfg(feature = "fuzzing")]
pub mod toll;
mod wheel;
mod wishes;

use std::{
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::Duration,
};

pub(super) use command::{Arrival, Command, Inbox, Leave, Permit, SocketId, Speech};
pub(super) use stream::{NO_SIGNAL, Stream, Transport, set_options};
use tokio::sync::oneshot;

use super::{
    Shared,
    hooks::{Answer, Granted},
    wire::encoder::Encoder,
};

pub(super) struct Lanes {
    inboxes: Vec<Inbox>,
}

impl Lanes {
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let wanted = match shared.limits.lanes {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            lanes => lanes,
        };
        let encoder = Encoder::new(shared.limits.fragment, Arc::clone(&shared.meters));
        let mut lanes = Lanes {
            inboxes: Vec::new(),
        };
        for number in 0..wanted.min(usize::from(u16::MAX)) as u16 {
            match thread::start(shared, &encoder, number) {
                Ok(inbox) => lanes.inboxes.push(inbox),
                Err(error) => {
                    lanes.end();
                    return Err(error);
                }
            }
        }
        Ok(lanes)
    }

    /// Hands a connection to the lane with the fewest. It is counted from here on.
    pub(super) fn place(&self, arrival: Arrival) {
        let alive = self.inboxes.iter().filter(|inbox| inbox.is_alive());
        if let Some(inbox) = alive.min_by_key(|inbox| inbox.load()) {
            inbox.count_in();
            inbox.post(Command::Arrive(Box::new(arrival)));
        }
    }

    /// Sends everybody away, spread over this time. Returns when they have gone.
    pub(super) async fn drain(&self, over: Duration) {
        self.all(|done| Command::Drain(over, done)).await;
    }

    /// Closes everybody and ends the threads.
    pub(super) async fn close(&self) {
        self.all(|done| Command::End(Some(done))).await;
    }

    async fn all(&self, command: impl Fn(oneshot::Sender<()>) -> Command) {
        let mut waiting = Vec::new();
        for inbox in &self.inboxes {
            let (done, wait) = oneshot::channel();
            inbox.post(command(done));
            waiting.push(wait);
        }
        for wait in waiting {
            // A lane that ends before it answers has nobody left either.
            let _ = wait.await;
        }
    }

    /// As `close`, without waiting.
    pub(super) fn end(&self) {
        for inbox in &self.inboxes {
            inbox.post(Command::End(None));
        }
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whole milliseconds; what is longer than those can say is for ever.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Waits for the application's answer to a wish and posts it. A panic is an answer too.
async fn answered(mut answer: Answer<Granted>, id: SocketId, serial: u32, inbox: Inbox) {
    let granted = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(granted)) => Poll::Ready(Some(granted)),
            Err(_) => Poll::Ready(None),
        }
    });
    let granted = granted.await;
    // What it owns may panic when dropped.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(answer)));
    inbox.post(Command::Granted(id, serial, Box::new(granted)));
}
