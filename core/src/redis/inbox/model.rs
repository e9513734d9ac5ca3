//! A server with a log, a channel that cuts, drops and repeats, publishers that give up
//! and send again, and fail-overs that lose the log's tail: whatever happens, a listener
//! gets each publisher's events in order and at most once, and is told of the rest.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::shared::HELD_BYTES;
use super::*;
use crate::Publication;
use crate::redis::{log::repair::Position, wire::envelope::Stamps};

const PAGE: usize = 4;

pub(super) const US: u64 = 0;
const TOPIC: &str = "t";

/// What a hub would get.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) events: Vec<String>,
    pub(super) lost: u64,
    pub(super) unknown: u64,
}

impl Deliver for Heard {
    fn event(&mut self, event: Publication<&str>) {
        let text = std::str::from_utf8(event.payload()).unwrap();
        self.events.push(text.to_owned());
    }

    fn lost(&mut self, _: &str, missed: Option<u64>) {
        match missed {
            Some(missed) => self.lost += missed,
            None => self.unknown += 1,
        }
    }
}

pub(super) fn stamp(started: Instant, millis: u64) -> Stamp {
    Stamp {
        instant: started + Duration::from_millis(millis),
        micros: 1_700_000_000_000_000 + millis * 1_000,
    }
}

/// An envelope whose payload is `publisher:serial`.
pub(super) fn sealed(stamps: Stamps) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = format!("{}:{}", stamps.publisher, stamps.serial);
    envelope::encode(&stamps, &Publication::new(TOPIC, payload), &mut bytes);
    bytes
}

#[derive(Debug, Clone)]
enum Op {
    Publish(u64),
    /// A serial that is never sent.
    GiveUp(u64),
    /// Published, and refused by the log.
    Unkept(u64),
    Plain,
    /// The listener takes so many things out of its connection.
    Take(usize),
    /// It sends so many of its reads.
    Ask(usize),
    Cut,
    Rejoin,
    /// One message goes missing on the way.
    Drop,
    /// One comes twice.
    Repeat,
    Replicate,
    FailOver {
        resend: bool,
    },
    Trim(usize),
    LoseLog,
    LoseHead,
    Refuse,
}

fn op(with_losses: bool) -> impl Strategy<Value = Op> {
    let repairable = prop_oneof![
        24 => (1..=2_u64).prop_map(Op::Publish),
        3 => Just(Op::Publish(US)),
        1 => (1..=2_u64).prop_map(Op::GiveUp),
        1 => (1..=2_u64).prop_map(Op::Unkept),
        1 => Just(Op::Plain),
        10 => (1..6_usize).prop_map(Op::Take),
        6 => (1..3_usize).prop_map(Op::Ask),
        2 => Just(Op::Cut),
        3 => Just(Op::Rejoin),
        1 => Just(Op::Drop),
        1 => Just(Op::Repeat),
        2 => Just(Op::Replicate),
        1 => any::<bool>().prop_map(move |resend| Op::FailOver { resend: resend || !with_losses }),
    ];
    let losses = prop_oneof![
        (0..8_usize).prop_map(Op::Trim),
        Just(Op::LoseLog),
        Just(Op::LoseHead),
        Just(Op::Refuse),
    ];
    if with_losses {
        prop_oneof![15 => repairable, 1 => losses].boxed()
    } else {
        repairable.boxed()
    }
}

#[derive(Debug, Clone, Default)]
struct Log {
    entries: VecDeque<Entry<Vec<u8>>>,
    head: Option<Head>,
    newest: u64,
    serials: BTreeMap<u64, u64>,
}

/// What stands in the stream from the server to the listener.
#[derive(Debug, Clone)]
enum Item {
    Message(Vec<u8>),
    Page(Read, Option<Head>, Vec<Entry<Vec<u8>>>),
}

struct World {
    inbox: Inbox,
    heard: Heard,
    started: Instant,
    millis: u64,
    log: Log,
    replica: Log,
    lineages: u64,
    /// Whether the next publish finds that its server is another one.
    took_over: bool,
    serials: BTreeMap<u64, u64>,
    sent: Vec<(u64, u64)>,
    connected: bool,
    stream: VecDeque<Item>,
    plain: usize,
    refused: bool,
}

impl World {
    fn new(most_held: usize) -> Self {
        let started = Instant::now();
        let mut inbox = Inbox::new(US, Modes::default(), stamp(started, 0));
        inbox.shared.most_held = most_held;
        inbox.placed(TOPIC, None, stamp(started, 0));
        let mut world = World {
            inbox,
            heard: Heard::default(),
            started,
            millis: 0,
            log: Log::default(),
            replica: Log::default(),
            lineages: 0,
            took_over: false,
            serials: BTreeMap::new(),
            sent: Vec::new(),
            connected: true,
            stream: VecDeque::new(),
            plain: 0,
            refused: false,
        };
        world.publish(1);
        world.publish(2);
        world.take(2);
        world
    }

