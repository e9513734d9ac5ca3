//! Who wakes the parked readers that a publisher does not wake itself.
//!
//! A publisher wakes a few and goes on; a hub with tens of thousands of subscriptions
//! that each wait in a task of their own has the rest woken by one thread, started
//! when it is first needed. That thread only calls wakers. Lanes do not need it: they
//! are woken once each.

use std::{
    sync::OnceLock,
    thread::{self, Thread},
};

use super::outlet::Outlet;
use crate::sync::{Arc, AtomicBool, Ordering, Queue};

/// Who wakes parked readers beyond the first few of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Waking {
    /// A thread of the hub, so that publishing never takes longer for more waiters.
    #[default]
    Thread,
    /// The publishing thread, before `publish` returns. For programs of one thread,
    /// and where every task is on the publisher's own executor.
    Publisher,
}

pub(crate) struct Herald {
    waking: Waking,
    shared: Arc<Shared>,
    thread: OnceLock<Option<Thread>>,
}

/// What the thread and those who tell it share. What lies in the queue keeps the hub alive,
/// so once the thread has been stopped none may be left there: it looks whether it has been
/// before it works the queue off for the last time, and who tells it looks after that.
struct Shared {
    queue: Queue<Arc<Outlet>>,
    stopped: AtomicBool,
}

impl Shared {
    fn work_off(&self) {
        while let Some(outlet) = self.queue.pop() {
            wake(&outlet);
        }
    }
}

impl Herald {
    pub(crate) fn new(waking: Waking) -> Self {
        Herald {
            waking,
            shared: Arc::new(Shared {
                queue: Queue::new(),
                stopped: AtomicBool::new(false),
            }),
            thread: OnceLock::new(),
        }
    }

    /// Sees to it that everybody who is parked on these feeds is woken.
    pub(crate) fn tell(&self, outlets: Vec<Arc<Outlet>>) {
        if outlets.is_empty() {
            return;
        }
        let thread = match self.waking {
            Waking::Publisher => None,
            Waking::Thread if self.shared.stopped.load(Ordering::SeqCst) => None,
            Waking::Thread => self.thread.get_or_init(|| start(&self.shared)).as_ref(),
        };
        match thread {
            // Also when the system gives no more threads: late is better than never.
            None => outlets.iter().for_each(wake),
            Some(thread) => {
                for outlet in outlets {
                    self.shared.queue.push(outlet);
                }
                thread.unpark();
                if self.shared.stopped.load(Ordering::SeqCst) {
                    // It may have been through with the queue before.
                    self.shared.work_off();
                }
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        if let Some(Some(thread)) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn wake(outlet: &Arc<Outlet>) {
    outlet.feed.wake_parked(0, usize::MAX);
}

fn start(shared: &Arc<Shared>) -> Option<Thread> {
    let shared = Arc::clone(shared);
    let run = move || {
        loop {
            let last = shared.stopped.load(Ordering::SeqCst);
            shared.work_off();
            if last {
                return;
            }
            thread::park();
        }
    };
    let handle = thread::Builder::new().name("distributary-herald".into());
    handle.spawn(run).ok().map(|handle| handle.thread().clone())
}
