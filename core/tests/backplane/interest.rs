//! What a hub asks a server for: how many names at once, how often, and what it does when
//! the server does not do what it said.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use distributary::{
    Hub, MAX_NAMES, Selector, Subscription, Topic, TryRecvError,
    backplane::{JoinError, Name},
    redis::Redis,
};

use crate::rig::{Plan, Server, another, until, until_within};

const PATIENCE: Duration = Duration::from_secs(60);

fn hub(url: &str) -> Hub {
    hub_lingering(url, Duration::from_secs(2))
}

fn hub_lingering(url: &str, linger: Duration) -> Hub {
    let redis = Redis::at(url).unwrap().linger(linger).build().unwrap();
    Hub::builder().backplane(redis).build().unwrap()
}

#[track_caller]
fn joined(hub: &Hub) {
    let joined = hub.joined().wait(Instant::now() + PATIENCE);
    assert!(joined, "{:?}", hub.health());
}

fn listen(hub: &Hub, topic: &str) -> Subscription {
    hub.subscribe(Selector::topic(topic).unwrap()).unwrap()
}

/// Listens to many topics, with as few subscriptions as can be.
fn listen_to_all(hub: &Hub, topics: &[String]) -> Vec<Subscription> {
    topics
        .chunks(MAX_NAMES)
        .map(|topics| hub.subscribe(Selector::topics(topics).unwrap()).unwrap())
        .collect()
}

#[track_caller]
fn next(subscription: &mut Subscription) -> String {
    let event = subscription
        .recv_deadline(Instant::now() + PATIENCE)
        .expect("an event");
    String::from_utf8(event.payload().to_vec()).unwrap()
}

/// Somebody else who uses the server, and how long the longest of their pings took.
struct Bystander {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Bystander {
    fn of(server: &Server) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let mut console = server.console().unwrap();
        let thread = {
            let ended = Arc::clone(&ended);
            thread::spawn(move || {
                let mut worst = Duration::ZERO;
                while !ended.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    if console.ask(&["PING"]).is_err() {
                        break;
                    }
                    worst = worst.max(since.elapsed());
                    thread::sleep(Duration::from_millis(1));
                }
                worst
            })
        };
        Bystander { ended, thread }
    }

    fn worst(self) -> Duration {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// How many channels the server's connections of hubs listen to.
fn subscribed(server: &Server) -> u64 {
    let list = server.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]).text();
    list.lines()
        .filter_map(|line| line.split(' ').find_map(|part| part.strip_prefix("sub=")))
        .map(|count| count.parse::<u64>().unwrap())
        .sum()
}

/// Ends the connections of hubs, and nobody else's.
fn kill_hubs(server: &Server) {
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
}

#[test]
fn a_hundred_thousand_channels_are_joined_and_joined_again() {
    let server = Server::start();
    let topics: Vec<String> = (0..100_000).map(|n| format!("doc:{n}")).collect();
    let hub = hub(&server.url());
    let bystander = Bystander::of(&server);
    let since = Instant::now();
    let mut subscriptions = listen_to_all(&hub, &topics);
    joined(&hub);
    let first = since.elapsed();
    assert!(subscribed(&server) >= 100_000);
    println!(
        "joined 100,000 after {first:?}, a bystander waited {:?} at most",
        bystander.worst()
    );

    let since = Instant::now();
    kill_hubs(&server);
    let killed = since.elapsed();
    let bystander = Bystander::of(&server);
    until_within(PATIENCE, "all are heard again", || {
        subscribed(&server) >= 100_000
    });
    println!(
        "joined 100,000 again after {:?}, a bystander waited {:?} at most, after {killed:?} in which the server let go of the old connection",
        since.elapsed(),
        bystander.worst()
    );
    joined(&hub);
    server.ask(&["PUBLISH", "doc:99999", "last"]);
    let last = subscriptions.last_mut().unwrap();
    assert_eq!(next(last), "last");
}

