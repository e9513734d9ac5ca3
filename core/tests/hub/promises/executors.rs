//! Executors that are asked for what cannot be, and callbacks that end each other.

use std::{
    io::ErrorKind,
    sync::{Arc, Barrier, Mutex},
};

use distributary::{Executor, Hub, Item, Listener};

use super::must_end;
use crate::edges::{assert_nothing_left, until};

#[test]
fn a_number_of_threads_that_cannot_be_is_an_error() {
    let hub = Hub::new();
    for threads in [0, usize::MAX] {
        let refused = Executor::new(&hub, threads).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
        assert!(refused.to_string().contains(&threads.to_string()));
    }
    assert_nothing_left(&hub);
}

#[test]
fn callbacks_that_end_each_other_do_not_wait_for_each_other() {
    must_end(|| {
        let hub = Hub::new();
        // The callbacks take turns on its threads, so they run at the same time.
        let executor = Executor::new(&hub, 2).unwrap();
        let listeners: Arc<[Mutex<Option<Listener>>; 2]> = Arc::default();
        let both_run = Arc::new(Barrier::new(2));
        for own in 0..2 {
            let (all, both_run) = (Arc::clone(&listeners), Arc::clone(&both_run));
            let listener = executor.on("t", move |item| {
                if let Item::Event(_) = item {
                    both_run.wait();
                    let other = all[1 - own].lock().unwrap().take();
                    drop(other);
                }
            });
            *listeners[own].lock().unwrap() = Some(listener.unwrap());
        }
        hub.publish("t", "1").unwrap();
        until(|| hub.stats().subscriptions == 0);
        hub.publish("t", "2").unwrap();
        drop(executor);
        assert_nothing_left(&hub);
    });
}
