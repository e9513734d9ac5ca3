//! Waiting until other machines are heard.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use super::awaited::Awaited;
use crate::{hub::core::Core, sync::StdArc};

/// Ready once all that a hub listened to is heard from other machines: a future, and
/// something that a thread can [`wait`](Joined::wait) for. Ready as well when the hub is
/// closed before that. From [`Hub::joined`](crate::Hub::joined).
#[must_use = "nothing is waited for until this is awaited"]
pub struct Joined(Awaited);

impl Joined {
    pub(crate) fn ask(core: &StdArc<Core>) -> Self {
        let (teller, awaited) = Awaited::pair();
        match &core.backplane {
            None => teller.tell(),
            Some(backplane) => backplane.when_joined(Box::new(move || teller.tell())),
        }
        Joined(awaited)
    }

    /// Blocks the thread until it is so, at most until `deadline`; whether it is.
    pub fn wait(&self, deadline: Instant) -> bool {
        self.0.wait(deadline) == Some(true)
    }
}

impl Future for Joined {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll(cx).map(|_| ())
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("joined", &self.0.outcome())
            .finish()
    }
}
