//! A hub's outbox, two links, and naive servers behind them that break, refuse, move logs
//! and fail over; and what must be true whatever happens.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use proptest::prelude::*;

use super::*;
use crate::{backplane::Receipt, hub::Delivery};

pub(super) const ID: u64 = 0xabcd;
pub(super) const BUDGET: usize = 4_000;
pub(super) const TOPICS: [&str; 5] = ["plain", "live.e", "log.a", "log.b", "durable"];

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
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
pub(super) enum Action {
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

pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
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
pub(super) struct Servers {
    /// By topic: serial and event.
    pub(super) logs: BTreeMap<String, Vec<(u64, usize)>>,
    /// What listeners of a topic that has no log heard.
    pub(super) heard: BTreeMap<String, Vec<usize>>,
    pub(super) owner: Owners,
    /// Logs that are with the next owner already.
    pub(super) ahead: BTreeMap<String, u8>,
}

/// Who has a topic that is not link 0's.
#[derive(Default, Clone)]
pub(super) struct Owners(BTreeMap<String, u8>);

impl Owners {
    pub(super) fn of(&self, topic: &str) -> u8 {
        self.0.get(topic).copied().unwrap_or(0)
    }
}

#[derive(Default)]
pub(super) struct Link {
    pub(super) connected: bool,
    pub(super) id: u64,
    pub(super) knows_script: bool,
    pub(super) loading: bool,
    pub(super) asking: bool,
    pub(super) pipelines: VecDeque<Vec<Vec<Vec<u8>>>>,
}

pub(super) struct Event {
    pub(super) topic: usize,
    pub(super) receipt: Receipt,
}

pub(super) struct World {
    pub(super) outbox: Outbox<u8>,
    pub(super) queue: Arc<Queue>,
    pub(super) servers: Servers,
    /// As far as is known here.
    pub(super) routes: Owners,
    pub(super) links: [Link; 2],
    pub(super) events: Vec<Event>,
    pub(super) behind: [bool; TOPICS.len()],
    pub(super) now: Stamp,
    pub(super) failovers: u32,
}

impl World {
    /// With a link to a server that is empty.
    pub(super) fn connected() -> World {
        let mut world = World::new();
        world.connect(0, None);
        world
    }

    pub(super) fn new() -> World {
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

    pub(super) fn collect(&mut self) {
        let routes = &self.routes;
        self.outbox
            .collect(|topic, _| Some(routes.of(topic.as_str())));
    }

    pub(super) fn act(&mut self, action: Action) {
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

    pub(super) fn tell(&mut self) {
        for (acknowledge, outcome) in self.outbox.untold() {
            acknowledge.tell(outcome);
        }
    }

    pub(super) fn push(&mut self, topic: usize, size: usize) {
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

    pub(super) fn take(&mut self, link: u8) {
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

    pub(super) fn serve(&mut self, link: u8, faults: &[Fault]) {
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

    pub(super) fn break_off(&mut self, link: u8, executed: usize) {
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
    pub(super) fn connect(&mut self, link: u8, failover: Option<usize>) {
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

    pub(super) fn reroute(&mut self) {
        self.routes = self.servers.owner.clone();
        let routes = &self.routes;
        self.outbox
            .reroute(|topic, _| Some(routes.of(topic.as_str())));
    }

    pub(super) fn execute(&mut self, link: u8, command: &[Vec<u8>], fault: Fault) -> Reply {
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
    pub(super) fn heal(&mut self) {
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

    pub(super) fn check(&mut self) {
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

pub(super) fn event_of(payload: &[u8]) -> usize {
    u64::from_be_bytes(payload[..8].try_into().unwrap()) as usize
}

/// Commands as a server reads them.
pub(super) fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
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
