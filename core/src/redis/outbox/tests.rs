//! The outbox against a naive server: random breaks, refusals, moves and failovers.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use proptest::prelude::*;

use super::*;
use crate::{backplane::Receipt, hub::Delivery};

const ID: u64 = 0xabcd;
const BUDGET: usize = 4_000;
const TOPICS: [&str; 5] = ["plain", "live.e", "log.a", "log.b", "durable"];

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    /// Live and logged: not now, for all that is in flight.
    Loading,
    /// Logged: this one alone. Live: none.
    Odd,
    OutOfMemory,
    Final,
    NoScript,
    Replica,
}

#[derive(Debug, Clone)]
enum Action {
    Push {
        topic: usize,
        size: usize,
    },
    Take {
        link: u8,
    },
    /// Whether the hub has yet to read the log of a topic.
    Behind {
        topic: usize,
        is_behind: bool,
    },
    Serve {
        link: u8,
        faults: Vec<Fault>,
    },
    Break {
        link: u8,
        executed: usize,
    },
    Connect {
        link: u8,
        failover: Option<usize>,
    },
    Move {
        topic: usize,
    },
    /// Its log moves, before its slot does.
    GoAhead {
        topic: usize,
    },
    Reroute,
    Advance {
        millis: u64,
    },
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let fault = prop_oneof![
        12 => Just(Fault::None),
        1 => Just(Fault::Loading),
        1 => Just(Fault::Odd),
        1 => Just(Fault::OutOfMemory),
        1 => Just(Fault::Final),
        1 => Just(Fault::NoScript),
        1 => Just(Fault::Replica),
    ];
    let action = prop_oneof![
        12 => (0..TOPICS.len(), 1..200usize).prop_map(|(topic, size)| Action::Push { topic, size }),
        8 => (0..2u8).prop_map(|link| Action::Take { link }),
        4 => (0..TOPICS.len(), any::<bool>())
            .prop_map(|(topic, is_behind)| Action::Behind { topic, is_behind }),
        8 => (0..2u8, prop::collection::vec(fault, 0..6))
            .prop_map(|(link, faults)| Action::Serve { link, faults }),
        2 => (0..2u8, 0..6usize).prop_map(|(link, executed)| Action::Break { link, executed }),
        4 => (0..2u8, prop::option::weighted(0.3, 0..4usize))
            .prop_map(|(link, failover)| Action::Connect { link, failover }),
        1 => (0..TOPICS.len()).prop_map(|topic| Action::Move { topic }),
        1 => (2..TOPICS.len()).prop_map(|topic| Action::GoAhead { topic }),
        2 => Just(Action::Reroute),
        2 => (1..400u64).prop_map(|millis| Action::Advance { millis }),
    ];
    prop::collection::vec(action, 0..120)
}

/// What all servers together have.
#[derive(Default)]
struct Servers {
    /// By topic: serial and event.
    logs: BTreeMap<String, Vec<(u64, usize)>>,
    /// What listeners of a topic that has no log heard.
    heard: BTreeMap<String, Vec<usize>>,
    owner: Owners,
    /// Logs that are with the next owner already.
    ahead: BTreeMap<String, u8>,
}

/// Who has a topic that is not link 0's.
#[derive(Default, Clone)]
struct Owners(BTreeMap<String, u8>);

impl Owners {
    fn of(&self, topic: &str) -> u8 {
        self.0.get(topic).copied().unwrap_or(0)
    }
}

#[derive(Default)]
struct Link {
    connected: bool,
    id: u64,
    knows_script: bool,
    loading: bool,
    asking: bool,
    pipelines: VecDeque<Vec<Vec<Vec<u8>>>>,
}

struct Event {
    topic: usize,
    receipt: Receipt,
}

struct World {
    outbox: Outbox<u8>,
    queue: Arc<Queue>,
    servers: Servers,
    /// As far as is known here.
    routes: Owners,
    links: [Link; 2],
    events: Vec<Event>,
    behind: [bool; TOPICS.len()],
    now: Stamp,
    failovers: u32,
}

