//! Ten thousand sockets that come, go, stall and are killed, while events go out.
//!
//! The gateway runs in one process, its clients in another, so that each has all
//! descriptors it may have. Every event carries its number within its topic. What is
//! checked, whatever the speed of the machine:
//! - every reader sees the numbers of each topic without a gap, but for what it was told
//!   it missed, in order and up to the last one;
//! - after a leave was acknowledged nothing more comes;
//! - nothing is written to a closed socket, and in the end nothing is left.

mod crowd;
mod member;
mod publisher;

use std::{
    env,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use distributary::{Budget, Hub};

use self::publisher::Publisher;
use crate::harness::{
    PATIENCE, Server, Setup, all_descriptors, alone, child_of, part, raise_descriptors, until,
};

const TEST: &str = "chaos::ten_thousand_sockets_for_a_minute";
const SOCKETS: u64 = 10_000;
const DURATION: Duration = Duration::from_secs(60);
/// Descriptors for everything but the sockets.
const SPARE: u64 = 200;

/// Topics that a share of the clients listens to each: `t.0` and so on.
const TOPICS: u64 = 50;
/// The topic of every client.
const ALL: &str = "t.all";
/// The topic of those that stall: a few of its events fill what there is of buffers.
const HEAVY: &str = "t.heavy";
const HEAVY_BYTES: usize = 32 << 10;
/// Events that each topic keeps.
const KEPT: u64 = 100;
/// What follows the number in events that are published last, again and again, to be
/// seen by everybody.
const END: &str = "end";

const SEED: &str = "DISTRIBUTARY_TEST_SEED";
const ADDRESS: &str = "DISTRIBUTARY_TEST_ADDRESS";

#[test]
fn ten_thousand_sockets_for_a_minute() {
    if part().as_deref() == Some("crowd") {
        let address = env::var(ADDRESS).unwrap().parse().unwrap();
        return crowd::run(address, seed(), sockets());
    }
    alone(TEST, DURATION + 5 * PATIENCE, serve);
}

/// From the environment, to run again what failed; else of this moment.
fn seed() -> u64 {
    match env::var(SEED) {
        Ok(given) => given.parse().expect("a seed is a number"),
        Err(_) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_nanos() as u64,
    }
}

/// As many as there should be, or as the system lets a process have.
fn sockets() -> u64 {
    let most = raise_descriptors().saturating_sub(SPARE);
    if most < SOCKETS {
        println!("a process may have {most} descriptors here: so many sockets, not {SOCKETS}");
    }
    most.min(SOCKETS)
}

fn serve() {
    let (seed, sockets) = (seed(), sockets());
    println!("{SEED}={seed}");
    let keep = Budget::default().events(KEPT as usize).unwrap();
    let hub = Hub::builder().history("t.*", keep).unwrap();
    // What a runtime opens once and keeps is opened by this one.
    Server::start().end();
    let descriptors = all_descriptors();
    let server = Setup::new()
        .hub(hub.build().unwrap())
        .limits(|limits| {
            let second = Duration::from_secs(1);
            limits
                .fragment(8 << 10)
                .ping(5 * second, PATIENCE)
                // On a busy machine it takes long until all have had their turn.
                .handshake_timeout(PATIENCE)
        })
        .start();
    let publisher = Publisher::new(&server.hub, seed);
    let given = [
        (SEED, seed.to_string()),
        (ADDRESS, server.address().to_string()),
    ];
    let mut crowd = child_of(TEST, "crowd", &given);
    let over = AtomicBool::new(false);
    let status = thread::scope(|scope| {
        scope.spawn(|| publisher.run(|| server.stats().open >= sockets * 9 / 10, &over));
        let deadline = Instant::now() + DURATION + 4 * PATIENCE;
        let status = loop {
            let status = crowd.0.try_wait().unwrap();
            if status.is_some() || Instant::now() > deadline {
                break status;
            }
            thread::sleep(Duration::from_millis(50));
        };
        over.store(true, Ordering::SeqCst);
        status
    });
    let (hub, gateway) = (server.hub.stats(), server.stats());
    println!(
        "{} connections, {} events, {} deliveries, {} missed, {} told so",
        gateway.opened, hub.published, hub.delivered, hub.missed, gateway.lag_told,
    );
    for (why, count) in gateway.ended().filter(|(_, count)| *count > 0) {
        println!("{count} ended: {why}");
    }
    assert!(
        status.expect("the crowd ends in time").success(),
        "see above"
    );

    until("the last of them has gone", || server.stats().open == 0);
    server.assert_nothing_left(publisher.fill_histories());
    server.end();
    until("all descriptors are closed", || {
        all_descriptors() == descriptors
    });
}
