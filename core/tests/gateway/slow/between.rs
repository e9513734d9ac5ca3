//! Control goes first: between the fragments of one message, and between the sockets
//! of one event. The evidence is the order in which things are seen, not time.

use distributary::gateway::Ended;

use super::wait_stalled;
use crate::harness::{CLOSE, PING, PONG, Raw, Server, Setup, TEXT, raise_descriptors, until};

const LARGE: usize = 16 << 20;

#[test]
fn a_pong_between_fragments() {
    let server = Server::start();
    let mut slow = super::stalled(&server, "/?topics=large");
    let large = vec![b'x'; LARGE];
    server.publish("large", large.clone());
    wait_stalled(&server, 1);
    slow.send(PING, "meanwhile?");
    let (message, controls) = slow.message();
    assert!(message.payload == large);
    assert_eq!(controls.len(), 1);
    assert_eq!(
        (controls[0].opcode, &*controls[0].payload),
        (PONG, &b"meanwhile?"[..])
    );
}

#[test]
fn a_ping_between_fragments() {
    let every = std::time::Duration::from_millis(200);
    let server = Setup::new()
        .limits(|limits| limits.ping(every, crate::harness::PATIENCE))
        .start();
    let mut slow = super::stalled(&server, "/?topics=large");
    server.publish("large", vec![b'x'; LARGE]);
    wait_stalled(&server, 1);
    std::thread::sleep(2 * every);
    let (_, controls) = slow.message();
    assert!(controls.iter().any(|control| control.opcode == PING));
}

#[test]
fn a_close_between_fragments() {
    let server = Server::start();
    let mut slow = super::stalled(&server, "/?topics=large");
    server.publish("large", vec![b'x'; LARGE]);
    wait_stalled(&server, 1);
    slow.send(CLOSE, 4_000_u16.to_be_bytes());
    let mut fragments = 0;
    loop {
        let frame = slow.frame();
        if frame.opcode == CLOSE {
            assert_eq!(frame.payload, 4_000_u16.to_be_bytes());
            break;
        }
        assert!(!frame.fin, "the close came after the whole message");
        fragments += 1;
    }
    assert!(fragments > 0);
    assert_eq!(slow.next_frame(), None);
    server.wait_ended(Ended::Left, 1);
    server.assert_nothing_left(0);
}

/// Sockets of one lane that one event goes to.
const MEMBERS: u64 = 1_500;

/// A lane that fans out all the time, and what another client sees meanwhile.
#[test]
fn control_between_the_sockets_of_an_event() {
    raise_descriptors();
    let server = Setup::new().limits(|limits| limits.lanes(1)).start();
    let members: Vec<_> = (0..MEMBERS)
        .map(|_| Raw::open(server.address(), "/?topics=all"))
        .collect();
    let mut probe = Raw::open(server.address(), "/?topics=none");
    // Tries again until an event was still going out when the answer was there: whoever
    // serves the whole event first never gets there.
    let amid = |what: &str, mut act: Box<dyn FnMut() + '_>| {
        let mut tries = 0;
        until(what, || {
            tries += 1;
            let before = server.stats().writes;
            server.publish("all", "x");
            while server.stats().writes == before {
                std::hint::spin_loop();
            }
            act();
            let written = server.stats().writes - before;
            // Lets it end, so that each try begins alike.
            until("the event has gone out", || {
                server.stats().writes - before >= MEMBERS
            });
            written < MEMBERS
        });
        println!("{what}: in the middle of an event at try {tries}");
    };
    amid(
        "a pong",
        Box::new(|| {
            probe.send(PING, "now?");
            assert_eq!(probe.frame().opcode, PONG);
        }),
    );
    amid(
        "a text answered by the application",
        Box::new(|| {
            probe.send(TEXT, "now?");
            assert_eq!(probe.text(), "now?");
        }),
    );
    amid(
        "a join",
        Box::new(|| {
            Raw::open(server.address(), "/?topics=none");
        }),
    );
    amid(
        "a close",
        Box::new(|| {
            let mut leaver = Raw::open(server.address(), "/?topics=none");
            leaver.send(CLOSE, 1000_u16.to_be_bytes());
            assert_eq!(leaver.closed().0, Some(1000));
        }),
    );
    drop((members, probe));
    server.assert_nothing_left(0);
}
