//! An event that is larger than the server sends to a listener.

use std::time::Duration;

use distributary::{
    Hub,
    redis::{Mode, Redis},
};

use crate::{
    hubs::{Ear, Told, hub_with, joined, outcome, publish, publish_told, told, until_heard},
    rig::{Plan, Server, until},
};

const BIG: usize = 2 << 20;
/// The one that heard it live, the page that had it, and two that read it alone; and one for
/// a machine that is slow.
const CONNECTIONS: u64 = 6;

fn replaying(server: &Server) -> Hub {
    let redis = Redis::at(server.url()).unwrap();
    hub_with(redis.mode("log.*", Mode::Replay).unwrap())
}

/// What was heard of `topic` while one event was too large, with others before it.
#[track_caller]
fn heard_around_a_big_one(before: &[&str]) -> Vec<Told> {
    let plan = Plan::new().set("client-output-buffer-limit", "pubsub 1mb 512kb 60");
    let server = Server::planned(&plan);
    let (talker, listener) = (replaying(&server), replaying(&server));
    let (ear, other) = (Ear::on(&listener, "log.big"), Ear::on(&listener, "chat"));
    joined(&listener);
    joined(&talker);
    for event in before {
        outcome(&publish_told(&talker, "log.big", event)).expect("it was kept");
    }
    until("the first are heard", || ear.told().len() == before.len());
    let big = publish_told(&talker, "log.big", "x".repeat(BIG));
    outcome(&big).expect("it was kept");
    for event in ["next", "last"] {
        publish(&talker, "log.big", event);
    }
    until("what is behind it comes", || ear.heard("last"));
    until_heard(&other, Duration::from_secs(10), |mark| {
        publish(&talker, "chat", mark);
    });
    // It is over: the next is heard as it comes.
    let connections = listener.health().counts.connections;
    assert!(connections <= CONNECTIONS, "{connections} connections");
    outcome(&publish_told(&talker, "log.big", "live")).expect("it was kept");
    until("the next is heard", || ear.heard("live"));
    assert_eq!(listener.health().counts.connections, connections);
    assert!(
        told(&listener, "oversized", "log.big"),
        "{:?}",
        listener.health()
    );
    ear.told()
}

fn events(events: &[&str]) -> Vec<Told> {
    let events = events.iter().map(|event| Told::Event((*event).to_owned()));
    events.collect()
}

#[test]
fn what_is_too_large_for_listeners_is_lost_alone() {
    let rest = events(&["next", "last", "live"]);
    let told = heard_around_a_big_one(&["one", "two"]);
    let lost = [Told::Missed(1)];
    assert_eq!(told, [&events(&["one", "two"])[..], &lost, &rest].concat());
    // As the log's first: nobody knew of the log before.
    assert_eq!(heard_around_a_big_one(&[]), [&lost[..], &rest].concat());
}
