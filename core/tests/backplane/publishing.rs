//! The way out: what becomes of events while servers are away, full or demoted, and what
//! stands on the wire.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Bytes, Hub, Publication, Selector,
    backplane::{Acknowledged, ForwardErrorKind, Forwarding, Receipt},
    redis::{Mode, Redis, RedisBuilder},
};

use crate::{
    hubs::{Ear, hub, hub_with, joined, outcome, publish_told, until_well},
    rig::{PATIENCE, Plan, Server, until},
};

fn options(server: &Server) -> RedisBuilder {
    Redis::at(server.url()).unwrap()
}

fn in_mode(server: &Server, mode: Mode) -> Hub {
    hub_with(options(server).mode("*", mode).unwrap())
}

/// What has become of it, in short.
#[track_caller]
fn kind(receipt: &Receipt) -> Result<Acknowledged, ForwardErrorKind> {
    outcome(receipt).map_err(|error| error.kind())
}

/// The texts in a log, in its order; their numbers are dense from 1.
#[track_caller]
fn log(server: &Server, key: &str) -> Vec<String> {
    let log = server.ask(&["XRANGE", key, "-", "+"]);
    let entries = log.list().iter().enumerate();
    let texts = entries.map(|(at, entry)| {
        let [id, fields] = entry.list() else {
            panic!("no entry: {entry:?}")
        };
        assert_eq!(id.text(), format!("{}-0", at + 1));
        let envelope = fields.list()[1].text();
        envelope.chars().rev().take_while(|c| *c != '|').collect()
    });
    texts
        .map(|text: String| text.chars().rev().collect())
        .collect()
}

/// A listener that knows nothing of hubs: the bytes that a server sends for a channel.
struct Stranger(TcpStream);

impl Stranger {
    fn on(server: &Server, channel: &str) -> Stranger {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let ask = format!(
            "*2\r\n$9\r\nSUBSCRIBE\r\n${}\r\n{channel}\r\n",
            channel.len()
        );
        stream.write_all(ask.as_bytes()).unwrap();
        let mut stranger = Stranger(stream);
        stranger.expect(b"*3\r\n$9\r\nsubscribe\r\n");
        stranger.expect(format!("${}\r\n{channel}\r\n:1\r\n", channel.len()).as_bytes());
        stranger
    }

    #[track_caller]
    fn expect(&mut self, bytes: &[u8]) {
        let mut read = vec![0; bytes.len()];
        self.0.read_exact(&mut read).expect("so many bytes");
        assert!(read == bytes, "{:?}", String::from_utf8_lossy(&read));
    }

    #[track_caller]
    fn hears(&mut self, channel: &str, payload: &[u8]) {
        let head = format!(
            "*3\r\n$7\r\nmessage\r\n${}\r\n{channel}\r\n${}\r\n",
            channel.len(),
            payload.len()
        );
        self.expect(&[head.as_bytes(), payload, b"\r\n"].concat());
    }
}

fn odd_names() -> Vec<String> {
    let names = ["a}b", "{}x", "}{", "user:{42}:edits", "two words\r\n", "ö"];
    let mut names = names.map(str::to_owned).to_vec();
    names.push("n".repeat(1_024));
    names.push(format!("{}}}", "{".repeat(1_023)));
    names
}