#[test]
fn long_names_come_back_without_being_cut_again() {
    let server = Server::start();
    let topics: Vec<String> = (0..130_000).map(|n| format!("{n:0>300}")).collect();
    let hub = hub(&server.url());
    let _subscriptions = listen_to_all(&hub, &topics);
    joined(&hub);
    let before = hub.health().counts.connections;
    let since = Instant::now();
    kill_hubs(&server);
    let killed = since.elapsed();
    let bystander = Bystander::of(&server);
    until_within(PATIENCE, "all are heard again", || {
        subscribed(&server) >= 130_000
    });
    println!(
        "joined 130,000 names of 300 bytes again after {:?}, a bystander waited {:?} at most, after {killed:?} in which the server let go of the old connection",
        since.elapsed(),
        bystander.worst()
    );
    joined(&hub);
    assert_eq!(hub.health().counts.connections, before + 1);
}

#[test]
fn a_topic_is_asked_for_once_and_given_up_late() {
    let server = Server::start();
    let hub = hub_lingering(&server.url(), Duration::from_millis(400));
    let one = listen(&hub, "a");
    let other = listen(&hub, "a");
    joined(&hub);
    assert_eq!(server.listeners("a"), 1);
    drop(one);
    assert_eq!(server.listeners("a"), 1);

    let commands = |name: &str| -> u64 {
        let stats = server.ask(&["INFO", "commandstats"]).text();
        stats
            .lines()
            .find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")))
            .map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    let asked = (commands("subscribe"), commands("unsubscribe"));
    drop(other);
    for _ in 0..20 {
        let again = listen(&hub, "a");
        thread::sleep(Duration::from_millis(10));
        drop(again);
    }
    assert_eq!(server.listeners("a"), 1);
    assert_eq!((commands("subscribe"), commands("unsubscribe")), asked);

    until("it is given up", || server.listeners("a") == 0);
    assert_eq!(commands("unsubscribe"), asked.1 + 1);
    let _again = listen(&hub, "a");
    joined(&hub);
    assert_eq!(server.listeners("a"), 1);
}

#[test]
fn a_topic_that_patterns_match_too_is_heard_once() {
    let server = Server::start();
    let hub = hub_lingering(&server.url(), Duration::from_millis(50));
    let mut exact = listen(&hub, "news.sport");
    let mut first = hub.subscribe(Selector::pattern("news.*").unwrap()).unwrap();
    let mut second = hub
        .subscribe(Selector::pattern("*.sport").unwrap())
        .unwrap();
    joined(&hub);
    let publish = |payload: &str, heard: i64| {
        let copies = server.ask(&["PUBLISH", "news.sport", payload]).int();
        assert_eq!(copies, heard, "{payload}");
    };
    publish("1", 3);
    assert_eq!(next(&mut exact), "1");
    assert_eq!(next(&mut first), "1");
    assert_eq!(next(&mut second), "1");

    drop(exact);
    until("its own subscription is given up", || {
        server.listeners("news.sport") == 0
    });
    publish("2", 2);
    assert_eq!(next(&mut first), "2");
    assert_eq!(next(&mut second), "2");

    drop(first);
    until("the older pattern is given up", || {
        server.ask(&["PUBSUB", "NUMPAT"]).int() == 1
    });
    publish("3", 1);
    assert_eq!(next(&mut second), "3");
    let mut exact = listen(&hub, "news.sport");
    joined(&hub);
    publish("4", 2);
    assert_eq!(next(&mut second), "4");
    assert_eq!(next(&mut exact), "4");
    // Whatever came twice would be between the last and this one.
    publish("5", 2);
    assert_eq!(next(&mut second), "5");
    assert_eq!(next(&mut exact), "5");
}

#[test]
fn a_channel_that_the_user_may_not_hear_keeps_nobody_else_from_being_served() {
    let server = Server::planned(
        &Plan::new().user("app on >secret ~* &doc:* &distributary:* +@all -@dangerous"),
    );
    let hub = hub(&server.url_of("app", "secret"));
    let topics: Vec<String> = (0..1_000)
        .map(|n| format!("doc:{n}"))
        .chain(["secret".to_owned()])
        .collect();
    let mut subscriptions = listen_to_all(&hub, &topics);
    let joined = hub.joined();
    assert!(!joined.wait(Instant::now() + PATIENCE), "all is heard");
    let refused = Some(Err(JoinError::Refused(vec![Name::Topic(
        Topic::new("secret").unwrap(),
    )])));
    assert_eq!(joined.outcome(), refused);
    until("it is said which name is refused", || {
        hub.health()
            .reasons
            .iter()
            .any(|reason| reason.code == "refused_names" && reason.text.contains("\"secret\""))
    });
    server.ask(&["PUBLISH", "doc:999", "x"]);
    assert_eq!(next(&mut subscriptions[0]), "x");
}

/// A proxy that takes a subscription from a hub and keeps the server's word for it.
struct Thief {
    port: u16,
    /// To the server, of the connection that was made last.
    upstream: Arc<std::sync::Mutex<Option<TcpStream>>>,
}

impl Thief {
    /// What it steals.
    const VICTIM: &str = "victim";

    fn before(server: &Server) -> Self {
        let port = another();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let upstream = Arc::new(std::sync::Mutex::new(None));
        let (to, last) = (server.port(), Arc::clone(&upstream));
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)) else {
                    return;
                };
                for stream in [&client, &server] {
                    stream.set_nodelay(true).unwrap();
                }
                *last.lock().unwrap() = Some(server.try_clone().unwrap());
                let (from, into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let lock = Arc::clone(&last);
                thread::spawn(move || pump(from, into, |_| drop(lock.lock())));
                thread::spawn(move || pump(server, client, Thief::conceal));
            }
        });
        Thief { port, upstream }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn steal(&self) {
        let upstream = self.upstream.lock().unwrap();
        let command = format!(
            "*2\r\n$11\r\nUNSUBSCRIBE\r\n${}\r\n{}\r\n",
            Self::VICTIM.len(),
            Self::VICTIM
        );
        upstream
            .as_ref()
            .unwrap()
            .write_all(command.as_bytes())
            .unwrap();
    }

    /// Cuts the confirmation out of what the server says.
    fn conceal(bytes: &mut Vec<u8>) {
        let told = format!(
            ">3\r\n$11\r\nunsubscribe\r\n${}\r\n{}\r\n:",
            Self::VICTIM.len(),
            Self::VICTIM
        );
        let Some(at) = bytes
            .windows(told.len())
            .position(|part| part == told.as_bytes())
        else {
            return;
        };
        let count = at + told.len();
        let end = bytes[count..]
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap();
        bytes.drain(at..=count + end);
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut change: impl FnMut(&mut Vec<u8>)) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length) = from.read(&mut buffer) {
        let mut bytes = buffer[..length].to_vec();
        change(&mut bytes);
        if length == 0 || to.write_all(&bytes).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        stream.shutdown(Shutdown::Both).ok();
    }
}

