//! A drain: everybody is sent away, evenly, with a hint when to come back.

use std::{
    thread,
    time::{Duration, Instant},
};

use distributary::gateway::Ended;

use crate::harness::{CLOSE, Json, PATIENCE, Raw, Server, Sse, frame};

/// Clients of each kind.
const EACH: usize = 25;
const OVER: Duration = Duration::from_secs(3);

/// One that stays to the end: gives when it was sent away, and the hint it got.
type Leaver = thread::JoinHandle<(Instant, Option<u64>)>;

fn plain(server: &Server) -> Leaver {
    let mut raw = Raw::open(server.address(), "/?topics=a");
    thread::spawn(move || {
        let (code, _) = raw.closed();
        assert_eq!(code, Some(1012));
        (Instant::now(), None)
    })
}

fn json(server: &Server) -> Leaver {
    let mut json = Json::open(server.address(), "/?topics=a");
    thread::spawn(move || {
        let mut hint = json.hear();
        if hint["type"] == "event" {
            hint = json.hear();
        }
        assert_eq!(hint["type"], "reconnect");
        assert_eq!(json.raw.closed().0, Some(1012));
        (Instant::now(), Some(hint["after_ms"].as_u64().unwrap()))
    })
}

fn sse(server: &Server) -> Leaver {
    let mut sse = Sse::open(server.address(), "/?topics=a", None);
    thread::spawn(move || {
        let mut hint = None;
        while let Some(event) = sse.next() {
            hint = event.retry.or(hint);
        }
        (
            Instant::now(),
            Some(hint.expect("a hint when to come back")),
        )
    })
}

fn health(server: &Server) -> (u16, String) {
    let mut raw = Raw::connect(server.admin());
    raw.say(b"GET /healthz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let head = raw.head();
    let length = head
        .header("content-length")
        .expect("a length")
        .parse()
        .unwrap();
    (
        head.status,
        String::from_utf8(raw.first_bytes(length)).unwrap(),
    )
}

#[test]
fn evenly_and_with_a_hint() {
    let server = Server::start();
    let mut leavers = Vec::new();
    for _ in 0..EACH {
        leavers.extend([plain(&server), json(&server), sse(&server)]);
    }
    let count = leavers.len();
    assert_eq!(health(&server).0, 200);
    let start = Instant::now();
    thread::scope(|scope| {
        let drain = scope.spawn(|| server.run(server.gateway.drain(OVER)));
        crate::harness::until("newcomers are refused", || {
            Raw::refused(server.address(), "/").status == 503
        });
        let refused = Raw::refused(server.address(), "/");
        assert!(refused.header("retry-after").is_some(), "{}", refused.text);
        let (status, text) = health(&server);
        assert_eq!(status, 503, "so that balancers look elsewhere");
        assert!(text.contains("draining"), "{text}");
        // Who stays is served to the end.
        server.publish("a", "x");
        drain.join().unwrap();
    });
    assert!(start.elapsed() < OVER + PATIENCE / 2);
    server.wait_open(0);
    let gone: Vec<_> = leavers.into_iter().map(|one| one.join().unwrap()).collect();
    let mut times: Vec<_> = gone.iter().map(|(when, _)| *when - start).collect();
    times.sort();
    // In each fifth of the time about a fifth of them.
    for part in 0..5_u32 {
        let span = OVER * part / 5..OVER * (part + 1) / 5;
        let here = times.iter().filter(|time| span.contains(time)).count();
        assert!(here >= count / 20, "{here} of {count} in {span:?}");
        assert!(here <= count / 2, "{here} of {count} in {span:?}");
    }
    // They do not come back all at once either.
    let hints: std::collections::HashSet<_> = gone.iter().filter_map(|(_, hint)| *hint).collect();
    assert!(hints.len() > EACH / 2, "{hints:?}");
    server.wait_ended(Ended::Drained, count as u64);
    server.assert_nothing_left(0);
}

#[test]
fn nobody_there() {
    let server = Server::start();
    let start = Instant::now();
    server.run(server.gateway.drain(Duration::from_secs(60)));
    assert!(start.elapsed() < PATIENCE, "there was nobody to wait for");
}

#[test]
fn a_client_that_does_not_go_is_made_to() {
    let server = crate::harness::Setup::new()
        .limits(|limits| limits.close_timeout(Duration::from_millis(300)))
        .start();
    let mut stays = Raw::open(server.address(), "/");
    server.run(server.gateway.drain(Duration::from_millis(100)));
    assert_eq!(server.stats().open, 0);
    assert_eq!(stays.frame().opcode, CLOSE);
    stays.try_say(&frame(true, CLOSE, b""));
    assert!(stays.hung_up());
}

#[test]
fn the_end_of_a_gateway_is_told() {
    let server = Server::start();
    let book = std::sync::Arc::clone(&server.book);
    let mut plain = Raw::open(server.address(), "/?name=plain");
    let mut sse = Sse::open(server.address(), "/?name=sse", None);
    let closing = thread::spawn(move || server.end());
    assert_eq!(plain.closed().0, Some(1001));
    assert!(sse.raw.hung_up());
    drop(sse);
    closing.join().unwrap();
    let mut ended = book.ended.lock().clone();
    ended.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = ["plain", "sse"].map(|name| (name.to_owned(), Ended::Closed));
    assert_eq!(ended, expected);
}

#[test]
fn the_end_of_a_hub_is_told() {
    let server = Server::start();
    let mut plain = Raw::open(server.address(), "/?topics=a");
    let mut json = Json::open(server.address(), "/?topics=a");
    server.hub.close();
    assert_eq!(plain.closed().0, Some(1001));
    assert_eq!(json.raw.closed().0, Some(1001));
    server.wait_ended(Ended::Closed, 2);
}