impl World {
    /// With a link to a server that is empty.
    fn connected() -> World {
        let mut world = World::new();
        world.connect(0, None);
        world
    }

    fn new() -> World {
        let mut modes = Modes::default();
        modes.rule("live.*", Way::Enveloped).unwrap();
        modes.rule("log.*", Way::Replayed).unwrap();
        modes.rule("durable", Way::Durable).unwrap();
        let limits = Limits {
            deadline: Duration::from_secs(1),
            window_bytes: usize::MAX,
            window_age: Duration::from_secs(10_000),
            replica_wait: Duration::from_millis(500),
            retention: Retention {
                length: 1_000,
                log_ms: 1_000,
                publisher_ms: 1_000,
            },
        };
        let queue = Arc::new(Queue::new(BUDGET));
        World {
            outbox: Outbox::new(Arc::clone(&queue), modes, limits, ID),
            queue,
            servers: Servers::default(),
            routes: Owners::default(),
            links: Default::default(),
            events: Vec::new(),
            behind: Default::default(),
            now: Stamp {
                instant: Instant::now(),
                micros: 1_000_000,
            },
            failovers: 0,
        }
    }

    fn collect(&mut self) {
        let routes = &self.routes;
        self.outbox
            .collect(|topic, _| Some(routes.of(topic.as_str())));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Push { topic, size } => self.push(topic, size),
            Action::Take { link } => {
                self.collect();
                self.take(link);
            }
            Action::Behind { topic, is_behind } => self.behind[topic] = is_behind,
            Action::Serve { link, faults } => self.serve(link, &faults),
            Action::Break { link, executed } => self.break_off(link, executed),
            Action::Connect { link, failover } => self.connect(link, failover),
            Action::Move { topic } => {
                let owner = &mut self.servers.owner;
                let other = 1 - owner.of(TOPICS[topic]);
                owner.0.insert(TOPICS[topic].into(), other);
                self.servers.ahead.remove(TOPICS[topic]);
            }
            Action::GoAhead { topic } => {
                let other = 1 - self.servers.owner.of(TOPICS[topic]);
                self.servers.ahead.insert(TOPICS[topic].into(), other);
            }
            Action::Reroute => self.reroute(),
            Action::Advance { millis } => {
                self.now.instant += Duration::from_millis(millis);
                self.now.micros += millis * 1_000;
                self.outbox.expire(self.now.instant);
            }
        }
        assert!(self.queue.bytes() <= BUDGET);
        self.tell();
    }

    fn tell(&mut self) {
        for (acknowledge, outcome) in self.outbox.untold() {
            acknowledge.tell(outcome);
        }
    }

    fn push(&mut self, topic: usize, size: usize) {
        // Its place among all, and then as many bytes.
        let mut payload = (self.events.len() as u64).to_be_bytes().to_vec();
        payload.resize(8 + size, b'x');
        let (acknowledge, receipt) = Receipt::pair();
        let event = Publication::new(Topic::new(TOPICS[topic]).unwrap(), payload);
        match self.queue.push(event, Some(acknowledge), self.now.instant) {
            Ok(_) => self.events.push(Event {
                topic,
                receipt: receipt(Delivery::default()),
            }),
            Err((error, acknowledge)) => {
                assert_eq!(error.kind(), ForwardErrorKind::Full);
                drop(acknowledge);
            }
        }
    }

    fn take(&mut self, link: u8) {
        let behind = self.behind;
        let behind = |topic: &Topic| {
            let is_behind = |(name, behind): (&&str, &bool)| *behind && **name == *topic.as_str();
            TOPICS.iter().zip(&behind).any(is_behind)
        };
        let taken = self.outbox.take(link, self.now, behind, |topic, _| {
            assert_eq!(topic.as_str(), "plain");
        });
        if let Some(commands) = taken {
            let at = &mut self.links[usize::from(link)];
            assert!(at.connected);
            let parsed = parse(commands.as_bytes());
            assert_eq!(parsed.len(), commands.replies());
            at.pipelines.push_back(parsed);
        }
    }

    fn serve(&mut self, link: u8, faults: &[Fault]) {
        let at = usize::from(link);
        let Some(pipeline) = self.links[at].pipelines.pop_front() else {
            return;
        };
        let mut faults = faults.iter();
        let replies: Vec<_> = pipeline
            .iter()
            .map(|command| {
                let fault = faults.next().unwrap_or(&Fault::None);
                self.execute(link, command, *fault)
            })
            .collect();
        let settled = self.outbox.settle(link, &replies, self.now, |_, _| ());
        let mut news = false;
        for (topic, words) in settled.places {
            let to = words
                .starts_with("ASK ")
                .then(|| words.rsplit(':').next().unwrap().parse().unwrap());
            news |= self.outbox.go_ahead(&topic, link, to, self.now.instant);
        }
        if news {
            let routes = &self.routes;
            self.outbox
                .reroute(|topic, _| Some(routes.of(topic.as_str())));
        }
        if self.links[at].pipelines.is_empty() {
            self.links[at].loading = false;
        }
    }

    fn break_off(&mut self, link: u8, executed: usize) {
        let at = usize::from(link);
        let pipelines = std::mem::take(&mut self.links[at].pipelines);
        for command in pipelines.iter().flatten().take(executed) {
            self.execute(link, command, Fault::None);
        }
        self.links[at].connected = false;
        self.links[at].loading = false;
        self.outbox.broken(link);
    }

    /// Another server lacks the last entries of what the link's owns.
    fn connect(&mut self, link: u8, failover: Option<usize>) {
        let at = usize::from(link);
        if self.links[at].connected {
            return;
        }
        if let Some(lacks) = failover {
            self.links[at].id += 1;
            self.failovers += 1;
            let (owner, ahead) = (&self.servers.owner, &self.servers.ahead);
            for (topic, log) in &mut self.servers.logs {
                // What has moved without having been noticed is safe there.
                if ahead.contains_key(topic) {
                    continue;
                }
                if owner.of(topic) == link && self.routes.of(topic) == link {
                    log.truncate(log.len().saturating_sub(lacks));
                }
            }
        }
        self.links[at].knows_script = false;
        self.links[at].connected = true;
        let id = Some(self.links[at].id);
        self.outbox.connected(
            link,
            Server {
                id,
                ..Server::default()
            },
        );
        self.outbox.hold(link, self.now.instant);
    }

    fn reroute(&mut self) {
        self.routes = self.servers.owner.clone();
        let routes = &self.routes;
        self.outbox
            .reroute(|topic, _| Some(routes.of(topic.as_str())));
    }

    fn execute(&mut self, link: u8, command: &[Vec<u8>], fault: Fault) -> Reply {
        let error = |words: &str| Reply::Error(words.into());
        let at = &mut self.links[usize::from(link)];
        let asking = std::mem::take(&mut at.asking);
        at.loading |= matches!(fault, Fault::Loading);
        if at.loading {
            return error("LOADING Redis is loading the dataset in memory");
        }
        let text = |part: usize| std::str::from_utf8(&command[part]).unwrap().to_owned();
        match text(0).as_str() {
            "ASKING" => {
                at.asking = true;
                Reply::Text("OK".into())
            }
            "WAIT" => match fault {
                Fault::Replica => Reply::Int(0),
                Fault::Odd => error("UNBLOCKED force unblock from blocking operation"),
                _ => Reply::Int(1),
            },
            "PUBLISH" => {
                if matches!(fault, Fault::Final) {
                    return error("NOPERM no");
                }
                let payload = &command[2];
                let payload = payload
                    .strip_prefix(&[0, 0x64, 0x79])
                    .map_or(&payload[..], |rest| &rest[41..]);
                let heard = self.servers.heard.entry(text(1)).or_default();
                heard.push(event_of(payload));
                Reply::Int(3)
            }
            verb => {
                let topic = text(6);
                let is_owner = self.servers.owner.of(&topic) == link;
                match self.servers.ahead.get(&topic) {
                    Some(to) if is_owner => return error(&format!("ASK 1 127.0.0.1:{to}")),
                    Some(to) if asking && *to == link => {}
                    _ if is_owner => {}
                    _ => return error("MOVED 1 127.0.0.1:2"),
                }
                match fault {
                    Fault::Odd => return error("TRYAGAIN Multiple keys request"),
                    Fault::Final => return error("NOPERM no"),
                    Fault::NoScript => at.knows_script = false,
                    _ => {}
                }
                if verb == "EVALSHA" && !at.knows_script {
                    return error("NOSCRIPT No matching script");
                }
                at.knows_script = true;
                let number = |part| text(part).parse::<u64>().unwrap();
                let (serial, after) = (number(10), number(11));
                let log = self.servers.logs.entry(topic).or_default();
                let newest = log.last().map_or(0, |entry| entry.0);
                let int = |int: u64| Reply::Int(int as i64);
                if serial <= newest {
                    return Reply::List(vec![int(2), int(0)]);
                }
                if matches!(fault, Fault::OutOfMemory) {
                    return Reply::List(vec![int(4), int(2), Reply::Text("OOM".into())]);
                }
                if after > newest {
                    return Reply::List(vec![int(3), int(newest)]);
                }
                log.push((serial, event_of(&command[17][24..])));
                Reply::List(vec![int(1), int(log.len() as u64), int(2)])
            }
        }
    }

    /// All goes well from here on.
    fn heal(&mut self) {
        self.behind = Default::default();
        for round in 0..10_000 {
            self.collect();
            for link in [0, 1] {
                self.connect(link, None);
                while self.links[usize::from(link)].pipelines.front().is_some() {
                    self.serve(link, &[]);
                }
            }
            if self.outbox.wants_rerouting() || round == 0 {
                self.reroute();
            }
            for link in [0, 1] {
                self.take(link);
            }
            let flying = self.links.iter().any(|link| !link.pipelines.is_empty());
            if self.outbox.is_empty() && !flying {
                return;
            }
            if !flying {
                // What is held is looked at now and then.
                if [0, 1].iter().any(|link| self.outbox.is_holding(*link)) {
                    self.now.instant += Duration::from_millis(10);
                    continue;
                }
                // A pause, at most.
                let due = self.outbox.next_due(self.now.instant);
                let due = due.expect("something is to be waited for");
                self.now.instant = self.now.instant.max(due);
                self.outbox.expire(self.now.instant);
            }
        }
        panic!("it never ends");
    }

    fn check(&mut self) {
        self.tell();
        assert_eq!(self.queue.bytes(), 0);
        let tally = self.outbox.tally();
        assert_eq!(tally.sent + tally.failed, self.events.len() as u64);
        let mut kept = BTreeSet::new();
        for (topic, log) in &self.servers.logs {
            let events: Vec<_> = log.iter().map(|entry| entry.1).collect();
            assert!(events.is_sorted_by(|a, b| a < b), "{topic}: {events:?}");
            kept.extend(events);
        }
        let mut heard: BTreeMap<usize, u32> = BTreeMap::new();
        for (topic, events) in &self.servers.heard {
            let mut first = events.clone();
            let mut seen = BTreeSet::new();
            first.retain(|event| seen.insert(*event));
            assert!(first.is_sorted(), "{topic}: {events:?}");
            for event in events {
                *heard.entry(*event).or_default() += 1;
            }
        }
        let mut void = 0;
        for (number, event) in self.events.iter().enumerate() {
            let outcome = event.receipt.outcome().expect("an outcome");
            let outcome = outcome.map_err(|error: ForwardError| error.kind());
            let arrived = match TOPICS[event.topic] {
                "plain" => {
                    let times = heard.get(&number).copied().unwrap_or(0);
                    assert!(times <= 1, "{number} was heard {times} times");
                    times == 1
                }
                "live.e" => heard.contains_key(&number),
                _ => kept.contains(&number),
            };
            match outcome {
                Ok(Acknowledged { .. }) => void += u64::from(!arrived),
                // It is lost if the master is.
                Err(ForwardErrorKind::NotReplicated) => assert!(arrived || self.failovers > 0),
                Err(ForwardErrorKind::Unconfirmed) => {}
                // An earlier try may have been executed before its connection broke.
                Err(ForwardErrorKind::Rejected | ForwardErrorKind::NotKept) => {
                    assert!(TOPICS[event.topic] != "plain" || !arrived);
                }
                Err(ForwardErrorKind::Expired) => assert!(!arrived, "{number} has expired"),
                Err(other) => panic!("{number}: {other:?}"),
            }
        }
        assert!(void <= tally.voided, "acknowledged, and nowhere");
    }
}

