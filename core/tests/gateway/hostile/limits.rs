//! Refused by the numbers: with a status, a time to come back, and nothing else.

use std::time::Duration;

use distributary::gateway::Limits;

use super::Witness;
use crate::harness::{Head, Raw, Server, Setup, Sse, until, upgrade_request};

fn server(limits: impl FnOnce(Limits) -> Limits) -> Server {
    let soon = |limits: Limits| limits.retry_after(Duration::from_secs(2), Duration::from_secs(5));
    Setup::new()
        .limits(|defaults| limits(soon(defaults)))
        .start()
}

/// Refused with this status, and told to come back in 2 to 5 seconds.
#[track_caller]
fn assert_refused(head: &Head, status: u16) {
    assert_eq!(head.status, status, "{}", head.text);
    let wait = head.header("retry-after").expect("a time to come back");
    let seconds: u64 = wait.parse().unwrap();
    assert!((2..=5).contains(&seconds), "{seconds}");
}

#[test]
fn connections_in_total() {
    let server = server(|limits| limits.connections(10));
    let mut open: Vec<_> = (0..10).map(|_| Raw::open(server.address(), "/")).collect();
    let refused: Vec<_> = (0..40)
        .map(|_| Raw::refused(server.address(), "/"))
        .collect();
    for head in &refused {
        assert_refused(head, 503);
    }
    // Not all at the same moment.
    let waits = refused.iter().map(|head| head.header("retry-after"));
    assert!(waits.collect::<std::collections::HashSet<_>>().len() > 1);
    let sse = Sse::ask(Raw::connect(server.address()), "/", None);
    assert_refused(&sse.head, 503);
    drop(open.pop());
    until("there is room again", || server.stats().open == 9);
    until("it is given", || {
        Raw::refused(server.address(), "/").status == 101
    });
}

#[test]
fn connections_of_one_address() {
    let server = server(|limits| limits.per_address(3));
    let open: Vec<_> = (0..3).map(|_| Raw::open(server.address(), "/")).collect();
    assert_refused(&Raw::refused(server.address(), "/"), 429);
    // Another address of the same machine.
    let mut other = Raw::connect_from([127, 0, 0, 2], server.address());
    other.upgrade("/", "");
    drop(open);
    until("there is room again", || {
        Raw::refused(server.address(), "/").status == 101
    });
}

#[test]
fn connections_in_a_second() {
    let server = server(|limits| limits.per_second(5));
    let heads: Vec<_> = (0..30)
        .map(|_| Raw::refused(server.address(), "/"))
        .collect();
    let let_in = heads.iter().filter(|head| head.status == 101).count();
    assert!((5..20).contains(&let_in), "{let_in}");
    for head in heads.iter().filter(|head| head.status != 101) {
        assert_refused(head, 503);
    }
    until("time brings more", || {
        Raw::refused(server.address(), "/").status == 101
    });
}

#[test]
fn connections_in_a_second_of_one_address() {
    let server = server(|limits| limits.per_address_per_second(5));
    let heads: Vec<_> = (0..30)
        .map(|_| Raw::refused(server.address(), "/"))
        .collect();
    let let_in = heads.iter().filter(|head| head.status == 101).count();
    assert!((5..20).contains(&let_in), "{let_in}");
    for head in heads.iter().filter(|head| head.status != 101) {
        assert_refused(head, 429);
    }
    let mut other = Raw::connect_from([127, 0, 0, 2], server.address());
    other.upgrade("/", "");
}

#[test]
fn handshakes_under_way() {
    let server = server(|limits| {
        limits
            .handshakes(5)
            .handshake_timeout(Duration::from_secs(2))
    });
    let mut half: Vec<_> = (0..5).map(|_| Raw::connect(server.address())).collect();
    for raw in &mut half {
        raw.say(upgrade_request("/?wait_ms=60000", "").as_bytes());
    }
    until("all places are taken", || {
        Raw::refused(server.address(), "/").status == 503
    });
    assert_refused(&Raw::refused(server.address(), "/"), 503);
    drop(half);
    until("they are free again", || {
        Raw::refused(server.address(), "/").status == 101
    });
}

#[test]
fn half_open_handshakes_do_not_stand_in_the_way_for_ever() {
    let server = server(|limits| limits.handshakes(5).handshake_timeout(super::BRIEF));
    // They say nothing at all.
    let mut half: Vec<_> = (0..5).map(|_| Raw::connect(server.address())).collect();
    until("they are let go", || {
        Raw::refused(server.address(), "/").status == 101
    });
    for raw in &mut half {
        assert!(raw.hung_up());
    }
    server.assert_nothing_left(0);
}

#[test]
fn memory() {
    // No process is so small.
    let full = server(|limits| limits.memory(1 << 20));
    for _ in 0..3 {
        assert_refused(&Raw::refused(full.address(), "/"), 503);
    }
    assert_eq!(full.stats().opened, 0);
}

#[test]
fn those_who_are_in_stay_in() {
    let server = server(|limits| limits.connections(1));
    let mut witness = Witness::at(&server);
    for _ in 0..50 {
        assert_refused(&Raw::refused(server.address(), "/"), 503);
        witness.is_served(&server);
    }
    assert_eq!(server.stats().open, 1);
}
