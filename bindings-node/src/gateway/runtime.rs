//! The tokio runtime of the process: one for all gateways and all event loops.
//!
//! Handshakes run on it, and the waiting for what JavaScript answers. Sockets that have
//! been let in do not: each gateway has threads of its own for them. So two workers are
//! enough for every gateway there may be. It starts with the first one and is never
//! ended, for a worker thread of Node's may start a gateway at any time.

use std::{io, sync::OnceLock};

use tokio::runtime::{Builder, Runtime};

const MOST_WORKERS: usize = 2;

/// The runtime, started if it is not there.
pub(super) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Builder::new_multi_thread()
        .worker_threads(cores.min(MOST_WORKERS))
        .thread_name("distributary-io")
        .enable_io()
        .enable_time()
        .build()?;
    // Of two loops that start it at once the second drops its own here, outside of it.
    Ok(RUNTIME.get_or_init(|| started))
}
