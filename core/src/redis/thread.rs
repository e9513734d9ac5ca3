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
    let [kept, unstarted] = [inlet.clone(), inlet.clone()];
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
            kept.end_changes();
            driven.end();
        });
    if let Err(error) = started {
        common.impossible(&error);
        unstarted.end_changes();
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

#[cfg(test)]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc as channel,
    };

    use super::*;
    use crate::{
        Topic,
        backplane::{Backplane, Change, Name, Origin, Together, Upstream},
        event::Content,
        redis::{Redis, plane::Place},
        sync::StdArc,
    };

    /// A name comes and goes without end.
    struct Restless(AtomicUsize);

    impl Upstream for Restless {
        fn next_change(&self) -> Option<Change> {
            let times = self.0.fetch_add(1, Ordering::Relaxed);
            Some(Change {
                name: Name::Topic(Topic::new("t").unwrap()),
                wanted: times.is_multiple_of(2),
            })
        }

        fn changes(&self) -> usize {
            1
        }

        fn end_changes(&self) {}

        fn is_wanted(&self, _name: &Name) -> bool {
            false
        }

        fn deliver(&self, _: &str, _: Content, _: Option<Origin>, _: &mut Together) -> u64 {
            0
        }

        fn lost(&self, _topic: &Topic, _missed: Option<u64>) {}

        fn keeps_history(&self) -> bool {
            false
        }

        fn kept(&self, _: &Name) -> Vec<Topic> {
            Vec::new()
        }

        fn unheard(&self, _: &Topic) {}

        fn is_closed(&self) -> bool {
            false
        }

        fn tidy(&self) {}
    }

    #[test]
    fn names_that_change_without_end_hold_nothing_else_up() {
        let redis = Redis::at("redis://127.0.0.1:1").unwrap().build().unwrap();
        redis.attach(Inlet::of(StdArc::new(Restless(AtomicUsize::new(0)))));
        let (told, counted) = channel::channel();
        redis.listeners(
            Place::Nodes,
            "t",
            Box::new(move |count| told.send(count).unwrap()),
        );
        let counted = counted.recv_timeout(Duration::from_secs(20));
        assert_eq!(counted, Ok(None), "nobody can be asked");
        let (told, closed) = channel::channel();
        redis.close(Box::new(move || told.send(()).unwrap()));
        assert_eq!(closed.recv_timeout(Duration::from_secs(20)), Ok(()));
    }
}