    fn now(&mut self) -> Stamp {
        self.millis += 1;
        stamp(self.started, self.millis)
    }

    fn serial(&mut self, publisher: u64) -> u64 {
        let serial = self.serials.entry(publisher).or_default();
        *serial += 1;
        *serial
    }

    fn message(&mut self, bytes: Vec<u8>) {
        if self.connected {
            self.stream.push_back(Item::Message(bytes));
        }
    }

    fn publish(&mut self, publisher: u64) {
        let serial = self.serial(publisher);
        self.sent.push((publisher, serial));
        self.keep(publisher, serial);
        self.acknowledge(publisher);
    }

    /// Our own events are acknowledged with their number.
    fn acknowledge(&mut self, publisher: u64) {
        if publisher == US {
            self.inbox.kept(TOPIC, self.log.newest);
        }
    }

    /// What the script does.
    fn keep(&mut self, publisher: u64, serial: u64) {
        let newest = self.log.serials.entry(publisher).or_default();
        if serial <= *newest {
            return;
        }
        *newest = serial;
        let fresh = self.log.head.is_none() || std::mem::take(&mut self.took_over);
        let before = self.log.head.map(|head| head.newest);
        self.log.newest += 1;
        let number = self.log.newest;
        let (lineage, before) = if fresh {
            self.lineages += 1;
            (self.lineages, before)
        } else {
            let head = self.log.head.unwrap();
            (head.newest.lineage, head.before)
        };
        self.log.head = Some(Head {
            newest: Position { lineage, number },
            before,
        });
        let micros = self.now().micros;
        let bytes = sealed(Stamps {
            lineage,
            number,
            publisher,
            serial,
            micros,
            kept: true,
        });
        self.log.entries.push_back(Entry {
            number,
            bytes: bytes.clone(),
        });
        self.message(bytes);
    }

    fn take(&mut self, count: usize) {
        for _ in 0..count {
            let Some(item) = self.stream.pop_front() else {
                return;
            };
            let now = self.now();
            match item {
                Item::Message(bytes) => {
                    self.inbox
                        .message(Via::Topic, TOPIC, &bytes, now, &mut self.heard);
                }
                Item::Page(read, ..) if std::mem::take(&mut self.refused) => {
                    self.inbox.unread(&read, now, &mut self.heard);
                }
                Item::Page(read, head, entries) => {
                    let page = Page {
                        head,
                        entries: &entries,
                        is_last: entries.len() < PAGE,
                    };
                    self.inbox.read(&read, page, now, &mut self.heard);
                }
            }
            assert!(self.inbox.shared.held <= self.inbox.shared.most_held);
        }
    }

    fn ask(&mut self, count: usize) {
        for _ in 0..count {
            if !self.connected {
                return;
            }
            let Some(read) = self.inbox.next_read() else {
                return;
            };
            let (head, after) = match read.ask {
                Ask::Head { after } | Ask::Page { after } => (self.log.head, after),
                Ask::Newest => unreachable!("no pattern is heard"),
            };
            let entries = self.log.entries.iter();
            let entries = entries.filter(|entry| entry.number > after);
            let page = entries.take(PAGE).cloned().collect();
            self.stream.push_back(Item::Page(read, head, page));
        }
    }

    fn cut(&mut self) {
        if self.connected {
            self.connected = false;
            self.stream.clear();
            let now = self.now();
            self.inbox.broken(now, |_| false);
        }
    }

    fn rejoin(&mut self) {
        if !self.connected {
            self.connected = true;
            let now = self.now();
            self.inbox.joined(TOPIC, now, &mut self.heard);
        }
    }

