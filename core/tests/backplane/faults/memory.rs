//! A server whose memory is full: what is live goes on, what is kept does not.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use distributary::{
    Hub,
    backplane::ForwardErrorKind,
    redis::{Mode, Redis},
};

use crate::{
    hubs::{Ear, hub_with, joined, outcome, publish_told, until_well},
    rig::{Server, until},
};

fn replaying(server: &Server) -> Hub {
    let redis = Redis::at(server.url()).unwrap();
    hub_with(redis.mode("*", Mode::Replay).unwrap())
}

#[test]
fn what_a_full_server_refuses_is_what_is_reported_and_nobody_hears_it() {
    let server = Server::start();
    let (talker, listener) = (replaying(&server), replaying(&server));
    let ear = Ear::on(&listener, "numbers");
    joined(&listener);
    until_well(&talker, Duration::from_secs(5));
    let full = AtomicBool::new(false);
    let mut receipts = Vec::new();
    for number in 0..3_000_u64 {
        match number {
            // Less than it has: nothing more is kept.
            1_000 => {
                server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
                full.store(true, Ordering::Relaxed);
            }
            2_000 => {
                server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
                full.store(false, Ordering::Relaxed);
            }
            500 | 1_500 | 2_500 => {
                server.kill_clients();
            }
            _ => {}
        }
        receipts.push(publish_told(&talker, "numbers", number));
        thread::sleep(Duration::from_micros(500));
    }
    let outcomes: Vec<_> = receipts.iter().map(outcome).collect();
    until("the last one comes", || {
        ear.numbers().last() == Some(&2_999)
    });
    let heard = ear.numbers();
    assert!(heard.is_sorted_by(|a, b| a < b), "out of order, or twice");

    let mut lost = 0;
    for (number, outcome) in (0_u64..).zip(&outcomes) {
        let came = heard.binary_search(&number).is_ok();
        lost += u64::from(!came);
        match outcome {
            Ok(_) => assert!(came, "{number} was acknowledged and did not come"),
            Err(error) => {
                assert_eq!(error.kind(), ForwardErrorKind::NotKept, "{number}: {error}");
                assert!(!came, "{number} failed and came");
            }
        }
    }
    assert!(
        outcomes.iter().any(Result::is_err),
        "the server was never full"
    );
    assert_eq!(ear.missed(), lost, "told as missed, and not heard");
}
