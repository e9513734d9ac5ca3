//! Waiting until other machines are heard.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use crate::{
    hub::core::Core,
    sync::{Condvar, Mutex, StdArc},
};

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
struct State {
    joined: bool,
    /// It never will be: the hub was closed before.
    over: bool,
    waker: Option<Waker>,
}

/// Ready once all that a hub listened to is heard from other machines: a future, and
/// something that a thread can [`wait`](Joined::wait) for. Ready as well when the hub is
/// closed before that. From [`Hub::joined`](crate::Hub::joined).
#[must_use = "nothing is waited for until this is awaited"]
pub struct Joined(StdArc<Shared>);

impl Joined {
    pub(crate) fn ask(core: &StdArc<Core>) -> Self {
        let shared = StdArc::new(Shared::default());
        match &core.backplane {
            None => shared.state.lock().joined = true,
            Some(backplane) => {
                let told = Told(StdArc::clone(&shared));
                backplane.when_joined(Box::new(move || told.0.tell(true)));
            }
        }
        Joined(shared)
    }

    /// Blocks the thread until it is so, at most until `deadline`; whether it is.
    pub fn wait(&self, deadline: Instant) -> bool {
        let mut state = self.0.state.lock();
        while !state.joined && !state.over {
            if self.0.told.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.joined
    }
}

/// The backplane's half. Dropped untold, it says that nobody will tell.
struct Told(StdArc<Shared>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.tell(false);
    }
}

impl Shared {
    fn tell(&self, joined: bool) {
        let waker = {
            let mut state = self.state.lock();
            state.joined |= joined;
            state.over = true;
            state.waker.take()
        };
        self.told.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Joined {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.state.lock();
        if state.joined || state.over {
            return Poll::Ready(());
        }
        let old = state.waker.replace(cx.waker().clone());
        drop(state);
        // A waker's destructor is foreign.
        drop(old);
        Poll::Pending
    }
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined")
            .field("joined", &self.0.state.lock().joined)
            .finish()
    }
}
