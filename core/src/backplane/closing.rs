//! Waiting until a hub that was closed has done its last for other machines.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::{
    Backplane,
    awaited::{Awaited, Teller},
};
use crate::sync::Mutex;

/// How long the last hub of a program that is dropped waits for its events to be sent.
const PARTING: Duration = Duration::from_secs(2);

thread_local! {
    static ON_A_BACKPLANE: Cell<bool> = const { Cell::new(false) };
}

/// This thread is a backplane's own: what it would wait for is its own work.
#[cfg(feature = "redis")]
pub(crate) fn on_a_backplane() {
    ON_A_BACKPLANE.set(true);
}

/// Ready once everything that a closed hub had queued for other machines has gone out or
/// was given up, which [receipts](super::Receipt) tell one by one: a future, and something
/// that a thread can [`wait`](Closing::wait) for. From [`Hub::close`](crate::Hub::close).
///
/// Dropping it changes nothing: what is queued goes out while the program goes on.
pub struct Closing(Awaited<()>);

impl Closing {
    /// Blocks the thread until it is so, at most until `deadline`; whether it is.
    pub fn wait(&self, deadline: Instant) -> bool {
        self.0.wait(deadline).is_some()
    }

    /// The same for whoever drops the last hub, and has nobody else to wait.
    pub(crate) fn wait_in_drop(&self) {
        if !ON_A_BACKPLANE.get() {
            self.wait(Instant::now() + PARTING);
        }
    }
}

impl Future for Closing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx)
    }
}

impl fmt::Debug for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closing")
            .field("over", &self.0.outcome().is_some())
            .finish()
    }
}

/// A hub's end, from its making on: whoever closes it, all wait for the same.
pub(crate) struct End {
    teller: Mutex<Option<Teller<()>>>,
    awaited: Awaited<()>,
}

impl End {
    pub(crate) fn new() -> Self {
        let (teller, awaited) = Awaited::pair(());
        End {
            teller: Mutex::new(Some(teller)),
            awaited,
        }
    }

    /// Closes the backplane. Once.
    pub(crate) fn begin(&self, backplane: Option<&dyn Backplane>) {
        let Some(teller) = self.teller.lock().take() else {
            return;
        };
        match backplane {
            None => teller.tell(()),
            Some(backplane) => backplane.close(Box::new(move || teller.tell(()))),
        }
    }

    pub(crate) fn closing(&self) -> Closing {
        Closing(self.awaited.clone())
    }
}