fn event_of(payload: &[u8]) -> usize {
    u64::from_be_bytes(payload[..8].try_into().unwrap()) as usize
}

/// Commands as a server reads them.
fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn number(bytes: &mut &[u8], mark: u8) -> usize {
        assert_eq!(bytes[0], mark);
        let end = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        let number = std::str::from_utf8(&bytes[1..end]).unwrap();
        *bytes = &bytes[end + 2..];
        number.parse().unwrap()
    }
    let mut commands = Vec::new();
    while !bytes.is_empty() {
        let parts = number(&mut bytes, b'*');
        let mut command = Vec::new();
        for _ in 0..parts {
            let length = number(&mut bytes, b'$');
            command.push(bytes[..length].to_vec());
            bytes = &bytes[length + 2..];
        }
        commands.push(command);
    }
    commands
}

proptest! {
    #[test]
    fn every_event_has_one_outcome_and_it_is_true(actions in actions()) {
        let mut world = World::new();
        for action in actions {
            world.act(action);
        }
        world.heal();
        world.check();
    }
}

fn deliver(world: &mut World, topic: usize, count: usize) {
    for _ in 0..count {
        world.push(topic, 10);
    }
    world.collect();
    world.take(0);
}

#[test]
fn what_is_in_flight_when_a_connection_breaks() {
    let mut world = World::connected();
    for topic in 0..TOPICS.len() {
        deliver(&mut world, topic, 1);
    }
    world.break_off(0, 0);
    world.tell();
    let outcome = |world: &World, event: usize| world.events[event].receipt.outcome();
    let plain = outcome(&world, 0).unwrap().unwrap_err();
    assert_eq!(plain.kind(), ForwardErrorKind::Unconfirmed);
    assert!((1..5).all(|event| outcome(&world, event).is_none()));
    world.heal();
    world.tell();
    assert!((1..5).all(|event| outcome(&world, event).unwrap().is_ok()));
    world.check();
}

