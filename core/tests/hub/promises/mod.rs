//! Promises that hold whatever runs beside: publishers at work, foreign destructors,
//! time that passes, members that come and go.

mod ages;
mod counting;
mod destructors;
mod executors;
mod markers;
mod members;
mod memory;
mod names;
mod renames;
mod rewire;
mod stream;
mod waiting;

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Runs it on a thread of its own and fails if it does not end: a deadlock would
/// otherwise hang the whole run.
fn must_end(what: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        what();
        // Whoever listened may have given up.
        done.send(()).unwrap_or_default();
    });
    match ended.recv_timeout(Duration::from_secs(10)) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs"),
        // It panicked, and the join passes that on.
        Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Returns once so much time has surely passed.
fn let_pass(time: Duration) {
    let start = Instant::now();
    while start.elapsed() <= time {
        thread::sleep(time.saturating_sub(start.elapsed()));
    }
}
