//! Too much of what is allowed.

use distributary::gateway::Ended;

use super::Witness;
use crate::harness::{CONTINUATION, PING, PONG, Raw, Server, Setup, TEXT, frame, until};

/// Bytes of a flood. More than all buffers between a client and a gateway hold.
const FLOOD: usize = 12 << 20;

/// Floods a gateway with a frame from a client that reads nothing, while others are
/// served.
fn flood(server: &Server, one: &[u8]) -> Raw {
    let mut witness = Witness::at(server);
    let mut raw = Raw::narrow(server.address());
    raw.upgrade("/", "");
    let many = one.repeat((64 << 10) / one.len());
    // Once its answers pile up it is no longer heard, and cannot say more.
    let pieces = FLOOD / many.len();
    raw.say_what_fits(&many, pieces);
    for _ in 0..10 {
        witness.is_served(server);
    }
    raw
}

#[test]
fn pings_that_are_answered_to_nobody() {
    let server = Server::start();
    drop(flood(&server, &frame(true, PING, &[b'p'; 125])));
    server.assert_nothing_left(0);
}

#[test]
fn pings_that_are_answered() {
    let server = Server::start();
    let mut witness = Witness::at(&server);
    let mut raw = Raw::open(server.address(), "/");
    for round in 0..100 {
        let mut burst = Vec::new();
        for ping in 0..50 {
            burst.extend(frame(true, PING, format!("{round}.{ping}").as_bytes()));
        }
        raw.say(&burst);
        // The latest is answered whatever became of those before it.
        let last = format!("{round}.49").into_bytes();
        loop {
            let pong = raw.frame();
            assert_eq!(pong.opcode, PONG);
            if pong.payload == last {
                break;
            }
        }
        witness.is_served(&server);
    }
    drop((raw, witness));
    server.assert_nothing_left(0);
}

#[test]
fn texts_that_are_answered_to_nobody() {
    let server = Server::start();
    drop(flood(&server, &frame(true, TEXT, &[b't'; 1_000])));
    server.assert_nothing_left(0);
}

#[test]
fn empty_fragments_without_end() {
    let server = Server::start();
    let mut witness = Witness::at(&server);
    let mut raw = Raw::open(server.address(), "/");
    raw.say(&frame(false, TEXT, b""));
    let many = frame(false, CONTINUATION, b"").repeat(10_000);
    for _ in 0..10 {
        raw.say(&many);
        witness.is_served(&server);
    }
    raw.say(&frame(true, CONTINUATION, b"at last"));
    assert_eq!(raw.text(), "at last");
}

#[test]
fn many_that_break_the_rules_at_once() {
    let server = Server::start();
    let mut witness = Witness::at(&server);
    let faults: [(&[u8], u16); 4] = [
        (&frame(true, 3, b""), 1002),
        (&frame(true, TEXT, b"\xc0\xaf"), 1007),
        (&frame(true, TEXT, &[b'x'; 70_000]), 1009),
        (&[0xff; 200], 1002),
    ];
    let mut bad: Vec<_> = (0..200)
        .map(|_| Raw::open(server.address(), "/?topics=a"))
        .collect();
    for (client, raw) in bad.iter_mut().enumerate() {
        raw.try_say(faults[client % 4].0);
    }
    server.publish("a", "for whoever is left");
    witness.is_served(&server);
    for (client, raw) in bad.iter_mut().enumerate() {
        assert_eq!(raw.closed().0, Some(faults[client % 4].1));
    }
    drop(bad);
    server.wait_ended(Ended::Protocol, 100);
    server.wait_ended(Ended::NotText, 50);
    server.wait_ended(Ended::TooLarge, 50);
    drop(witness);
    server.assert_nothing_left(0);
}

#[test]
fn a_json_client_that_says_anything() {
    let server = Setup::new().start();
    let mut client = crate::harness::Json::open(server.address(), "/?allow=a.*");
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(60_000));
    for text in ["", "{", "null", "[]", "{}", r#"{"type":7}"#, &deep, &long] {
        client.raw.send(TEXT, text);
        let answer = client.expect("error");
        assert_eq!(answer["code"], "bad_request", "{answer}");
    }
    client.say(serde_json::json!({"type": "ping"}));
    client.expect("pong");
}

#[test]
fn subscriptions_without_end() {
    let server = Setup::new()
        .limits(|limits| limits.max_subscriptions(10))
        .start();
    let mut client = crate::harness::Json::open(server.address(), "/?allow=a.*");
    for id in 1..=1_000 {
        client.say(serde_json::json!({"type": "subscribe", "id": id, "topics": ["a.1"]}));
    }
    for id in 1..=10 {
        assert_eq!(client.expect("subscribed")["id"], id);
    }
    for id in 11..=1_000 {
        let error = client.expect("error");
        assert_eq!(
            (&error["id"], &error["code"]),
            (&id.into(), &"too_many".into())
        );
    }
    assert_eq!(server.hub.stats().subscriptions, 10);
    // One that goes makes room for one.
    client.say(serde_json::json!({"type": "unsubscribe", "id": 5}));
    client.expect("unsubscribed");
    client.subscribe(2_000, serde_json::json!({"topics": ["a.2"]}));
    drop(client);
    until("all are gone", || server.hub.stats().subscriptions == 0);
}
