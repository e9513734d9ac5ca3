//! Everybody comes back at once.

use std::{sync::atomic::Ordering, thread, time::Duration};

use distributary::{Budget, Hub};

use crate::harness::{
    Json, PATIENCE, Raw, Server, Setup, Sse, alone, number, numbered, raise_descriptors, until,
};

const CLIENTS: usize = 2_000;
/// Threads that the clients of a storm come from.
const THREADS: usize = 4;

fn keeping_server() -> Server {
    let hub = Hub::builder().history("kept.*", Budget::default()).unwrap();
    Setup::new().hub(hub.build().unwrap()).start()
}

/// Runs this for every client, from several threads, in order of the clients.
fn storm<T: Send>(act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let clients = CLIENTS * thread / THREADS..CLIENTS * (thread + 1) / THREADS;
                scope.spawn(move || clients.map(act).collect::<Vec<_>>())
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

#[test]
fn a_mass_reconnect_loses_nothing_and_asks_nobody() {
    const BEFORE: u64 = 20;
    const MEANWHILE: u64 = 100;
    raise_descriptors();
    let server = keeping_server();
    let target = "/?topics=kept.s&ticket=600";
    let clients = storm(|_| Json::open(server.address(), target));
    assert_eq!(server.book.asked.load(Ordering::SeqCst), CLIENTS);
    for event in 0..BEFORE {
        server.publish("kept.s", event.to_string());
    }
    // Each has come so far, and is cut off there.
    let stopped: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(client, mut json)| {
            let ticket = json.welcome["ticket"].as_str().unwrap().to_owned();
            let upto = client as u64 % BEFORE;
            let mut position = String::new();
            for event in 0..=upto {
                let message = json.expect("event");
                assert_eq!(message["data"], event);
                position = message["position"].as_str().unwrap().to_owned();
            }
            json.raw.reset();
            (ticket, upto, position)
        })
        .collect();
    let returned = thread::scope(|scope| {
        scope.spawn(|| {
            for event in BEFORE..BEFORE + MEANWHILE {
                server.publish("kept.s", event.to_string());
                thread::sleep(Duration::from_millis(10));
            }
        });
        storm(|client| {
            let (ticket, upto, position) = &stopped[client];
            let back = format!("/?ticket={ticket}&from=kept.s%3D{position}");
            (Json::open(server.address(), &back), *upto)
        })
    });
    for (mut json, upto) in returned {
        for event in upto + 1..BEFORE + MEANWHILE {
            assert_eq!(json.expect("event")["data"], event);
        }
    }
    assert_eq!(
        server.book.asked.load(Ordering::SeqCst),
        CLIENTS,
        "a ticket is enough"
    );
    let kept = server.hub.stats().bytes_held;
    server.assert_nothing_left(kept);
}

#[test]
fn a_ticket_that_is_none_is_no_ticket() {
    let server = keeping_server();
    let first = Json::open(server.address(), "/?topics=kept.t&ticket=600");
    let ticket = first.welcome["ticket"].as_str().unwrap().to_owned();
    assert_eq!(server.book.asked.load(Ordering::SeqCst), 1);
    drop(first);
    server.wait_open(0);
    // As if it had come for the first time.
    let forged = format!("/?topics=kept.t&ticket=600{ticket}");
    let refused = Raw::refused(server.address(), &format!("/?ticket={ticket}x&refuse=403"));
    assert_eq!(refused.status, 403, "{forged}");
    assert_eq!(server.book.asked.load(Ordering::SeqCst), 2);
    // The real one is asked for nothing.
    let mut back = Json::open(server.address(), &format!("/?ticket={ticket}"));
    server.publish("kept.t", "1");
    assert_eq!(back.expect("event")["data"], 1);
    assert_eq!(server.book.asked.load(Ordering::SeqCst), 2);
}

#[test]
fn server_sent_events_resume() {
    let server = keeping_server();
    let mut first = Sse::open(server.address(), "/?topics=kept.a,kept.b", None);
    for event in 0..10 {
        server.publish(["kept.a", "kept.b"][event % 2], numbered(event as u64, 10));
    }
    let mut id = None;
    for event in 0..5 {
        let next = first.event();
        assert_eq!(number(next.data.as_bytes()), event);
        id = next.id;
    }
    drop(first);
    let id = id.expect("an id to come back with");
    let mut back = Sse::open(server.address(), "/?topics=kept.a,kept.b", Some(&id));
    // Order is kept within each topic.
    let mut rest: Vec<_> = (5..10)
        .map(|_| number(back.event().data.as_bytes()))
        .collect();
    rest.sort_unstable();
    assert_eq!(rest, [5, 6, 7, 8, 9]);
    server.publish("kept.a", numbered(10, 10));
    assert_eq!(number(back.event().data.as_bytes()), 10);
}

#[test]
fn a_point_that_cannot_be_gone_back_to_is_told() {
    let hub = Hub::builder()
        .history("kept.*", Budget::default().events(5).unwrap())
        .unwrap();
    let server = Setup::new().hub(hub.build().unwrap()).start();
    let mut sse = Sse::open(server.address(), "/?topics=kept.a", None);
    server.publish("kept.a", "0");
    let id = sse.event().id.unwrap();
    drop(sse);
    for event in 1..20 {
        server.publish("kept.a", event.to_string());
    }
    for last in [id.as_str(), "nonsense", "kept.a=1-1", "other=1-1"] {
        let mut back = Sse::open(server.address(), "/?topics=kept.a", Some(last));
        let told = back.event();
        assert_eq!(told.event, "lagged", "{last}");
        assert!(told.data.contains("null"), "{}", told.data);
        server.publish("kept.a", last.to_owned());
        let next = back.event();
        assert_eq!((next.event.as_str(), next.data.as_str()), ("message", last));
    }
}

#[test]
fn over_the_memory_limit_those_who_are_in_stay_in() {
    let name = "storms::over_the_memory_limit_those_who_are_in_stay_in";
    alone(name, PATIENCE, || {
        const ROOM: u64 = 64 << 20;
        let limit = resident() + ROOM;
        let server = Setup::new().limits(|limits| limits.memory(limit)).start();
        let mut inside: Vec<_> = (0..5)
            .map(|_| Raw::open(server.address(), "/?topics=a"))
            .collect();
        let ballast = vec![1_u8; 2 * ROOM as usize];
        until("it is noticed", || {
            Raw::refused(server.address(), "/").status == 503
        });
        let refused = Raw::refused(server.address(), "/");
        assert!(refused.header("retry-after").is_some(), "{}", refused.text);
        server.publish("a", "still here");
        for raw in &mut inside {
            assert_eq!(raw.text(), "still here");
        }
        assert_eq!(
            ballast.iter().map(|byte| u64::from(*byte)).sum::<u64>(),
            2 * ROOM
        );
        drop(ballast);
        until("there is room again", || {
            Raw::refused(server.address(), "/").status == 101
        });
    });
}

/// What this process holds, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kibibytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes << 10
}
