//! What publishers on all threads see of a lane: a queue of readers that can go on, and a
//! bell for the loop that is to come for them.
//!
//! # How a wake-up is not lost
//! A publisher pushes, then sets *rung*; whoever set it sees to it that the loop comes. The
//! loop clears *rung* only when it found the queue empty, and then looks again: a push after
//! its last look rings, a push before it is found. So as long as *rung* is set, one of these
//! is true: a byte lies in the bell, the loop comes by itself, or a [`Promise`] is open.
//!
//! # Invariants
//! - A place is in the queue at most once.
//! - Nothing here needs the interpreter, waits, or runs foreign code.
//! - After a fork the parent's lanes are dead: their bells would be heard by the parent.

use std::{
    cell::RefCell,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Wake,
};

use crossbeam::queue::SegQueue;
use parking_lot::Mutex;

use crate::{doorbell::Doorbell, fork};

pub(crate) struct Ready {
    queue: SegQueue<u32>,
    /// The loop has been told, or has yet to find the queue empty.
    rung: AtomicBool,
    /// The loop's thread has arranged that the loop comes.
    coming: AtomicBool,
    /// None once the lane is over, for descriptors are few.
    bell: Mutex<Option<Doorbell>>,
    /// The thread that the loop was last seen on.
    thread: AtomicU64,
    generation: u32,
    pub(crate) id: u32,
}

thread_local! {
    static THREAD: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
    static QUIET: RefCell<Quiet> = const { RefCell::new(Quiet::Off) };
}

/// Whether this thread rings its own loop with a byte, or says so to who publishes.
enum Quiet {
    Off,
    Waiting,
    Rung(Promise),
}

/// Does something that may ring. If it would have rung the loop of this thread, the promise to
/// tell it, which costs less than a byte.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> (T, Option<Promise>) {
    QUIET.replace(Quiet::Waiting);
    let done = work();
    match QUIET.replace(Quiet::Off) {
        Quiet::Rung(promise) => (done, Some(promise)),
        Quiet::Off | Quiet::Waiting => (done, None),
    }
}

/// The loop of this thread has to be told. Not kept, as when a signal handler raises in the
/// midst of it, it rings.
pub(crate) struct Promise(Arc<Ready>);

impl Promise {
    /// The lane that has to be told.
    pub(crate) fn lane(&self) -> u32 {
        self.0.id
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let ready = &self.0;
        if ready.rung.load(Ordering::SeqCst) && !ready.coming.load(Ordering::SeqCst) {
            ready.sound();
        }
    }
}

impl Ready {
    pub(crate) fn new(id: u32) -> io::Result<Self> {
        Ok(Ready {
            queue: SegQueue::new(),
            rung: AtomicBool::new(false),
            coming: AtomicBool::new(false),
            bell: Mutex::new(Some(Doorbell::new()?)),
            thread: AtomicU64::new(THREAD.with(|it| *it)),
            generation: fork::generation(),
            id,
        })
    }

    /// Sees to it that the loop comes.
    pub(crate) fn ring(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.is_here() {
            let told = QUIET.with_borrow_mut(|quiet| {
                let first = matches!(quiet, Quiet::Waiting);
                if first {
                    *quiet = Quiet::Rung(Promise(Arc::clone(self)));
                }
                first
            });
            if told {
                return;
            }
        }
        self.sound();
    }

    /// Puts a byte into the bell, whoever has done so already.
    pub(crate) fn sound(&self) {
        if self.is_foreign() {
            return;
        }
        if let Some(bell) = &*self.bell.lock() {
            bell.ring();
        }
    }

    /// The loop comes by itself.
    pub(crate) fn is_coming(&self) {
        self.coming.store(true, Ordering::SeqCst);
    }

    /// The loop is here.
    pub(crate) fn has_come(&self) {
        self.coming.store(false, Ordering::SeqCst);
        self.settle_here();
        self.hear();
    }

    /// Whether this is the thread that the loop was last seen on.
    pub(crate) fn is_here(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == THREAD.with(|it| *it)
    }

    /// The loop runs in this thread.
    pub(crate) fn settle_here(&self) {
        self.thread.store(THREAD.with(|it| *it), Ordering::Relaxed);
    }

    pub(crate) fn hear(&self) {
        if let Some(bell) = &*self.bell.lock() {
            bell.hear();
        }
    }

    pub(crate) fn next(&self) -> Option<u32> {
        self.queue.pop()
    }

    /// Called when a turn ends: whether the loop has to come again by itself.
    pub(crate) fn is_unfinished(&self) -> bool {
        if !self.queue.is_empty() {
            return true;
        }
        self.rung.store(false, Ordering::SeqCst);
        !self.queue.is_empty() && !self.rung.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn descriptor(&self) -> Option<i64> {
        self.bell.lock().as_ref().map(Doorbell::descriptor)
    }

    /// Gives the descriptors back; nobody can ring any more.
    pub(crate) fn silence(&self) {
        let bell = match self.is_foreign() {
            // Who held the lock at the fork holds it for ever.
            true => self.bell.try_lock().and_then(|mut bell| bell.take()),
            false => self.bell.lock().take(),
        };
        drop(bell);
    }

    pub(crate) fn is_foreign(&self) -> bool {
        self.generation != fork::generation()
    }
}

/// One reader's way to be woken.
pub(crate) struct Place {
    ready: Arc<Ready>,
    slot: u32,
    queued: AtomicBool,
}

impl Place {
    pub(crate) fn new(ready: &Arc<Ready>, slot: u32) -> Self {
        Place {
            ready: Arc::clone(ready),
            slot,
            queued: AtomicBool::new(false),
        }
    }

    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Puts the reader on the queue, for a loop that comes by itself.
    pub(crate) fn enqueue(&self) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.ready.queue.push(self.slot);
        }
    }

    /// It is off the queue. Before whoever sleeps there is taken, so that a wake-up in between
    /// is not taken for one that has been served.
    pub(crate) fn dequeued(&self) {
        self.queued.store(false, Ordering::SeqCst);
    }
}

impl Wake for Place {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::SeqCst) {
            self.ready.queue.push(self.slot);
            self.ready.ring();
        }
    }
}