/// Each `WAIT` blocks the connection: replicas that stand still would hold it up once for
/// every pipeline in flight.
#[test]
fn waits_for_replicas_do_not_add_up() {
    let mut world = World::connected();
    let waits = |world: &World| {
        let commands = world.links[0].pipelines.iter().flatten();
        commands.filter(|command| command[0] == b"WAIT").count()
    };
    // One by one, as they come while a replica is silent.
    for _ in 0..10 {
        deliver(&mut world, 4, 1);
    }
    assert_eq!((waits(&world), world.links[0].pipelines.len()), (1, 1));
    world.serve(0, &[Fault::None, Fault::Replica]);
    // All the others together, and what came after them; the server's answer is not
    // waited for by what needs no replica.
    deliver(&mut world, 0, 1);
    assert_eq!((waits(&world), world.links[0].pipelines.len()), (1, 1));
    let next = &world.links[0].pipelines[0];
    assert_eq!(next.len(), 11, "nine, the live one, and a WAIT");
    assert_eq!(next[10], [b"WAIT".to_vec(), b"1".to_vec(), b"50".to_vec()]);
    deliver(&mut world, 0, 1);
    assert_eq!((waits(&world), world.links[0].pipelines.len()), (1, 2));
    world.heal();
    world.tell();
    world.check();
}

