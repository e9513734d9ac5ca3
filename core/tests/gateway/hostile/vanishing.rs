//! Peers that go without a word, in the middle of anything.

use std::time::Duration;

use distributary::gateway::Ended;

use super::{BRIEF, Witness};
use crate::harness::{
    PATIENCE, PING, Raw, Server, Setup, TEXT, all_descriptors, alone, frame, upgrade_request,
};

const LARGE: usize = 4 << 20;

#[test]
fn a_peer_that_answers_no_ping() {
    let server = Setup::new()
        .limits(|limits| limits.ping(BRIEF, BRIEF))
        .start();
    let mut silent = Raw::open(server.address(), "/");
    assert_eq!(silent.frame().opcode, PING);
    assert!(silent.hung_up());
    server.wait_ended(Ended::Silent, 1);
    server.assert_nothing_left(0);
}

#[test]
fn a_peer_that_talks_is_not_silent() {
    let server = Setup::new()
        .limits(|limits| limits.ping(BRIEF, Duration::from_secs(2)))
        .start();
    let mut talker = Raw::open(server.address(), "/");
    // It never answers a ping, but it is heard of: by a pong nobody asked for, a text.
    for round in 0..15 {
        std::thread::sleep(BRIEF / 2);
        talker.send(TEXT, format!("{round}"));
        while talker.message().0.payload != format!("{round}").as_bytes() {}
    }
    assert_eq!(server.stats().open, 1);
}

#[test]
fn a_reset_while_a_large_message_comes() {
    let server = Setup::new()
        .limits(|limits| limits.max_message(8 << 20))
        .start();
    let mut witness = Witness::at(&server);
    for part in [3, 1_000, LARGE / 2] {
        let mut raw = Raw::open(server.address(), "/");
        raw.say(&frame(true, TEXT, &vec![b'x'; LARGE])[..part]);
        raw.reset();
    }
    server.wait_ended(Ended::Broken, 3);
    witness.is_served(&server);
    drop(witness);
    server.assert_nothing_left(0);
}

#[test]
fn a_reset_while_a_large_message_goes() {
    let server = Server::start();
    let mut witness = Witness::at(&server);
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut raw = Raw::narrow(server.address());
            raw.upgrade("/?topics=large", "");
            raw
        })
        .collect();
    server.publish("large", vec![b'x'; LARGE]);
    for mut reader in readers {
        assert_eq!(reader.first_bytes(10_000).len(), 10_000);
        reader.reset();
    }
    server.wait_ended(Ended::Broken, 20);
    witness.is_served(&server);
    drop(witness);
    server.assert_nothing_left(0);
}

#[test]
fn resets_in_the_middle_of_the_handshake() {
    let server = Server::start();
    let request = upgrade_request("/?topics=a", "");
    for part in (0..=request.len()).step_by(7) {
        let mut raw = Raw::connect(server.address());
        raw.say(&request.as_bytes()[..part]);
        raw.reset();
    }
    // And while it is being decided whether they may come in.
    for _ in 0..20 {
        let mut raw = Raw::connect(server.address());
        raw.say(upgrade_request("/?wait_ms=200", "").as_bytes());
        raw.reset();
    }
    Witness::at(&server).is_served(&server);
    server.assert_nothing_left(0);
}

#[test]
fn half_closed_sockets() {
    let server = Server::start();
    // Before the request, in the middle of it, and right behind it.
    for part in [0, 20, usize::MAX] {
        let mut raw = Raw::connect(server.address());
        let request = upgrade_request("/?topics=a", "");
        raw.say(&request.as_bytes()[..part.min(request.len())]);
        raw.half_close();
        assert!(raw.hung_up(), "half closed after {part}");
    }
    server.assert_nothing_left(0);
}

#[test]
fn nothing_is_left_in_the_process() {
    let name = "hostile::vanishing::nothing_is_left_in_the_process";
    alone(name, 2 * PATIENCE, || {
        let misuse = || {
            let server = Server::start();
            let mut readers = Vec::new();
            for client in 0..50 {
                let mut raw = Raw::open(server.address(), "/?topics=a,b");
                if client % 3 == 0 {
                    raw.try_say(&frame(true, 3, b"bad"));
                }
                readers.push(raw);
            }
            server.publish("a", vec![b'x'; LARGE]);
            for (client, reader) in readers.into_iter().enumerate() {
                match client % 2 {
                    0 => reader.reset(),
                    _ => drop(reader),
                }
            }
            server.assert_nothing_left(0);
            server.end();
        };
        // What is made once and stays is made by the first round.
        misuse();
        let before = all_descriptors();
        for _ in 0..3 {
            misuse();
        }
        crate::harness::until("all descriptors are closed", || all_descriptors() == before);
    });
}
