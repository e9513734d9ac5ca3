//! Requests: those that open a connection, and those that do not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use distributary::gateway::Reject;

use super::*;

#[test]
fn a_websocket_is_opened_and_gets_events() {
    run(async {
        let (hub, gateway) = open_to_all(Limits::default()).await;
        let mut peer = Peer::at(&gateway);
        let answer = peer.upgrade("/", "");
        assert_eq!(answer.status, 101);
        let accept = answer.header("sec-websocket-accept");
        assert_eq!(accept, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(answer.header("sec-websocket-extensions"), None);
        hub.publish("news", "one").unwrap();
        assert_eq!(peer.text(), "one");
        assert_eq!(gateway.stats().opened, 1);
        gateway.close().await;
    });
}

#[test]
fn a_handshake_in_pieces_with_a_frame_behind_it_is_read_whole() {
    run(async {
        let (hub, gateway) = open_to_all(Limits::default()).await;
        let mut peer = Peer::at(&gateway);
        let request = handshake("/", "");
        for piece in request.as_bytes().chunks(7) {
            peer.say(piece);
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.answer().status, 101);
        // A ping, masked with zeros, right behind the request of another.
        let mut other = Peer::at(&gateway);
        let mut request = handshake("/", "").into_bytes();
        request.extend(b"\x89\x82\0\0\0\0hi");
        assert_eq!(other.say(&request).answer().status, 101);
        let mut pong = [0; 4];
        other.0.read_exact(&mut pong).unwrap();
        assert_eq!(&pong, b"\x8a\x02hi");
        hub.publish("news", "one").unwrap();
        assert_eq!((peer.text(), other.text()), ("one".into(), "one".into()));
        gateway.close().await;
    });
}

#[test]
fn events_are_streamed_to_whoever_asks_plainly() {
    run(async {
        let hub = Hub::new();
        let builder = Gateway::builder(&hub).authorize(async |_| {
            let name = http::HeaderName::from_static("x-own");
            Ok(news(()).header(name, http::HeaderValue::from_static("1")))
        });
        let gateway = listening(builder).await;
        let mut peer = Peer::at(&gateway);
        peer.say("GET / HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n");
        let answer = peer.answer();
        assert_eq!(answer.status, 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("connection", "close"),
            ("x-accel-buffering", "no"),
            ("x-own", "1"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        hub.publish("news", "one").unwrap();
        let mut seen = String::new();
        while !seen.contains("data: one\n") && !seen.contains("data:one\n") {
            let mut some = [0; 64];
            let read = peer.0.read(&mut some).unwrap();
            assert_ne!(read, 0, "{seen}");
            seen.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        gateway.close().await;
    });
}

#[test]
fn a_position_that_is_no_text_is_answered_as_lost() {
    run(async {
        let (hub, gateway) = open_to_all(Limits::default()).await;
        let in_a_header: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nlast-event-id: \xff\xfe\r\n\r\n";
        let in_the_url: &[u8] = b"GET /?from=%ff HTTP/1.1\r\nhost: a\r\n\r\n";
        for request in [in_a_header, in_the_url] {
            let mut peer = Peer::at(&gateway);
            assert_eq!(peer.say(request).answer().status, 200);
            hub.publish("news", "one").unwrap();
            let mut seen = String::new();
            while !seen.contains("data: one\n") {
                let mut some = [0; 64];
                let read = peer.0.read(&mut some).unwrap();
                assert_ne!(read, 0, "{seen}");
                seen.push_str(std::str::from_utf8(&some[..read]).unwrap());
            }
            assert!(seen.contains("event: lagged\n"), "{seen}");
        }
        gateway.close().await;
    });
}

#[test]
fn what_cannot_be_served_is_told_why() {
    run(async {
        let hub = Hub::new();
        let builder = Gateway::builder(&hub)
            .authorize(async |_| Ok(news(())))
            .path("/stream");
        let gateway = listening(builder).await;
        let post = "POST /stream HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        let with_body = "GET /stream HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        let version = handshake("/stream", "").replace("version: 13", "version: 12");
        let elsewhere = handshake("/else", "");
        let html = "GET /stream HTTP/1.1\r\nhost: a\r\naccept: text/html\r\n\r\n";
        let for_nobody = "GET /stream HTTP/1.1\r\naccept: */*\r\n\r\n";
        let for_two = handshake("/stream", "host: other\r\n");
        let long = format!("GET /stream HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(40_000));
        let cases = [
            (post, 405, Some(("allow", "GET"))),
            (with_body, 400, None),
            (version.as_str(), 426, Some(("sec-websocket-version", "13"))),
            (elsewhere.as_str(), 404, None),
            (html, 406, None),
            (for_nobody, 400, None),
            (for_two.as_str(), 400, None),
            (long.as_str(), 431, None),
            ("no http at all\r\n\r\n", 400, None),
        ];
        for (request, status, header) in cases {
            let mut peer = Peer::at(&gateway);
            peer.say(request);
            let answer = peer.answer();
            assert_eq!(answer.status, status, "{request:.40}");
            assert_eq!(answer.header("connection"), Some("close"), "{request:.40}");
            if let Some((name, value)) = header {
                assert_eq!(answer.header(name), Some(value), "{request:.40}");
            }
            let length = answer.header("content-length").map(str::to_owned);
            assert_eq!(length, Some(peer.rest().len().to_string()), "{request:.40}");
        }
        let stats = gateway.stats();
        assert_eq!(refused(&stats, Refused::Method), 1);
        assert_eq!(refused(&stats, Refused::NotFound), 1);
        assert_eq!(refused(&stats, Refused::BadRequest), 7);
        assert_eq!((stats.opened, stats.handshaking), (0, 0));
        gateway.close().await;
    });
}

#[test]
fn the_application_turns_away_with_its_own_words() {
    run(async {
        let hub = Hub::new();
        let builder = Gateway::builder(&hub).authorize(async |request| {
            assert_eq!(request.path(), "/who");
            assert_eq!(request.bearer(), Some("t0"));
            let reject = Reject::unauthorized().header("www-authenticate", "Bearer");
            // What is about the connection is not the application's to say.
            let reject = reject.and_then(|r| r.header("content-length", "999"));
            Err::<Accept<()>, _>(reject.expect("headers").body("who are you?"))
        });
        let gateway = listening(builder).await;
        let mut peer = Peer::at(&gateway);
        let answer = peer.upgrade("/who", "authorization: Bearer t0\r\n");
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(peer.rest(), "who are you?");
        assert_eq!(refused(&gateway.stats(), Refused::Application), 1);
        gateway.close().await;
    });
}

#[test]
fn a_panic_of_the_application_is_its_clients_alone() {
    run(async {
        let hub = Hub::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let builder = Gateway::builder(&hub).authorize(move |request| {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                panic!("before there is a future");
            }
            async move {
                tokio::task::yield_now().await;
                assert_ne!(request.path(), "/panic", "in the future");
                Ok(news(()))
            }
        });
        let gateway = listening(builder).await;
        for path in ["/", "/panic"] {
            let mut peer = Peer::at(&gateway);
            assert_eq!(peer.upgrade(path, "").status, 500, "{path}");
        }
        let mut peer = Peer::at(&gateway);
        assert_eq!(peer.upgrade("/", "").status, 101);
        let stats = gateway.stats();
        assert_eq!(refused(&stats, Refused::Panicked), 2);
        assert_eq!((stats.opened, stats.handshaking), (1, 0));
        gateway.close().await;
    });
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A gateway whose application never answers, how often it was asked, and how often the
/// question was given up.
async fn never_answering(limits: Limits) -> (Gateway, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let given_up = Arc::new(AtomicUsize::new(0));
    let counts = (Arc::clone(&asked), Arc::clone(&given_up));
    let builder = Gateway::builder(&Hub::new()).authorize(move |_| {
        counts.0.fetch_add(1, Ordering::SeqCst);
        let question = Dropped(Arc::clone(&counts.1));
        async move {
            let _question = question;
            std::future::pending::<()>().await;
            Ok(news(()))
        }
    });
    (listening(builder.limits(limits)).await, asked, given_up)
}

#[test]
fn an_application_is_not_asked_any_longer_for_a_client_that_has_gone() {
    run(async {
        // Longer than the test may take.
        let limits = Limits::default().handshake_timeout(Duration::from_secs(600));
        let (gateway, asked, given_up) = never_answering(limits).await;
        let websocket = handshake("/", "");
        let sse = "GET / HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n".to_owned();
        let ahead = format!("{websocket}\x01");
        type Leave = fn(TcpStream);
        let leaves: [(&str, Leave); 3] = [
            ("closes", drop),
            ("closes its half", |stream| {
                stream
                    .shutdown(std::net::Shutdown::Write)
                    .expect("it is open");
                // Kept open until the other side closes.
                let closed = (&stream).read_to_end(&mut Vec::new());
                assert!(closed.is_ok(), "{closed:?}");
            }),
            ("resets", |stream| {
                socket2::SockRef::from(&stream)
                    .set_linger(Some(Duration::ZERO))
                    .expect("a socket");
            }),
        ];
        let mut clients = 0;
        for request in [&websocket, &sse, &ahead] {
            for (how, leave) in leaves {
                clients += 1;
                let mut peer = Peer::at(&gateway);
                peer.say(request);
                until("it is asked", || asked.load(Ordering::SeqCst) == clients);
                assert_eq!(given_up.load(Ordering::SeqCst), clients - 1);
                leave(peer.0);
                until(how, || given_up.load(Ordering::SeqCst) == clients);
            }
        }
        until("all are counted", || {
            refused(&gateway.stats(), Refused::Broken) == clients as u64
        });
        assert_eq!(gateway.stats().handshaking, 0);
        gateway.close().await;
    });
}

#[test]
fn what_a_client_sends_ahead_is_no_end() {
    run(async {
        let hub = Hub::new();
        let (answer, answers) = tokio::sync::watch::channel(false);
        let builder = Gateway::builder(&hub).authorize(move |_| {
            let mut answers = answers.clone();
            async move {
                let _ = answers.wait_for(|answer| *answer).await;
                Ok(news(()))
            }
        });
        // The client answers no goodbye.
        let limits = Limits::default().close_timeout(Duration::from_millis(200));
        let gateway = listening(builder.limits(limits)).await;
        let mut peer = Peer::at(&gateway);
        peer.say(handshake("/", ""));
        until("it is asked", || gateway.stats().handshaking == 1);
        for piece in b"\x89\x82\0\0\0\0hi".chunks(2) {
            peer.say(piece);
            tokio::task::yield_now().await;
        }
        answer.send(true).expect("it waits");
        assert_eq!(peer.answer().status, 101);
        let mut pong = [0; 4];
        peer.0.read_exact(&mut pong).expect("a frame in time");
        assert_eq!(&pong, b"\x8a\x02hi");
        gateway.close().await;
    });
}

#[test]
fn the_end_of_a_gateway_breaks_off_handshakes() {
    run(async {
        let hub = Hub::new();
        let builder = Gateway::builder(&hub).authorize(async |_| {
            std::future::pending::<()>().await;
            Ok(news(()))
        });
        let gateway = listening(builder).await;
        let mut asked = Peer::at(&gateway);
        asked.say(handshake("/", ""));
        let mut silent = Peer::at(&gateway);
        until("both are seen", || gateway.stats().handshaking == 2);
        gateway.close().await;
        assert_eq!(
            (asked.rest(), silent.rest()),
            (String::new(), String::new())
        );
    });
}