#[test]
fn small_events_in_flight_are_bounded_by_number() {
    let queue = Arc::new(Queue::new(usize::MAX));
    let limits = World::new().outbox.limits;
    let mut outbox = Outbox::new(Arc::clone(&queue), Modes::default(), limits, ID);
    let now = World::new().now;
    outbox.collect(|_, _| Some(0_u8));
    outbox.connected(
        0,
        Server {
            id: Some(1),
            ..Server::default()
        },
    );
    for _ in 0..2 * MOST_FLYING {
        let event = Publication::new(Topic::new("t").unwrap(), "");
        assert!(queue.push(event, None, now.instant).is_ok());
    }
    outbox.collect(|_, _| Some(0));
    let mut flying = 0;
    while outbox.take(0, now, |_| false, |_, _| flying += 1).is_some() {}
    assert!(
        (MOST_FLYING / 2..=MOST_FLYING).contains(&flying),
        "{flying}"
    );
}

#[test]
fn what_waits_too_long_expires_and_frees_its_bytes() {
    let mut world = World::new();
    deliver(&mut world, 2, 3);
    assert!(world.queue.bytes() > 0);
    let due = world.outbox.next_due(world.now.instant).unwrap();
    assert_eq!(due, world.now.instant + Duration::from_secs(1));
    world.act(Action::Advance { millis: 1_000 });
    assert_eq!(world.queue.bytes(), 0);
    for event in &world.events {
        let error = event.receipt.outcome().unwrap().unwrap_err();
        assert_eq!(error.kind(), ForwardErrorKind::Expired);
    }
    assert!(world.outbox.is_empty());
}