#[test]
fn a_subscription_that_was_lost_without_a_word_is_found_and_repaired() {
    let server = Server::start();
    let thief = Thief::before(&server);
    let hub = hub(&thief.url());
    let mut victim = listen(&hub, Thief::VICTIM);
    let _others = listen_to_all(&hub, &(0..100).map(|n| format!("n{n}")).collect::<Vec<_>>());
    joined(&hub);
    server.ask(&["PUBLISH", Thief::VICTIM, "1"]);
    assert_eq!(next(&mut victim), "1");

    thief.steal();
    until("it is stolen", || server.listeners(Thief::VICTIM) == 0);
    // The server is asked a second after the last change.
    let _one_more = listen(&hub, "one more");
    let after = until_within(PATIENCE, "it is found and asked for again", || {
        server.listeners(Thief::VICTIM) == 1
    });
    println!("a stolen subscription was back after {after:?}");
    assert_eq!(hub.health().counts.connections, 1);
    joined(&hub);
    server.ask(&["PUBLISH", Thief::VICTIM, "2"]);
    // That something may be missing is told, and to nobody else.
    let lagged = victim.recv_deadline(Instant::now() + PATIENCE);
    assert!(
        matches!(lagged, Err(TryRecvError::Lagged { .. })),
        "{lagged:?}"
    );
    assert_eq!(next(&mut victim), "2");
    assert_eq!(hub.health().counts.gaps, 1);
}
