//! Those who hold what they have: sockets that send by the drop, or never read.

use std::{thread, time::Duration};

use distributary::gateway::Ended;

use super::{BRIEF, Witness};
use crate::harness::{PING, PONG, Raw, Server, Setup, TEXT, frame, upgrade_request};

#[test]
fn slow_heads() {
    let server = Setup::new()
        .limits(|limits| limits.handshake_timeout(BRIEF))
        .start();
    let mut slow: Vec<_> = (0..50).map(|_| Raw::connect(server.address())).collect();
    let request = upgrade_request("/", "");
    // All but the last byte, by the drop.
    let (drops, last) = request.as_bytes().split_at(40);
    for drop in drops.chunks(8) {
        for raw in &mut slow {
            raw.try_say(drop);
        }
        thread::sleep(Duration::from_millis(20));
    }
    // Behind their time they are let go, however they go on.
    for raw in &mut slow {
        assert!(raw.hung_up());
        raw.try_say(last);
    }
    assert_eq!(server.stats().opened, 0);
    Witness::at(&server).is_served(&server);
    server.assert_nothing_left(0);
}

#[test]
fn slow_frames_are_whole_in_the_end() {
    let server = Server::start();
    let mut witness = Witness::at(&server);
    let mut slow = Raw::open(server.address(), "/");
    for byte in frame(true, TEXT, b"by the drop") {
        slow.say(&[byte]);
        thread::sleep(Duration::from_millis(5));
        witness.is_served(&server);
    }
    assert_eq!(slow.text(), "by the drop");
}

#[test]
fn frames_that_never_end_do_not_hold_a_socket() {
    let server = Setup::new()
        .limits(|limits| limits.ping(BRIEF, BRIEF))
        .start();
    let mut slow = Raw::open(server.address(), "/");
    slow.say(&frame(true, TEXT, &[b'x'; 100])[..20]);
    assert!(slow.hung_up());
    server.wait_ended(Ended::Silent, 1);
    server.assert_nothing_left(0);
}

#[test]
fn sockets_that_never_read() {
    let server = Setup::new()
        .limits(|limits| limits.write_timeout(BRIEF))
        .start();
    let mut witness = Witness::at(&server);
    let mut stalled: Vec<_> = (0..20)
        .map(|_| {
            let mut raw = Raw::narrow(server.address());
            raw.upgrade("/?topics=large", "");
            raw
        })
        .collect();
    server.publish("large", vec![b'x'; 16 << 20]);
    crate::harness::until("they stall", || server.stats().stalled == 20);
    witness.is_served(&server);
    server.wait_ended(Ended::WriteTimeout, 20);
    for raw in &mut stalled {
        assert!(raw.hung_up());
    }
    witness.is_served(&server);
    drop(witness);
    server.assert_nothing_left(0);
}

#[test]
fn a_reader_that_takes_a_little_is_kept() {
    let server = Setup::new()
        .limits(|limits| limits.write_timeout(Duration::from_secs(2)))
        .start();
    let mut slow = Raw::narrow(server.address());
    slow.upgrade("/?topics=large", "");
    let large = vec![b'x'; 8 << 20];
    server.publish("large", large.clone());
    // Longer than the timeout in all, but never so long without a byte.
    for _ in 0..30 {
        thread::sleep(Duration::from_millis(100));
        assert_eq!(server.stats().open, 1);
        slow.buffer_some();
    }
    assert!(slow.message().0.payload == large);
}

#[test]
fn a_close_that_is_not_answered() {
    let server = Setup::new()
        .limits(|limits| limits.close_timeout(BRIEF))
        .start();
    let mut rude = Raw::open(server.address(), "/");
    rude.send(TEXT, "!close go");
    let close = rude.frame();
    assert_eq!(close.payload, b"\x03\xe8go");
    rude.send(PING, "not yet");
    assert!(rude.hung_up());
    server.wait_ended(Ended::Application, 1);
    server.assert_nothing_left(0);
}

#[test]
fn a_close_that_cannot_be_written() {
    let server = Setup::new()
        .limits(|limits| limits.close_timeout(BRIEF))
        .start();
    let mut stalled = Raw::narrow(server.address());
    stalled.upgrade("/?topics=large", "");
    server.publish("large", vec![b'x'; 16 << 20]);
    crate::harness::until("it stalls", || server.stats().stalled == 1);
    stalled.send(TEXT, "!close go");
    server.wait_ended(Ended::Application, 1);
    server.assert_nothing_left(0);
    drop(stalled);
}

#[test]
fn a_pong_of_nobodys_asking() {
    let server = Server::start();
    let mut raw = Raw::open(server.address(), "/");
    for _ in 0..1_000 {
        raw.send(PONG, [b'p'; 125]);
    }
    raw.send(TEXT, "and now?");
    assert_eq!(raw.text(), "and now?");
}