    /// One in which all this has happened, with `small` room for what is held, and how many
    /// events it has delivered.
    fn after(ops: &[Op], small: bool) -> (Self, u64) {
        let mut world = World::new(if small { 600 } else { HELD_BYTES });
        for op in ops {
            world.run(op);
        }
        world.finish();
        let delivered = world.check_order();
        (world, delivered)
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Publish(publisher) => self.publish(publisher),
            Op::GiveUp(publisher) => {
                self.serial(publisher);
            }
            Op::Unkept(publisher) => {
                let serial = self.serial(publisher);
                let bytes = sealed(Stamps {
                    publisher,
                    serial,
                    micros: self.now().micros,
                    ..Stamps::default()
                });
                self.message(bytes);
            }
            Op::Plain => {
                self.plain += usize::from(self.connected);
                self.message(b"plain".to_vec());
            }
            Op::Take(count) => self.take(count),
            Op::Ask(count) => self.ask(count),
            Op::Cut => self.cut(),
            Op::Rejoin => self.rejoin(),
            Op::Drop => {
                if let Some(Item::Message(bytes)) = self.stream.front()
                    && bytes != b"plain"
                {
                    self.stream.pop_front();
                }
            }
            Op::Repeat => {
                if let Some(item @ Item::Message(bytes)) = self.stream.front()
                    && bytes != b"plain"
                {
                    self.stream.push_back(item.clone());
                }
            }
            Op::Replicate => self.replica = self.log.clone(),
            Op::FailOver { resend } => {
                self.cut();
                self.log = self.replica.clone();
                self.took_over = true;
                self.inbox.disown();
                if resend {
                    for (publisher, serial) in self.sent.clone() {
                        let before = self.log.newest;
                        self.keep(publisher, serial);
                        if self.log.newest > before {
                            self.acknowledge(publisher);
                        }
                    }
                }
            }
            Op::Trim(left) => {
                let entries = &mut self.log.entries;
                entries.drain(..entries.len().saturating_sub(left));
            }
            Op::LoseLog => {
                self.log = Log::default();
            }
            Op::LoseHead => self.log.head = None,
            Op::Refuse => self.refused = true,
        }
    }

    /// Whether the replica has something that the log has no more.
    fn replica_has_more(&self) -> bool {
        let mut entries = self.replica.entries.iter();
        entries.any(|entry| !self.log.entries.contains(entry))
    }

    /// Everybody speaks once more, and all that is under way arrives.
    fn finish(&mut self) {
        self.refused = false;
        self.rejoin();
        for round in 0..200 {
            self.ask(usize::MAX);
            self.take(usize::MAX);
            if round < 2 {
                self.publish(1);
                self.publish(2);
            }
            if self.stream.is_empty() && self.inbox.shared.wanted.is_empty() && round > 2 {
                assert_eq!(self.inbox.shared.held, 0);
                return;
            }
        }
        panic!("it never ends");
    }

    /// What must hold whatever happened. How many were delivered.
    fn check_order(&self) -> u64 {
        let mut newest = BTreeMap::new();
        let mut delivered = 0;
        for event in &self.heard.events {
            let Some((publisher, serial)) = event.split_once(':') else {
                continue;
            };
            let (publisher, serial): (u64, u64) =
                (publisher.parse().unwrap(), serial.parse().unwrap());
            assert_ne!(publisher, US, "our own came back");
            let before = newest.insert(publisher, serial).unwrap_or(0);
            assert!(before < serial, "{publisher}: {serial} after {before}");
            delivered += 1;
        }
        delivered
    }

    fn published(&self) -> u64 {
        self.serials.get(&1).unwrap() + self.serials.get(&2).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn each_event_is_delivered_or_told_as_lost(
        ops in prop::collection::vec(op(false), 0..120),
        small: bool,
    ) {
        let (world, delivered) = World::after(&ops, small);
        prop_assert_eq!(delivered + world.heard.lost, world.published());
        prop_assert_eq!(world.inbox.tally().lost, world.heard.lost);
    }

    #[test]
    fn nothing_is_lost_that_the_log_has(
        ops in prop::collection::vec(op(false), 0..120),
    ) {
        let mut world = World::new(HELD_BYTES);
        for op in &ops {
            if !matches!(op, Op::GiveUp(_) | Op::Unkept(_) | Op::Plain) {
                world.run(op);
            }
        }
        world.finish();
        let delivered = world.check_order();
        prop_assert_eq!(delivered, world.published());
        prop_assert_eq!(world.heard.lost + world.heard.unknown, 0);
    }

    #[test]
    fn nothing_is_lost_silently(
        ops in prop::collection::vec(op(true), 0..120),
        small: bool,
    ) {
        let (world, delivered) = World::after(&ops, small);
        let Heard { lost, unknown, .. } = world.heard;
        let published = world.published();
        prop_assert!(
            delivered + lost >= published || unknown > 0,
            "{delivered} delivered, {lost} lost, {published} published",
        );
    }

    #[test]
    fn nothing_is_told_as_lost_that_was_had(
        ops in prop::collection::vec(op(true), 0..120),
    ) {
        let mut world = World::new(HELD_BYTES);
        for op in &ops {
            // What was told as lost may come after all: from a log that could not be read,
            // or by another server that is given it again, or had it before it was trimmed.
            match op {
                Op::Refuse => {}
                // What is in no log tells by its serial of what is missing before it, and
                // the log may be found later to have that no more.
                Op::Drop | Op::Unkept(_) => {}
                Op::FailOver { .. } if world.heard.lost > 0 && world.replica_has_more() => {}
                Op::FailOver { resend } => world.run(&Op::FailOver {
                    resend: *resend && world.heard.lost == 0,
                }),
                op => world.run(op),
            }
        }
        world.finish();
        let delivered = world.check_order();
        let (lost, published) = (world.heard.lost, world.published());
        prop_assert!(
            delivered + lost <= published,
            "{delivered} delivered, {lost} lost, {published} published",
        );
    }
}
