//! How a lane of an event loop is rung.
//!
//! From another thread by a weak ThreadsafeFunction, once per sleep of the lane. From the
//! loop's own thread without one: what that thread does to a hub runs [`quietly`], and the
//! caller is told that its own lane rang, which costs nothing and cannot be late.

use std::{
    cell::Cell,
    thread::{self, ThreadId},
};

use napi::{
    Status,
    threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

/// A doorbell: it tells the loop that there is something, and JavaScript pulls. Weak,
/// because subscriptions do not keep a process alive.
pub(crate) type Doorbell = ThreadsafeFunction<(), (), (), Status, false, true>;

thread_local! {
    static HERE: Cell<Here> = const { Cell::new(Here::Elsewhere) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    /// Nobody on this thread waits to be told.
    Elsewhere,
    /// Somebody does.
    Listening,
    /// And has been rung.
    Rung,
}

/// Runs what may ring the lane of this very thread; whether it did.
pub(crate) fn quietly<T>(act: impl FnOnce() -> T) -> (T, bool) {
    /// Puts things back also when `act` panics.
    struct Before(Here);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let before = Before(HERE.replace(Here::Listening));
    let done = act();
    let rung = HERE.get() == Here::Rung;
    drop(before);
    (done, rung)
}

/// What a lane of this thread's loop is to call when it is rung.
pub(crate) fn bell(doorbell: Doorbell) -> impl Fn() + Send + Sync + 'static {
    let home: ThreadId = thread::current().id();
    move || {
        if HERE.get() != Here::Elsewhere && thread::current().id() == home {
            HERE.set(Here::Rung);
        } else {
            // A loop that is gone has nobody to tell.
            let _ = doorbell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}
