//! Subscribers that do not keep up, and what the server must not notice of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use distributary::{Executor, Item};

use crate::{
    hubs::{hub, joined, until_well},
    rig::{Plan, Server, until},
};

/// More than a server keeps for a subscriber that does not read.
const LIMIT: usize = 32 << 20;

#[test]
fn a_subscriber_that_stands_still_costs_the_server_nothing() {
    let limit = "pubsub 8mb 2mb 60";
    let server = Server::planned(&Plan::new().set("client-output-buffer-limit", limit));
    let hub = hub(&server.url());
    let executor = Executor::new(&hub, 1).unwrap();
    let (heard, missed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stalled = Arc::new(AtomicBool::new(true));
    let _listener = {
        let (heard, missed) = (Arc::clone(&heard), Arc::clone(&missed));
        let stalled = Arc::clone(&stalled);
        executor
            .on("hot", move |item| {
                while stalled.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
                match item {
                    Item::Event(_) => heard.fetch_add(1, Ordering::Relaxed),
                    Item::Lagged { missed: more } => missed.fetch_add(more, Ordering::Relaxed),
                    _ => 0,
                };
            })
            .unwrap()
    };
    joined(&hub);
    until_well(&hub, Duration::from_secs(5));

    let payload = "x".repeat(10_000);
    let part: Vec<Vec<&str>> = (0..100).map(|_| vec!["PUBLISH", "hot", &payload]).collect();
    let mut console = server.console().unwrap();
    let mut sent = 0;
    let begun = Instant::now();
    while sent * payload.len() < 2 * LIMIT {
        console.ask_all(&part).unwrap();
        sent += part.len();
    }
    println!("{sent} messages in {:?}", begun.elapsed());
    let held = server.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]).text();
    stalled.store(false, Ordering::Relaxed);
    until("all is heard or told as missed", || {
        heard.load(Ordering::Relaxed) + missed.load(Ordering::Relaxed) == sent as u64
    });
    assert!(missed.load(Ordering::Relaxed) > 0, "nothing gave way");
    assert_eq!(hub.health().counts.connections, 1, "it was cut off");
    assert_eq!(hub.health().counts.gaps, 0);
    assert!(!held.is_empty());
}
