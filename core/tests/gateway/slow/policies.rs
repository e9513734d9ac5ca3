//! The overflow policies, as a client sees them.

use std::{thread, time::Duration};

use distributary::{Publication, gateway::Ended};
use serde_json::{Value, json};

use super::{HEAVY, MANY, stalled, stalled_json, wait_stalled};
use crate::harness::{Json, Server, number, numbered, until};

/// Reads events and `lagged` up to the last event; gives the sum of what was missed.
/// Every event follows the one before, but for what it was told it missed.
#[track_caller]
fn read_to(client: &mut Json, last: u64) -> u64 {
    let (mut next, mut missed) = (0, 0);
    while next <= last {
        let message = client.hear();
        match message["type"].as_str().unwrap() {
            "lagged" => {
                let now = message["missed"].as_u64().unwrap();
                assert!(now > 0);
                missed += now;
                next += now;
            }
            "event" => {
                assert_eq!(value(&message), next);
                next += 1;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(next, last + 1);
    missed
}

/// The number of an event: its payload is JSON.
#[track_caller]
fn value(event: &Value) -> u64 {
    event["data"].as_u64().expect("a number")
}

#[track_caller]
fn publish_heavy(server: &Server) {
    for event in 0..MANY {
        server.publish("heavy", numbered(event, HEAVY));
    }
}

#[test]
fn drop_oldest_tells_the_exact_number() {
    let server = Server::start();
    let mut slow = stalled_json(&server, "/?topics=heavy&events=8");
    let mut healthy = Json::open(server.address(), "/?topics=light");
    publish_heavy(&server);
    wait_stalled(&server, 1);
    server.publish("light", "1");
    assert_eq!(healthy.expect("event")["data"], 1);
    let missed = read_to(&mut slow, MANY - 1);
    assert!(missed > 0, "nothing was missed, so nothing was tested");
    assert_eq!(server.hub.stats().missed, missed);
    assert!(server.stats().lag_told >= 1);
    drop((slow, healthy));
    server.assert_nothing_left(0);
}

#[test]
fn drop_newest_tells_where_the_gap_is() {
    let server = Server::start();
    let mut slow = stalled_json(&server, "/?topics=heavy&events=8&overflow=drop_newest");
    publish_heavy(&server);
    wait_stalled(&server, 1);
    // What it holds comes first, and then how many were refused behind it.
    let mut next = 0;
    let lagged = loop {
        let message = slow.hear();
        if message["type"] == "lagged" {
            break message;
        }
        assert_eq!(value(&message), next);
        next += 1;
    };
    assert_eq!(lagged["missed"], MANY - next);
    server.publish("heavy", numbered(MANY, HEAVY));
    assert_eq!(value(&slow.expect("event")), MANY);
}

#[test]
fn disconnect_closes_with_1013() {
    let server = Server::start();
    let mut slow = stalled(&server, "/?topics=heavy&events=8&overflow=disconnect");
    publish_heavy(&server);
    assert_eq!(slow.closed().0, Some(1013));
    server.wait_ended(Ended::Slow, 1);
    assert_eq!(server.hub.stats().slow_closed, 1);
    server.assert_nothing_left(0);
}

#[test]
fn disconnect_ends_only_the_subscription_in_the_json_protocol() {
    let server = Server::start();
    let mut slow = stalled_json(&server, "/?allow=*");
    let wish = json!({"topics": ["heavy"], "overflow": "disconnect", "budget": {"events": 8}});
    slow.subscribe(1, wish);
    slow.subscribe(2, json!({"topics": ["light"]}));
    publish_heavy(&server);
    server.publish("light", "1");
    loop {
        let message = slow.hear();
        if message["type"] == "closed" {
            assert_eq!(message["id"], 1);
            assert_eq!(message["reason"], "slow_consumer");
            break;
        }
        assert_eq!(message["type"], "event");
    }
    server.publish("light", "2");
    loop {
        let message = slow.expect("event");
        assert_eq!(message["id"], 2);
        if message["data"] == 2 {
            break;
        }
    }
}

#[test]
fn keep_latest_keeps_the_latest_of_each_key() {
    const KEYS: u64 = 4;
    let server = Server::start();
    let mut slow = stalled_json(&server, "/?topics=heavy&overflow=keep_latest&events=16");
    for event in 0..MANY * 2 {
        let publication = Publication::new("heavy", numbered(event, HEAVY));
        let key = (event % KEYS).to_string();
        server.hub.publish_event(publication.key(&key)).unwrap();
    }
    wait_stalled(&server, 1);
    let mut last = [None; KEYS as usize];
    let mut read = 0;
    while last != std::array::from_fn(|key| Some(MANY * 2 - KEYS + key as u64)) {
        // To be replaced by a newer one is no loss, and nobody is told.
        let message = slow.expect("event");
        let value = value(&message);
        let key = (value % KEYS) as usize;
        assert_eq!(message["key"], key.to_string());
        assert!(last[key] < Some(value), "{last:?} and then {value}");
        last[key] = Some(value);
        read += 1;
    }
    // One that is being written when it is replaced counts as both.
    let conflated = server.hub.stats().conflated;
    assert!(conflated > 0);
    assert!(read < MANY * 2 && read + conflated >= MANY * 2);
}

#[test]
fn what_is_too_old_is_missed() {
    let server = Server::start();
    let mut slow = stalled_json(&server, "/?topics=heavy&age_ms=300");
    let mut last = 0;
    until("it stalls, and more than one waits for it", || {
        server.publish("heavy", numbered(last, HEAVY));
        last += 1;
        server.stats().stalled == 1 && last > 20
    });
    thread::sleep(Duration::from_millis(400));
    server.publish("heavy", numbered(last, HEAVY));
    let missed = read_to(&mut slow, last);
    assert!(missed > 0);
    assert!(server.hub.stats().dropped_stale >= missed);
}

#[test]
fn a_plain_socket_that_missed_something_is_sent_away() {
    let server = Server::start();
    let mut slow = stalled(&server, "/?topics=heavy&events=8");
    publish_heavy(&server);
    assert_eq!(slow.closed().0, Some(1013));
    server.wait_ended(Ended::Lagged, 1);
    assert_eq!(server.stats().lag_told, 1);
    server.assert_nothing_left(0);
}

#[test]
fn a_plain_socket_that_wants_no_more_than_that_goes_on() {
    let server = Server::start();
    let mut slow = stalled(&server, "/?topics=heavy&events=8&lag=continue");
    publish_heavy(&server);
    wait_stalled(&server, 1);
    let mut last = None;
    while last != Some(MANY - 1) {
        let event = number(slow.text().as_bytes());
        assert!(Some(event) > last, "{event} after {last:?}");
        last = Some(event);
    }
    assert!(server.hub.stats().missed > 0);
    drop(slow);
    server.assert_nothing_left(0);
}
