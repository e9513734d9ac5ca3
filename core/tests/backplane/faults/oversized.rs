//! An event that is larger than the server sends to a listener.

use std::{iter, time::Duration};

use distributary::{
    Hub,
    redis::{Mode, Redis},
};

use crate::{
    hubs::{Ear, Told, hub_with, joined, outcome, publish, publish_told, told, until_heard},
    rig::{Plan, Proxy, Release, Server, until},
};

/// The one that heard it live or was cut, the page that had too much, and the one after; and
/// one for a machine that is slow.
const CONNECTIONS: u64 = 4;

fn replaying(url: &str) -> Hub {
    let redis = Redis::at(url).unwrap();
    hub_with(redis.mode("log.*", Mode::Replay).unwrap())
}

/// What was heard of `topic` while one event was too large, with others before it: all, as
/// it was sent.
#[track_caller]
fn heard_around_a_big_one(limit: &str, bytes: usize, before: &[&str]) {
    let plan = Plan::new().set("client-output-buffer-limit", limit);
    let server = Server::planned(&plan);
    let (talker, listener) = (replaying(&server.url()), replaying(&server.url()));
    let (ear, other) = (Ear::on(&listener, "log.big"), Ear::on(&listener, "chat"));
    joined(&listener);
    joined(&talker);
    for event in before {
        outcome(&publish_told(&talker, "log.big", event)).expect("it was kept");
    }
    until("the first are heard", || ear.told().len() == before.len());
    let big = "x".repeat(bytes);
    outcome(&publish_told(&talker, "log.big", &big)).expect("it was kept");
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
    let was_cut = connections > 1;
    assert!(was_cut || !Release::tested().cuts_at_large_events());
    assert_eq!(
        told(&listener, "oversized", "log.big"),
        was_cut,
        "{:?}",
        listener.health()
    );
    let all = before
        .iter()
        .copied()
        .chain([&*big, "next", "last", "live"]);
    let all: Vec<_> = all.map(|event| Told::Event(event.to_owned())).collect();
    assert!(ear.told() == all, "something is missing, or twice");
}

#[test]
fn what_is_too_large_for_listeners_is_read_in_pieces() {
    for (limit, bytes) in [("1mb 512kb 60", 2 << 20), ("256kb 128kb 60", 400 << 10)] {
        let limit = format!("pubsub {limit}");
        heard_around_a_big_one(&limit, bytes, &["one", "two"]);
        // As the log's first: nobody knew of the log before.
        heard_around_a_big_one(&limit, bytes, &[]);
    }
}

/// What was read of a log that others had written while the listener was away, from a
/// server that lets little wait: all, as it was sent, and with one more connection.
#[track_caller]
fn read_after_a_break(weights: impl Iterator<Item = usize>) {
    let plan = Plan::new().set("client-output-buffer-limit", "pubsub 256kb 128kb 60");
    let server = Server::planned(&plan);
    let proxy = Proxy::before(server.port());
    let (talker, listener) = (replaying(&server.url()), replaying(&proxy.url()));
    let ear = Ear::on(&listener, "log.many");
    joined(&listener);
    publish(&talker, "log.many", "first");
    until("the first is heard", || ear.heard("first"));
    proxy.refuse(true);
    proxy.cut();
    until("the server has noticed", || {
        server.listeners("log.many") == 0
    });
    let events = weights.enumerate();
    let events: Vec<_> = events
        .map(|(number, bytes)| format!("{number} {}", "x".repeat(bytes)))
        .collect();
    for event in &events {
        outcome(&publish_told(&talker, "log.many", event)).expect("it was kept");
    }
    proxy.refuse(false);
    until("the last is heard", || ear.told().len() > events.len());
    let all = ["first".to_owned()].into_iter().chain(events);
    let all: Vec<_> = all.map(Told::Event).collect();
    assert!(ear.told() == all, "something is missing, or twice");
    let connections = listener.health().counts.connections;
    assert!(connections <= CONNECTIONS, "{connections} connections");
}

#[test]
fn a_log_is_read_with_few_breaks_from_a_server_that_lets_little_wait() {
    read_after_a_break(iter::repeat_n(50 << 10, 40));
    let mixed = (0..40).map(|number| match number % 8 {
        0 => 400 << 10,
        1..=3 => 50 << 10,
        _ => 100,
    });
    read_after_a_break(mixed);
}
