//! Tasks that are kept up: a fault in one is counted, and it begins anew.
//!
//! # Invariants
//!
//! - Whoever stops holding a task ends it: nothing of it goes on by itself.

use std::{future::Future, time::Duration};

use tokio::{
    task::{JoinHandle, spawn_local},
    time::sleep,
};

/// After a fault of ours a task begins anew, not at once.
pub(super) const AFTER_FAULT: Duration = Duration::from_secs(1);

/// A task that ends with whoever holds this.
pub(super) struct Ended(JoinHandle<()>);

impl Ended {
    pub(super) fn spawn(task: impl Future<Output = ()> + 'static) -> Self {
        Ended(spawn_local(task))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Runs a task until it ends, again after each panic, which `fault` hears of.
pub(super) async fn stand<F: Future<Output = ()> + 'static>(
    fault: impl Fn() + 'static,
    task: impl Fn() -> F + 'static,
) {
    loop {
        let mut running = Ended::spawn(task());
        if (&mut running.0).await.is_ok() {
            return;
        }
        fault();
        sleep(AFTER_FAULT).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::pending, rc::Rc};

    use tokio::{runtime::Builder, sync::Notify, task::LocalSet, time::timeout};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn run(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            timeout(PATIENCE, test).await.expect("in time");
        });
    }

    #[test]
    fn a_task_that_fails_begins_anew() {
        run(async {
            let faults = Rc::new(Cell::new(0));
            let counted = Rc::clone(&faults);
            let tries = Cell::new(0);
            stand(
                move || counted.set(counted.get() + 1),
                move || {
                    let tried = tries.replace(tries.get() + 1);
                    async move { assert!(tried > 0, "the first fails") }
                },
            )
            .await;
            assert_eq!(faults.get(), 1);
        });
    }

    #[test]
    fn a_task_that_nobody_holds_any_more_ends() {
        struct Ends(Rc<Notify>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        run(async {
            let (began, ended) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
            let of = (Rc::clone(&began), Rc::clone(&ended));
            let standing = stand(
                || {},
                move || {
                    let (began, ends) = (Rc::clone(&of.0), Ends(Rc::clone(&of.1)));
                    async move {
                        began.notify_one();
                        pending::<()>().await;
                        drop(ends);
                    }
                },
            );
            let held = Ended::spawn(standing);
            began.notified().await;
            drop(held);
            ended.notified().await;
        });
    }
}
