//! Being told when a hub's health changes.

use std::{
    fmt,
    pin::Pin,
    sync::Weak,
    task::{Context, Poll, Waker, ready},
    time::Instant,
};

use futures_core::Stream;

use super::health::Health;
use crate::{
    hub::core::Core,
    sync::{Condvar, Mutex, StdArc},
};

/// The changes of a hub's health, one after the other: a stream, and something that a
/// thread can [`wait`](HealthChanges::wait) for. From
/// [`Hub::health_changes`](crate::Hub::health_changes).
///
/// A change is another [condition](Health::condition), or another set of
/// [reasons](Health::reasons). Of several that come faster than they are taken, the latest
/// is seen. It ends with the hub, or before it when its backplane has nothing more to tell;
/// without a [backplane](crate::backplane) it ends at once.
pub struct HealthChanges {
    core: Weak<Core>,
    seen: u64,
    /// No change will come any more.
    over: bool,
    bell: StdArc<Bell>,
}

#[derive(Default)]
struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    /// The backplane will ring.
    asked: bool,
    /// It has rung for whoever has seen this revision. If that still is the latest, there
    /// is nothing to come.
    rung: Option<u64>,
    waker: Option<Waker>,
}

/// Rings when it is called, and when it is given up.
struct Ringer {
    bell: StdArc<Bell>,
    /// The revision that is not to be told again.
    seen: u64,
}

impl Drop for Ringer {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.bell.state.lock();
            state.asked = false;
            state.rung = Some(self.seen);
            state.waker.take()
        };
        self.bell.rung.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl HealthChanges {
    pub(crate) fn of(core: &StdArc<Core>) -> Self {
        let backplane = core.backplane.as_ref();
        HealthChanges {
            core: StdArc::downgrade(core),
            seen: backplane.map_or(0, |backplane| backplane.health().revision),
            over: false,
            bell: StdArc::default(),
        }
    }

    /// The next change; `None` once there is none to come.
    pub async fn next(&mut self) -> Option<Health> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Blocks the thread until the next change, at most until `deadline`; `None` then, and
    /// once there is none to come.
    pub fn wait(&mut self, deadline: Instant) -> Option<Health> {
        loop {
            if let Ok(change) = self.look() {
                return change;
            }
            let mut state = self.bell.state.lock();
            while state.asked {
                if self.bell.rung.wait_until(&mut state, deadline).timed_out() {
                    drop(state);
                    return self.look().ok().flatten();
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Health>> {
        loop {
            if let Ok(change) = self.look() {
                return Poll::Ready(change);
            }
            let mut state = self.bell.state.lock();
            if state.asked {
                let old = state.waker.replace(cx.waker().clone());
                drop(state);
                // A waker's destructor is foreign.
                drop(old);
                return Poll::Pending;
            }
        }
    }

    /// The change, or the end, if there is one; otherwise the bell rings for it.
    fn look(&mut self) -> Result<Option<Health>, Waiting> {
        let core = self.core.upgrade().filter(|core| !core.is_closed());
        let Some(core) = core else {
            return Ok(None);
        };
        let Some(backplane) = &core.backplane else {
            return Ok(None);
        };
        // What has rung is taken first: what changes after that rings again.
        let rung = self.bell.state.lock().rung.take();
        let health = backplane.health();
        if health.revision != self.seen {
            self.seen = health.revision;
            return Ok(Some(health));
        }
        if self.over || rung == Some(self.seen) {
            self.over = true;
            return Ok(None);
        }
        let asked = std::mem::replace(&mut self.bell.state.lock().asked, true);
        if !asked {
            let ringer = Ringer {
                bell: StdArc::clone(&self.bell),
                seen: self.seen,
            };
            backplane.when_health_changes(self.seen, Box::new(move || drop(ringer)));
        }
        Err(Waiting)
    }
}

/// Nothing has changed.
struct Waiting;

impl Stream for HealthChanges {
    type Item = Health;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Health>> {
        Poll::Ready(ready!(self.get_mut().poll(cx)))
    }
}

impl fmt::Debug for HealthChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthChanges")
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}