fn odd_payloads() -> Vec<Bytes> {
    let mut all: Vec<u8> = (0..=255).collect();
    all.extend(b"\r\n$3\r\n");
    vec![
        Bytes::from_static(br#"{"id":1,"text":"as it is"}"#),
        Bytes::new(),
        Bytes::from(all),
        Bytes::from(vec![0; 300_000]),
    ]
}

#[test]
fn strangers_read_plain_names_byte_for_byte() {
    let server = Server::start();
    let hub = hub_with(options(&server).mode("logged.*", Mode::Replay).unwrap());
    for name in odd_names() {
        let mut stranger = Stranger::on(&server, &name);
        for payload in odd_payloads() {
            let event = Publication::new(name.as_str(), payload.clone());
            let receipt = hub.publish_acknowledged(event).unwrap();
            assert_eq!(kind(&receipt).unwrap().heard, 1);
            stranger.hears(&name, &payload);
        }
    }
}

#[test]
fn odd_names_and_payloads_travel_in_every_mode() {
    let server = Server::start();
    for mode in [Mode::Live, Mode::Replay] {
        let (here, there) = (in_mode(&server, mode), in_mode(&server, mode));
        for name in odd_names() {
            let mut subscription = there.subscribe(Selector::topic(&name).unwrap()).unwrap();
            joined(&there);
            for payload in odd_payloads() {
                let event = Publication::new(name.as_str(), payload.clone());
                let receipt = here.publish_acknowledged(event).unwrap();
                assert!(kind(&receipt).is_ok(), "{name:?} {mode}");
                let heard = subscription
                    .recv_deadline(Instant::now() + PATIENCE)
                    .unwrap();
                assert_eq!(heard.payload(), &payload, "{name:?} {mode}");
            }
        }
    }
}

#[test]
fn what_needs_an_envelope_is_refused_on_plain_names_and_carried_on_others() {
    let server = Server::start();
    let rules = || {
        let redis = options(&server).envelope("live.*").unwrap();
        hub_with(redis.mode("log.*", Mode::Replay).unwrap())
    };
    let (here, there) = (rules(), rules());
    let events = |topic: &str| {
        [
            Publication::new(topic.to_owned(), "x").key("k"),
            Publication::new(topic.to_owned(), "x").attribute("size", 7),
            Publication::new(topic.to_owned(), &b"\0dy and so on"[..]),
        ]
    };
    for event in events("plain") {
        let receipt = here.publish_acknowledged(event).unwrap();
        let refused = Forwarding::Refused(ForwardErrorKind::Unsupported);
        assert_eq!(receipt.delivery().forwarding, refused);
        let error = outcome(&receipt).unwrap_err();
        assert!(
            error.to_string().contains("by the option `envelope`"),
            "{error}"
        );
    }
    for topic in ["live.a", "log.a"] {
        let mut subscription = there.subscribe(Selector::topic(topic).unwrap()).unwrap();
        joined(&there);
        for event in events(topic) {
            let (attributes, key) = event.headers();
            let (attributes, key) = (attributes.clone(), key.map(str::to_owned));
            let payload = event.payload().clone();
            let receipt = here.publish_acknowledged(event).unwrap();
            assert!(kind(&receipt).is_ok());
            let heard = subscription
                .recv_deadline(Instant::now() + PATIENCE)
                .unwrap();
            assert_eq!(heard.payload(), &payload);
            assert_eq!(heard.attributes(), &attributes);
            assert_eq!(heard.key(), key.as_deref());
        }
    }
}

#[test]
fn a_log_has_every_event_once_and_in_order_whatever_connections_do() {
    let server = Server::start();
    let hub = in_mode(&server, Mode::Replay);
    until_well(&hub, PATIENCE);
    let mut receipts = Vec::new();
    for number in 0..2_000 {
        receipts.push(publish_told(&hub, "t", format!("|{number}")));
        match number % 200 {
            50 => {
                server.kill_clients();
            }
            150 => {
                server.ask(&["SCRIPT", "FLUSH"]);
            }
            _ => thread::sleep(Duration::from_micros(200)),
        }
    }
    for (at, receipt) in receipts.iter().enumerate() {
        let number = kind(receipt).unwrap().number;
        assert!(
            number.is_none_or(|number| number == at as u64 + 1),
            "{number:?}"
        );
    }
    let texts: Vec<_> = (0..2_000).map(|number| number.to_string()).collect();
    assert_eq!(log(&server, "distributary:log:{t}"), texts);
    let counts = hub.health().counts;
    assert_eq!((counts.sent, counts.failed), (2_000, 0));
    assert!(counts.connections > 3);
}

#[test]
fn plain_events_in_flight_at_a_break_are_unconfirmed_and_not_sent_twice() {
    let server = Server::start();
    let here = hub_with(options(&server).client_name("publisher"));
    let there = hub(&server.url());
    let ear = Ear::on(&there, "t");
    joined(&there);
    let mut receipts = Vec::new();
    for number in 0..2_000 {
        if number % 100 == 0 {
            until_well(&here, PATIENCE);
        }
        receipts.push(publish_told(&here, "t", number));
        if number % 100 == 50 {
            until("the publisher is cut off", || kill(&server, "publisher"));
        }
    }
    let outcomes: Vec<_> = receipts.iter().map(kind).collect();
    let unconfirmed = Err(ForwardErrorKind::Unconfirmed);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.is_ok() || *outcome == unconfirmed)
    );
    let sure = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    until("the sure ones are heard", || {
        ear.numbers().len() >= sure || ear.missed() > 0
    });
    assert!(here.health().counts.connections > 15);
    let numbers = ear.numbers();
    assert!(numbers.is_sorted_by(|a, b| a < b), "once, and in order");
}