#[test]
fn a_server_that_takes_over_gets_what_it_lacks() {
    let mut world = World::connected();
    deliver(&mut world, 2, 5);
    world.serve(0, &[]);
    world.tell();
    assert!(
        world
            .events
            .iter()
            .all(|event| event.receipt.outcome().unwrap().is_ok())
    );
    world.break_off(0, 0);
    world.connect(0, Some(3));
    assert_eq!(world.servers.logs["log.a"].len(), 2);
    deliver(&mut world, 2, 1);
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 6);
    world.check();
}

/// The log knows an event already, says "not now" to it, and keeps the next: what a server
/// that takes over is given must be in the old order nevertheless.
fn one_refused_in_between(world: &mut World) {
    world.connect(0, None);
    deliver(world, 2, 3);
    world.break_off(0, 2);
    world.connect(0, None);
    world.take(0);
    world.serve(0, &[Fault::None, Fault::Odd, Fault::None]);
    assert_eq!(world.servers.logs["log.a"].len(), 3);
}

#[test]
fn what_was_refused_is_sent_in_its_old_place_to_a_server_that_takes_over() {
    let mut world = World::new();
    one_refused_in_between(&mut world);
    world.break_off(0, 0);
    world.connect(0, Some(2));
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    world.check();
}

#[test]
fn what_was_acknowledged_out_of_order_is_sent_again_in_order() {
    let mut world = World::new();
    one_refused_in_between(&mut world);
    world.heal();
    world.break_off(0, 0);
    world.connect(0, Some(2));
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    world.check();
}

#[test]
fn a_topic_that_moves_takes_along_what_was_refused_in_its_place() {
    let mut world = World::new();
    one_refused_in_between(&mut world);
    // Its new owner was given it by a server that lacked the end.
    world.servers.logs.get_mut("log.a").unwrap().truncate(1);
    world.act(Action::Move { topic: 2 });
    world.reroute();
    world.heal();
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    world.check();
}

#[test]
fn a_log_that_is_ahead_of_its_slot_is_followed() {
    let mut world = World::connected();
    world.connect(1, None);
    deliver(&mut world, 2, 2);
    world.act(Action::GoAhead { topic: 2 });
    world.serve(0, &[]);
    // Not a moment later, in order, and others of the link stay where they are.
    deliver(&mut world, 2, 1);
    deliver(&mut world, 3, 1);
    // Once more each, for neither has been given the script.
    for link in [0, 1, 0, 1] {
        world.take(link);
        world.serve(link, &[]);
    }
    assert_eq!(world.servers.logs["log.a"].len(), 3);
    assert_eq!(world.servers.logs["log.b"].len(), 1);
    // The slot follows: nobody has to ask any more.
    world.act(Action::Move { topic: 2 });
    world.reroute();
    deliver(&mut world, 2, 1);
    world.take(1);
    let commands = &world.links[1].pipelines[0];
    assert!(commands.iter().all(|command| command[0] != b"ASKING"));
    world.heal();
    world.check();
}

