//! Admission: each limit, what those beyond it are told, and that nothing stays counted.

use std::{fs::File, ops::RangeInclusive, os::fd::AsRawFd};

use rlimit::{Resource, getrlimit, setrlimit};

use super::*;
use crate::harness::{PATIENCE, alone};

/// Turned away with this status, and told to come back in so many seconds.
fn turned_away(answer: &Answer, status: u16, seconds: RangeInclusive<u64>) {
    assert_eq!(answer.status, status);
    let retry = answer.header("retry-after").and_then(|s| s.parse().ok());
    assert!(
        retry.is_some_and(|s: u64| seconds.contains(&s)),
        "{answer:?}"
    );
}

#[test]
fn beyond_the_most_connections_newcomers_are_told_to_come_back() {
    run(async {
        let limits = Limits::default()
            .connections(2)
            .retry_after(Duration::from_secs(3), Duration::from_secs(5));
        let (_hub, gateway) = open_to_all(limits).await;
        let mut first = Peer::at(&gateway);
        let mut second = Peer::at(&gateway);
        assert_eq!(first.upgrade("/", "").status, 101);
        assert_eq!(second.upgrade("/", "").status, 101);
        let mut times = std::collections::HashSet::new();
        for _ in 0..32 {
            let mut third = Peer::at(&gateway);
            let answer = third.upgrade("/", "");
            turned_away(&answer, 503, 3..=5);
            times.insert(answer.header("retry-after").map(str::to_owned));
            assert!(third.rest().contains("full"));
        }
        assert!(times.len() > 1, "all were told the same: {times:?}");
        assert_eq!(refused(&gateway.stats(), Refused::Connections), 32);
        drop(first);
        until("the place is free again", || {
            Peer::at(&gateway).upgrade("/", "").status == 101
        });
        gateway.close().await;
    });
}

#[test]
fn one_address_has_its_share_and_no_more() {
    run(async {
        let (_hub, gateway) = open_to_all(Limits::default().per_address(1)).await;
        let mut first = Peer::at(&gateway);
        assert_eq!(first.upgrade("/", "").status, 101);
        turned_away(&Peer::at(&gateway).upgrade("/", ""), 429, 1..=10);
        let stats = gateway.stats();
        assert_eq!(refused(&stats, Refused::AddressConnections), 1);
        drop(first);
        until("the place is free again", || {
            Peer::at(&gateway).upgrade("/", "").status == 101
        });
        gateway.close().await;
    });
}

#[test]
fn behind_a_proxy_the_address_is_the_one_it_reports() {
    run(async {
        let limits = Limits::default().trusted_proxies(1).per_address(1);
        let (_hub, gateway) = open_to_all(limits).await;
        let from = |list: &str| {
            let mut peer = Peer::at(&gateway);
            let answer = peer.upgrade("/", &format!("x-forwarded-for: {list}\r\n"));
            (peer, answer)
        };
        let (_one, answer) = from("10.0.0.1");
        assert_eq!(answer.status, 101);
        let (_two, answer) = from("10.0.0.2");
        assert_eq!(answer.status, 101);
        let (_other, answer) = from("10.0.0.9, 10.0.0.1");
        turned_away(&answer, 429, 1..=10);
        until("who was turned away is not counted", || {
            gateway.stats().open == 2
        });
        drop(_one);
        until("the place is free again", || {
            from("10.0.0.1").1.status == 101
        });
        gateway.close().await;
    });
}

#[test]
fn a_second_brings_so_many_and_no_more() {
    run(async {
        let (_hub, gateway) = open_to_all(Limits::default().per_second(3)).await;
        let began = Instant::now();
        let mut in_time = Vec::new();
        while began.elapsed() < Duration::from_millis(1_500) {
            let mut peer = Peer::at(&gateway);
            match peer.upgrade("/", "").status {
                101 => in_time.push(began.elapsed()),
                status => assert_eq!(status, 503),
            }
        }
        // Three at once, and one for each third of a second since.
        let most = 3 + (began.elapsed().as_secs_f64() * 3.0) as usize;
        assert!((4..=most).contains(&in_time.len()), "{in_time:?}");
        assert_ne!(refused(&gateway.stats(), Refused::Rate), 0);
        gateway.close().await;
    });
}

