//! How a lane of an event loop is rung.
//!
//! From another thread by a weak ThreadsafeFunction, once per sleep of the lane. From the
//! loop's own thread without one: what that thread does to a hub runs [`quietly`], and the
//! caller is told which lane rang, which costs nothing and cannot be late.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, ThreadId},
};

use napi::{
    Status,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

/// A doorbell: it tells the loop that there is something, and JavaScript pulls. Weak,
/// because subscriptions do not keep a process alive.
pub(crate) type Doorbell = ThreadsafeFunction<(), (), (), Status, false, true>;

/// The name of a lane in its process; 0 is none's.
pub(crate) type LaneId = u32;

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here::Elsewhere) };
    /// The doorbells of this thread's lanes.
    static DOORBELLS: RefCell<HashMap<LaneId, Weak<Doorbell>>> = RefCell::default();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    /// Nobody on this thread waits to be told.
    Elsewhere,
    /// Somebody does.
    Listening,
    /// And this lane has been rung.
    Rung(LaneId),
}

/// Runs what may ring a lane of this very thread; which one it rang.
pub(crate) fn quietly<T>(act: impl FnOnce() -> T) -> (T, LaneId) {
    /// Puts things back also when `act` panics.
    struct Before(Here);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let before = Before(HERE.replace(Here::Listening));
    let done = act();
    let rung = match HERE.get() {
        Here::Rung(lane) => lane,
        _ => 0,
    };
    drop(before);
    (done, rung)
}

/// What a new lane of this thread's loop is to call when it is rung, and its name.
pub(crate) fn bell(doorbell: Doorbell) -> (LaneId, impl Fn() + Send + Sync + 'static) {
    static LANES: AtomicU32 = AtomicU32::new(1);
    let id = LANES.fetch_add(1, Ordering::Relaxed);
    let home: ThreadId = thread::current().id();
    let doorbell = Arc::new(doorbell);
    DOORBELLS.with_borrow_mut(|doorbells| {
        doorbells.retain(|_, doorbell| doorbell.strong_count() > 0);
        doorbells.insert(id, Arc::downgrade(&doorbell));
    });
    let call = move || {
        // A second lane of the same hub and thread is rung as from outside.
        if HERE.get() == Here::Listening && thread::current().id() == home {
            HERE.set(Here::Rung(id));
        } else {
            ring(&doorbell);
        }
    };
    (id, call)
}

/// Rings a lane of this thread from outside: it is not one of those that the caller knows.
pub(crate) fn ring_lane(id: LaneId) {
    let doorbell = DOORBELLS.with_borrow(|doorbells| doorbells.get(&id).and_then(Weak::upgrade));
    if let Some(doorbell) = doorbell {
        ring(&doorbell);
    }
}

fn ring(doorbell: &Doorbell) {
    // A loop that is gone has nobody to tell.
    let _ = doorbell.call((), ThreadsafeFunctionCallMode::NonBlocking);
}