/// Ends the connections of this name; whether there were any.
fn kill(server: &Server, name: &str) -> bool {
    let clients = server.ask(&["CLIENT", "LIST"]).text();
    let name = format!(" name={name} ");
    let mut killed = false;
    for client in clients.lines().filter(|line| line.contains(&name)) {
        let id = client.split([' ', '=']).nth(1).unwrap_or_default();
        killed |= server.ask(&["CLIENT", "KILL", "ID", id]).int() == 1;
    }
    killed
}

#[test]
fn while_a_server_is_away_events_wait_up_to_a_budget_and_a_deadline() {
    let server = Server::start();
    let deadline = Duration::from_millis(700);
    let hub = hub_with(
        options(&server)
            .queue_bytes(20_000)
            .queue_deadline(deadline),
    );
    until_well(&hub, PATIENCE);
    server.kill();
    until("the hub notices", || {
        hub.health().condition != distributary::backplane::Condition::Ok
    });
    let mut waiting = Vec::new();
    let full = loop {
        let receipt = publish_told(&hub, "t", "x".repeat(500));
        assert!(hub.health().queued_bytes <= 20_000);
        if receipt.delivery().forwarding != Forwarding::Queued {
            break receipt;
        }
        waiting.push(receipt);
    };
    assert!((20..40).contains(&waiting.len()), "{}", waiting.len());
    let refused = Forwarding::Refused(ForwardErrorKind::Full);
    assert_eq!(full.delivery().forwarding, refused);
    assert!(
        outcome(&full)
            .unwrap_err()
            .to_string()
            .contains("the budget is 20000")
    );
    let since = Instant::now();
    for receipt in &waiting {
        assert_eq!(kind(receipt), Err(ForwardErrorKind::Expired));
    }
    assert!(since.elapsed() < deadline + Duration::from_secs(1));
    assert_eq!(hub.health().queued_bytes, 0);
    assert_eq!(hub.health().counts.failed, waiting.len() as u64 + 1);
    // Who waits when it returns is sent.
    server.restart();
    let back = Instant::now();
    until("the server takes events again", || {
        kind(&publish_told(&hub, "t", "back")).is_ok()
    });
    assert!(back.elapsed() < Duration::from_secs(5));
}

#[test]
fn what_waits_when_a_server_returns_is_sent_in_order() {
    let server = Server::start();
    let (here, there) = (in_mode(&server, Mode::Replay), hub(&server.url()));
    let _ear = Ear::on(&there, "t");
    until_well(&here, PATIENCE);
    server.kill();
    let receipts: Vec<_> = (0..100)
        .map(|number| publish_told(&here, "t", format!("|{number}")))
        .collect();
    server.restart();
    assert!(receipts.iter().all(|receipt| kind(receipt).is_ok()));
    let texts: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(log(&server, "distributary:log:{t}"), texts);
}

#[test]
fn without_memory_what_is_lost_is_what_was_reported() {
    let server = Server::planned(&Plan::new().set("maxmemory-policy", "noeviction"));
    let (here, there) = (
        in_mode(&server, Mode::Replay),
        in_mode(&server, Mode::Replay),
    );
    let (ear, own) = (Ear::on(&there, "t"), Ear::on(&here, "t"));
    joined(&there);
    let mut receipts = Vec::new();
    for number in 0..900_u64 {
        match number {
            300 => drop(server.ask(&["CONFIG", "SET", "maxmemory", "1"])),
            600 => drop(server.ask(&["CONFIG", "SET", "maxmemory", "0"])),
            _ => {}
        }
        receipts.push(publish_told(&here, "t", number));
        if number % 300 == 299
            && let Some(last) = receipts.last()
        {
            // Nothing of one phase is left for the next.
            let _ = outcome(last);
        }
    }
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for (number, receipt) in (0..).zip(&receipts) {
        match kind(receipt) {
            Ok(_) => kept.push(number),
            Err(kind) => {
                assert_eq!(kind, ForwardErrorKind::NotKept);
                failed.push(number);
            }
        }
    }
    assert!(failed.len() >= 300, "the server was never full");
    // Elsewhere what was acknowledged was heard, and nothing else; here everything, at once.
    until("the last one comes", || {
        [&ear, &own].map(|ear| ear.numbers().last() == Some(&899)) == [true; 2]
    });
    assert_eq!(ear.numbers(), kept);
    assert_eq!(ear.missed(), failed.len() as u64);
    assert_eq!(own.numbers(), (0..900).collect::<Vec<_>>());
    // So what failed can be published again, and nobody hears it twice.
    for number in &failed {
        assert!(kind(&publish_told(&here, "t", number)).is_ok());
    }
    until("the last one comes", || {
        ear.numbers().last() == failed.last()
    });
    let all: Vec<_> = kept.into_iter().chain(failed).collect();
    assert_eq!(ear.numbers(), all);
    let length = server.ask(&["XLEN", "distributary:log:{t}"]);
    assert_eq!(length.int(), 900);
}