#[test]
fn handshakes_are_bounded_in_number_and_time() {
    run(async {
        let limits = Limits::default()
            .handshakes(2)
            .handshake_timeout(Duration::from_millis(300));
        let (_hub, gateway) = open_to_all(limits).await;
        let mut silent = Peer::at(&gateway);
        let mut slow = Peer::at(&gateway);
        slow.say("GET / HTTP/1.1\r\n");
        until("both are seen", || gateway.stats().handshaking == 2);
        turned_away(&Peer::at(&gateway).upgrade("/", ""), 503, 1..=10);
        // Neither gets an answer to what it never asked.
        assert_eq!(silent.rest(), "");
        assert_eq!(slow.rest(), "");
        until("their places are free", || gateway.stats().handshaking == 0);
        assert_eq!(Peer::at(&gateway).upgrade("/", "").status, 101);
        let stats = gateway.stats();
        assert_eq!(refused(&stats, Refused::Handshakes), 1);
        assert_eq!(refused(&stats, Refused::Timeout), 2);
        gateway.close().await;
    });
}

#[test]
fn an_application_that_does_not_answer_holds_a_client_no_longer_than_the_handshake() {
    run(async {
        let hub = Hub::new();
        let builder = Gateway::builder(&hub).authorize(async |_| {
            std::future::pending::<()>().await;
            Ok(news(()))
        });
        let limits = Limits::default().handshake_timeout(Duration::from_millis(100));
        let gateway = listening(builder.limits(limits)).await;
        let mut peer = Peer::at(&gateway);
        // The client did what it had to: it is told to come back.
        turned_away(&peer.upgrade("/", ""), 503, 1..=10);
        assert_eq!(peer.rest(), Refused::Timeout.to_string());
        until("it is counted out", || gateway.stats().handshaking == 0);
        assert_eq!(refused(&gateway.stats(), Refused::Timeout), 1);
        gateway.close().await;
    });
}

#[test]
fn short_of_memory_nobody_more_comes_in_and_who_is_there_stays() {
    run(async {
        // Any process is beyond this.
        let (_hub, gateway) = open_to_all(Limits::default().memory(1 << 10)).await;
        turned_away(&Peer::at(&gateway).upgrade("/", ""), 503, 1..=10);
        assert_eq!(refused(&gateway.stats(), Refused::Memory), 1);
        gateway.close().await;
    });
}

#[test]
fn those_who_leave_in_the_handshake_are_counted_out() {
    run(async {
        let (_hub, gateway) = open_to_all(Limits::default()).await;
        for request in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n"] {
            Peer::at(&gateway).say(request);
        }
        until("all three have come and gone", || {
            let stats = gateway.stats();
            stats.accepted == 3 && stats.handshaking == 0
        });
        assert_eq!(gateway.stats().opened, 0);
        gateway.close().await;
    });
}

#[test]
fn without_a_descriptor_newcomers_are_told_and_health_is_answered() {
    let name = "front::limits::without_a_descriptor_newcomers_are_told_and_health_is_answered";
    alone(name, 4 * PATIENCE, || {
        run(async {
            let (hub, gateway) = open_to_all(Limits::default()).await;
            let mut first = Peer::at(&gateway);
            assert_eq!(first.upgrade("/", "").status, 101);
            let (before, most) = getrlimit(Resource::NOFILE).unwrap();
            // One more for the client's own end, and none for the gateway's. The system
            // gives the lowest number that is free.
            let next = File::open("/dev/null").unwrap().as_raw_fd() as u64;
            setrlimit(Resource::NOFILE, next + 1, most).unwrap();
            let mut second = Peer::at(&gateway);
            second.say(handshake("/", ""));
            turned_away(&second.answer(), 503, 1..=10);
            assert_eq!(refused(&gateway.stats(), Refused::Descriptors), 1);
            let errors = gateway.stats().accept_errors;
            assert!((1..10).contains(&errors), "{errors} in one attempt");
            drop(second);
            let mut doctor = Peer::connect(gateway.admin_address().unwrap());
            doctor.say("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            assert_eq!(doctor.answer().status, 200);
            hub.publish("news", "one").unwrap();
            assert_eq!(first.text(), "one");
            setrlimit(Resource::NOFILE, before, most).unwrap();
            until("it is well again", || {
                Peer::at(&gateway).upgrade("/", "").status == 101
            });
            gateway.close().await;
        });
    });
}
