//! The one thread of a backplane: a runtime of its own, so that it works in programs
//! that have none and does not share the fate of one that is busy.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::Duration,
};

use tokio::{runtime, sync::mpsc, task::LocalSet};

use super::{
    conductor::Conductor,
    plane::{Common, Order},
};
use crate::backplane::Inlet;

/// How long look-ups of names may hold the end of the thread up.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

/// Starts it.
pub(crate) fn start(
    common: Arc<Common>,
    inlet: Inlet,
    orders: mpsc::UnboundedReceiver<Order>,
) -> io::Result<JoinHandle<()>> {
    // Made here, so that whatever the system refuses is known at once.
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("distributary-redis-names")
        .build()?;
    Builder::new()
        .name("distributary-redis".into())
        .spawn(move || {
            let ended = Arc::clone(&common);
            // Whatever happens, nobody who closes the hub may wait for a thread that is gone.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let local = LocalSet::new();
                let conductor = Conductor::new(common, inlet);
                local.block_on(&runtime, conductor.run(orders));
                drop(local);
                runtime.shutdown_timeout(LEFT_BEHIND);
            }));
            ended.end();
        })
}