#[test]
fn a_durable_event_is_acknowledged_when_a_replica_has_it() {
    let server = Server::start();
    let wait = Duration::from_secs(1);
    let redis = options(&server).mode("*", Mode::Durable).unwrap();
    let hub = hub_with(redis.replica_wait(wait));
    let receipt = publish_told(&hub, "t", "|alone");
    let error = outcome(&receipt).unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::NotReplicated);
    assert_eq!(log(&server, "distributary:log:{t}"), ["alone"]);

    let replica = Server::planned(&Plan::new().replica_of(&server));
    replica.until_in_sync();
    let receipts: Vec<_> = (0..100)
        .map(|number| publish_told(&hub, "t", format!("|{number}")))
        .collect();
    for (at, receipt) in receipts.iter().enumerate() {
        assert_eq!(kind(receipt).unwrap().number, Some(at as u64 + 2));
    }
    // It was not said too early.
    let count = replica.ask(&["XLEN", "distributary:log:{t}"]);
    assert_eq!(count.int(), 101);

    replica.freeze();
    let receipt = publish_told(&hub, "t", "|frozen");
    assert_eq!(kind(&receipt), Err(ForwardErrorKind::NotReplicated));
    replica.thaw();
    until("the replica is back", || {
        kind(&publish_told(&hub, "t", "|thawed")).is_ok()
    });
}

#[test]
fn a_master_that_is_demoted_for_a_while_loses_nothing() {
    let server = Server::start();
    let hub = in_mode(&server, Mode::Replay);
    until_well(&hub, PATIENCE);
    assert!(kind(&publish_told(&hub, "t", "|0")).is_ok());
    server.ask(&["REPLICAOF", "127.0.0.1", "1"]);
    let receipts: Vec<_> = (1..50)
        .map(|number| publish_told(&hub, "t", format!("|{number}")))
        .collect();
    thread::sleep(Duration::from_millis(300));
    assert!(receipts.iter().all(|receipt| receipt.outcome().is_none()));
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    assert!(receipts.iter().all(|receipt| kind(receipt).is_ok()));
    let texts: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(log(&server, "distributary:log:{t}"), texts);
}

#[test]
fn what_a_user_may_not_publish_is_rejected_with_the_servers_words() {
    let server = Server::planned(&Plan::new().user("app on >app ~* &distributary:* &open +@all"));
    let hub = hub(&server.url_of("app", "app"));
    until("the open channel is", || {
        kind(&publish_told(&hub, "open", "x")).is_ok()
    });
    let error = outcome(&publish_told(&hub, "shut", "x")).unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Rejected);
    assert!(error.to_string().contains("NOPERM"), "{error}");
}

#[test]
fn a_hub_that_closes_sends_what_waits_and_tells_the_rest() {
    let server = Server::start();
    let hub = in_mode(&server, Mode::Replay);
    until_well(&hub, PATIENCE);
    let receipts: Vec<_> = (0..500)
        .map(|number| publish_told(&hub, "t", format!("|{number}")))
        .collect();
    assert!(hub.close().wait(Instant::now() + PATIENCE));
    assert!(receipts.iter().all(|receipt| kind(receipt).is_ok()));
    assert_eq!(log(&server, "distributary:log:{t}").len(), 500);

    let hub = in_mode(&server, Mode::Replay);
    until_well(&hub, PATIENCE);
    server.freeze();
    let receipt = publish_told(&hub, "t", "|late");
    // The server answers nothing: the caller is not held up for it, and learns the end.
    let since = Instant::now();
    let closing = hub.close();
    let held = since.elapsed();
    assert!(held < Duration::from_millis(500), "{held:?}");
    assert!(!closing.wait(Instant::now()));
    assert!(closing.wait(since + Duration::from_secs(5)));
    let outcome = kind(&receipt);
    server.thaw();
    let unsure = [ForwardErrorKind::Closed, ForwardErrorKind::Unconfirmed];
    assert!(
        outcome.is_err_and(|kind| unsure.contains(&kind)),
        "{outcome:?}"
    );
}
