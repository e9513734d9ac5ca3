//! The tokio runtime of the process: one for all gateways.
//!
//! Handshakes run on it, and the waiting for what Python answers. Sockets that have been let
//! in do not: each gateway has threads of its own for them. So two workers are enough for
//! every gateway there may be. It starts with the first one, never ends, and never enters
//! Python. A child process starts one of its own: threads do not survive a fork.

use std::io;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::fork::Native;

const MOST_WORKERS: usize = 2;

static RUNTIME: Mutex<Option<Native<Runtime>>> = Mutex::new(None);

/// The runtime, started if it is not there.
pub(super) fn runtime() -> io::Result<Handle> {
    let mut running = RUNTIME.lock();
    if let Some(runtime) = running.as_ref().and_then(Native::get) {
        return Ok(runtime.handle().clone());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Builder::new_multi_thread()
        .worker_threads(cores.min(MOST_WORKERS))
        .thread_name("distributary-io")
        .enable_io()
        .enable_time()
        .build()?;
    let handle = started.handle().clone();
    // What is replaced is a parent's, which is forgotten and not ended.
    *running = Some(Native::new(started));
    Ok(handle)
}