#[test]
fn nodes_that_contradict_each_other_are_asked_slowly() {
    let mut world = World::connected();
    world.connect(1, None);
    world.servers.ahead.insert("log.a".into(), 7);
    deliver(&mut world, 2, 1);
    let mut refused = 0;
    let since = world.now.instant;
    while world.events[0].receipt.outcome().is_none() {
        for link in [0, 1] {
            world.take(link);
            while let Some(pipeline) = world.links[usize::from(link)].pipelines.pop_front() {
                refused += 1;
                // The owner says that it is there, and there they say that it is not.
                let words = ["ASK 1 127.0.0.1:1", "MOVED 1 127.0.0.1:0"][usize::from(link)];
                let replies = pipeline.iter().map(|command| match &command[0][..] {
                    b"ASKING" => Reply::Text("OK".into()),
                    _ => Reply::Error(words.into()),
                });
                let replies: Vec<Reply> = replies.collect();
                let settled = world.outbox.settle(link, &replies, world.now, |_, _| ());
                for (topic, words) in settled.places {
                    let to = words.starts_with("ASK").then_some(1);
                    if world.outbox.go_ahead(&topic, link, to, world.now.instant) {
                        world.outbox.reroute(|_, _| Some(0));
                    }
                }
            }
        }
        world.act(Action::Advance { millis: 1 });
    }
    assert!(world.now.instant - since >= Duration::from_secs(1));
    assert!(refused < 30, "{refused}");
}

/// Another server took over and cannot be reached: what it is to get again may wait longer
/// than what was published since.
#[test]
fn what_waits_behind_what_is_sent_again_expires_in_time() {
    let mut world = World::connected();
    deliver(&mut world, 2, 1);
    world.serve(0, &[]);
    world.tell();
    assert!(world.events[0].receipt.outcome().unwrap().is_ok());
    world.break_off(0, 0);
    world.connect(0, Some(0));
    world.break_off(0, 0);
    deliver(&mut world, 2, 1);
    let end = world.now.instant + Duration::from_millis(1_100);
    let mut looks = 0;
    while let Some(due) = world.outbox.next_due(world.now.instant)
        && due <= end
    {
        looks += 1;
        assert!(looks < 100, "it is looked for without end");
        world.now.instant = world.now.instant.max(due);
        world.outbox.expire(world.now.instant);
    }
    world.tell();
    let error = world.events[1].receipt.outcome().unwrap().unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Expired);
    assert_eq!(world.queue.bytes(), 0);
}

/// A log that keeps nothing for want of memory is no error of the server's: the event went
/// out. It is told all the same.
#[test]
fn what_a_log_cannot_keep_tells_of_the_memory() {
    let told = |words: &'static str| {
        let mut world = World::connected();
        deliver(&mut world, 2, 1);
        let unkept = vec![Reply::Int(4), Reply::Int(2), Reply::Text(words.into())];
        let unkept = [Reply::List(unkept)];
        let settled = world.outbox.settle(0, &unkept, world.now, |_, _| ());
        world.tell();
        let error = world.events[0].receipt.outcome().unwrap().unwrap_err();
        assert_eq!(error.kind(), ForwardErrorKind::NotKept);
        settled.troubles
    };
    let memory = [Trouble::OutOfMemory];
    assert_eq!(told("OOM command not allowed when used memory"), memory);
    assert_eq!(told("@user_script: 9: -OOM command not allowed"), memory);
    assert_eq!(told("WRONGTYPE Operation against a key"), []);
}

