//! Being told when a hub's health changes.
//!
//! Whoever waits may give that up at any time, again and again, and the backplane tells
//! nobody before something happens. So all who wait share a bell, and there is one question
//! open at the backplane.
//!
//! # Invariants
//!
//! - Foreign code (wakers, the backplane) runs outside the lock.
//! - Who stops waiting leaves nothing behind.

use std::{
    collections::BTreeMap,
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
    wake::contained,
};

/// A hub's health now, and its changes from then on, one after the other: a stream, and
/// something that a thread can [`wait`](HealthChanges::wait) for. From
/// [`Hub::health_changes`](crate::Hub::health_changes).
///
/// A change is another [condition](Health::condition), or another set of
/// [reasons](Health::reasons). Of several that come faster than they are taken, the latest
/// is seen. It ends with the hub, or before it when its backplane has nothing more to tell;
/// without a [backplane](crate::backplane) it ends after the first.
pub struct HealthChanges {
    core: Weak<Core>,
    /// The revision that was told last; none before the first.
    seen: Option<u64>,
    /// No change will come any more.
    over: bool,
    bell: StdArc<Bell>,
    /// Names it at the bell.
    place: u64,
}

/// What rings for all who wait for changes of one hub.
#[derive(Default)]
pub(crate) struct Bell {
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
    /// How often it has rung.
    rings: u64,
    wakers: BTreeMap<u64, Waker>,
    next_place: u64,
}

impl Bell {
    fn place(&self) -> u64 {
        let mut state = self.state.lock();
        state.next_place += 1;
        state.next_place
    }
}

/// Rings when it is called, and when it is given up.
struct Ringer {
    bell: StdArc<Bell>,
    /// The revision that is not to be told again.
    seen: u64,
}

impl Drop for Ringer {
    fn drop(&mut self) {
        let wakers = {
            let mut state = self.bell.state.lock();
            state.asked = false;
            state.rung = Some(self.seen);
            state.rings += 1;
            std::mem::take(&mut state.wakers)
        };
        self.bell.rung.notify_all();
        for waker in wakers.into_values() {
            contained(|| waker.wake());
        }
    }
}

impl HealthChanges {
    pub(crate) fn of(core: &StdArc<Core>) -> Self {
        HealthChanges {
            core: StdArc::downgrade(core),
            seen: None,
            over: false,
            bell: StdArc::clone(&core.health_bell),
            place: core.health_bell.place(),
        }
    }

    /// How it is, the first time; then the next change. `None` once there is none to come.
    pub async fn next(&mut self) -> Option<Health> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The same for a thread, which it blocks at most until `deadline`: `None` then, and
    /// once there is none to come.
    pub fn wait(&mut self, deadline: Instant) -> Option<Health> {
        loop {
            let rings = match self.look() {
                Ok(change) => return change,
                Err(Waiting { rings }) => rings,
            };
            let mut state = self.bell.state.lock();
            while state.rings == rings {
                if self.bell.rung.wait_until(&mut state, deadline).timed_out() {
                    drop(state);
                    return self.look().ok().flatten();
                }
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Health>> {
        let waker = cx.waker().clone();
        loop {
            let rings = match self.look() {
                Ok(change) => return Poll::Ready(change),
                Err(Waiting { rings }) => rings,
            };
            let mut state = self.bell.state.lock();
            if state.rings == rings {
                let old = state.wakers.insert(self.place, waker);
                drop(state);
                drop(old);
                return Poll::Pending;
            }
        }
    }

    /// What there is to tell, or the end; if there is neither, the bell rings for it.
    fn look(&mut self) -> Result<Option<Health>, Waiting> {
        let core = self.core.upgrade().filter(|core| !core.is_closed());
        let Some(core) = core else {
            return Ok(None);
        };
        let Some(backplane) = &core.backplane else {
            // All is well, and stays so.
            let is_first = self.seen.replace(0).is_none();
            return Ok(is_first.then(Health::default));
        };
        // What has rung is looked at first: what changes after that rings again.
        let (rung, rings) = {
            let state = self.bell.state.lock();
            (state.rung, state.rings)
        };
        let health = backplane.health();
        let seen = health.revision;
        if self.seen != Some(seen) {
            self.seen = Some(seen);
            return Ok(Some(health));
        }
        if self.over || rung == Some(seen) {
            self.over = true;
            return Ok(None);
        }
        let asked = std::mem::replace(&mut self.bell.state.lock().asked, true);
        if !asked {
            let ringer = Ringer {
                bell: StdArc::clone(&self.bell),
                seen,
            };
            backplane.when_health_changes(seen, Box::new(move || drop(ringer)));
        }
        Err(Waiting { rings })
    }
}

impl Drop for HealthChanges {
    fn drop(&mut self) {
        let waker = self.bell.state.lock().wakers.remove(&self.place);
        drop(waker);
    }
}

/// Nothing has changed since the bell had rung so often.
struct Waiting {
    rings: u64,
}

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
