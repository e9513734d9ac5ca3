//! The one thread of a backplane: a runtime of its own, so that it works in programs
//! that have none and does not share the fate of one that is busy.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::Builder,
    time::Duration,
};

use tokio::{runtime, sync::mpsc, task::LocalSet};

use super::{
    conductor::Conductor,
    plane::{Common, Order},
};
use crate::backplane::{Inlet, on_a_backplane};

/// How long look-ups of names may hold the end of the thread up.
const LEFT_BEHIND: Duration = Duration::from_millis(100);

/// Starts it. If the system does not let it run, the board says so.
pub(crate) fn start(common: Arc<Common>, inlet: Inlet, orders: mpsc::UnboundedReceiver<Order>) {
    let driven = Arc::clone(&common);
    let started = Builder::new()
        .name("distributary-redis".into())
        .spawn(move || {
            on_a_backplane();
            // Whatever happens, nobody who closes the hub may wait for a thread that is gone.
            let ran = catch_unwind(AssertUnwindSafe(|| run(&driven, inlet, orders)));
            match ran {
                Ok(Ok(())) => {}
                Ok(Err(error)) => driven.impossible(&error),
                Err(_) => driven.failed(),
            }
            driven.end();
        });
    if let Err(error) = started {
        common.impossible(&error);
        common.end();
    }
}

/// The runtime is made and ended here: neither is allowed in every task of an application.
fn run(
    common: &Arc<Common>,
    inlet: Inlet,
    orders: mpsc::UnboundedReceiver<Order>,
) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_name("distributary-redis-names")
        .build()?;
    let local = LocalSet::new();
    let conductor = Conductor::new(Arc::clone(common), inlet);
    local.block_on(&runtime, conductor.run(orders));
    drop(local);
    runtime.shutdown_timeout(LEFT_BEHIND);
    Ok(())
}