#[test]
fn a_topic_that_was_forgotten_begins_again_under_another_number() {
    let mut world = World::connected();
    let publisher = |world: &World| {
        let command = world.links[0].pipelines.back().unwrap().last().unwrap();
        let serial = std::str::from_utf8(&command[10]).unwrap().to_owned();
        (
            u64::from_be_bytes(command[17][..8].try_into().unwrap()),
            serial,
        )
    };
    deliver(&mut world, 2, 2);
    assert_eq!(publisher(&world), (ID, "2".into()));
    world.serve(0, &[]);
    world.act(Action::Advance { millis: 1 });
    world.act(Action::Advance { millis: 20_000_000 });
    world.servers.logs.clear();
    deliver(&mut world, 2, 1);
    assert_eq!(publisher(&world), (ID + (1 << 48), "1".into()));
    assert!(is_ours(ID, ID + (1 << 48)) && !is_ours(ID, ID + 1));
}

#[test]
fn a_queue_that_is_closed_takes_nothing() {
    let queue = Queue::new(10_000);
    let event = || Publication::new(Topic::new("t").unwrap(), "x");
    assert_eq!(queue.push(event(), None, Instant::now()).ok(), Some(true));
    assert_eq!(queue.push(event(), None, Instant::now()).ok(), Some(false));
    queue.close();
    let (error, _) = queue.push(event(), None, Instant::now()).unwrap_err();
    assert_eq!(error.kind(), ForwardErrorKind::Closed);
    assert!(!queue.is_empty());
    queue.abandon();
    assert!(queue.is_empty());
}

#[test]
fn topics_that_the_hub_has_yet_to_read_wait_for_a_moment() {
    let mut world = World::connected();
    world.behind[2] = true;
    for topic in [2, 3, 2] {
        deliver(&mut world, topic, 2);
    }
    while !world.links[0].pipelines.is_empty() {
        world.serve(0, &[]);
    }
    assert_eq!(world.servers.logs["log.b"].len(), 2);
    assert!(!world.servers.logs.contains_key("log.a"));
    // It has been read.
    world.behind[2] = false;
    world.now.instant += Duration::from_millis(10);
    deliver(&mut world, 2, 1);
    world.serve(0, &[]);
    assert_eq!(world.servers.logs["log.a"].len(), 5);
    // It cannot be read: that is waited for until shortly before the deadline.
    world.break_off(0, 0);
    world.connect(0, None);
    world.behind[2] = true;
    deliver(&mut world, 2, 1);
    assert!(world.links[0].pipelines.is_empty());
    world.now.instant += Duration::from_millis(500);
    world.take(0);
    world.serve(0, &[]);
    assert_eq!(world.servers.logs["log.a"].len(), 6);
    world.heal();
    world.check();
}

#[test]
fn a_payload_whose_destructor_fails_takes_nothing_with_it() {
    struct Bomb;
    impl AsRef<[u8]> for Bomb {
        fn as_ref(&self) -> &[u8] {
            b"\0\0\0\0\0\0\0\x01"
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a fault of the payload's owner");
        }
    }
    let mut world = World::new();
    world.outbox.window = Window::new(1, Duration::from_secs(20));
    world.connect(0, None);
    for topic in ["plain", "log.a", "log.a"] {
        let event = Publication::new(Topic::new(topic).unwrap(), Bytes::from_owner(Bomb));
        let pushed = world.queue.push(event, None, world.now.instant);
        assert!(pushed.is_ok());
    }
    world.collect();
    world.take(0);
    // The script is not known yet; then it is.
    world.serve(0, &[]);
    world.take(0);
    world.serve(0, &[]);
    assert!(world.outbox.is_empty());
    assert_eq!(world.queue.bytes(), 0);
    assert_eq!(world.outbox.tally().sent, 3);
    // What nobody sends any more is let go of as well.
    for _ in 0..2 {
        let event = Publication::new(Topic::new("plain").unwrap(), Bytes::from_owner(Bomb));
        assert!(world.queue.push(event, None, world.now.instant).is_ok());
    }
    world.queue.abandon();
    assert!(world.queue.is_empty());
}
