//! The log against a list of fates: what is held, by whom it is waited for, and what
//! each reader finds, for every policy.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    limits::{Budget, Limits, Overflow},
    log::{Log, Losses, Next, Shed},
};
use crate::{
    event::{Event, Position, Publication},
    metrics::Gauge,
    sync::Arc,
    topic::Topic,
};

#[derive(Debug, Clone)]
enum Op {
    Push {
        key: Option<u8>,
        size: usize,
    },
    Join,
    /// Joins where another one stands.
    JoinAt(usize),
    Leave(usize),
    Read(usize),
    Run(usize, usize),
    Press,
    /// Lets so much time pass, and expires.
    Pass(u64),
    /// Only for a single reader.
    Retain(u64),
    Refill(Vec<u8>, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Waiting,
    Lost,
    Replaced,
    /// Nobody was there, or everybody has read it.
    Past,
}

/// An event by its number, what became of it, and what a payload of its kind weighs.
#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Names the event, wherever it moves to.
    name: u64,
    key: Option<u8>,
    weight: usize,
    time: u64,
    fate: Fate,
}

/// The same as a log, as a list; the place in the list is the number.
struct Naive {
    slots: Vec<Slot>,
    readers: Vec<u64>,
    limits: Limits,
    keeps: bool,
    losses: Losses,
}

impl Naive {
    /// Those whom nobody waits for any more are past.
    fn settle(&mut self) {
        let slowest = self.readers.iter().min().copied();
        let slowest = slowest.unwrap_or(self.slots.len() as u64) as usize;
        if !self.keeps {
            for slot in &mut self.slots[..slowest] {
                slot.fate = Fate::Past;
            }
        }
    }

    fn held(&self) -> Vec<usize> {
        let waits = |i: &usize| self.slots[*i].fate == Fate::Waiting;
        (0..self.slots.len()).filter(waits).collect()
    }

    fn bytes(&self) -> usize {
        self.held().iter().map(|i| self.slots[*i].weight).sum()
    }

    fn lose_first(&mut self, count: fn(&mut Losses) -> &mut u64) {
        let first = self.held()[0];
        self.slots[first].fate = Fate::Lost;
        if !self.keeps {
            *count(&mut self.losses) += 1;
        }
    }

    fn expire(&mut self, now: u64) {
        let age = self.limits.budget.age;
        let stale = |time: u64| age != u64::MAX && time < now.saturating_sub(age);
        while let Some(first) = self.held().first()
            && stale(self.slots[*first].time)
        {
            self.lose_first(|losses| &mut losses.stale);
        }
    }

    fn push(&mut self, mut slot: Slot, now: u64) {
        self.expire(now);
        let Limits { overflow, budget } = self.limits;
        let fits = slot.weight <= budget.bytes;
        slot.fate = Fate::Waiting;
        if self.readers.is_empty() && !self.keeps {
            slot.fate = Fate::Past;
        } else if overflow == Overflow::DropNewest {
            let full = self.bytes() + slot.weight > budget.bytes;
            let full = full || self.held().len() >= budget.events;
            if !fits || (full && !self.held().is_empty()) {
                self.losses.newest += 1;
                slot.fate = Fate::Lost;
            }
        } else if overflow == Overflow::KeepLatest && fits && slot.key.is_some() {
            let same = |i: &usize| self.slots[*i].key == slot.key;
            if let Some(older) = self.held().into_iter().find(same) {
                self.slots[older].fate = Fate::Replaced;
                self.losses.conflated += 1;
            }
        }
        let waits = slot.fate == Fate::Waiting;
        self.slots.push(slot);
        while waits && (self.held().len() > budget.events || self.bytes() > budget.bytes) {
            self.lose_first(|losses| &mut losses.oldest);
        }
    }

    /// How many a reader has missed, and the event it finds after that.
    fn next(&self, reader: usize) -> (u64, Option<usize>) {
        let from = self.readers[reader] as usize;
        let unread = from..self.slots.len();
        let next = unread
            .clone()
            .find(|i| self.slots[*i].fate == Fate::Waiting);
        let mut before = from..next.unwrap_or(self.slots.len());
        let missed = match self.limits.overflow {
            Overflow::KeepLatest => before
                .rfind(|i| self.slots[*i].fate == Fate::Lost)
                .map_or(0, |last| last + 1 - from),
            _ => before.len(),
        };
        (missed as u64, next)
    }
}

/// Both of them, and what is checked after every step.
struct Pair {
    log: Log,
    naive: Naive,
    gauge: Arc<Gauge>,
    losses: Losses,
    now: u64,
    names: u64,
}

impl Pair {
    fn event(&mut self, key: Option<u8>, size: usize) -> (Event, Slot) {
        self.names += 1;
        let topic = Topic::new("t").unwrap();
        let mut publication = Publication::new("t", vec![0; size]);
        if let Some(key) = key {
            publication = publication.key(key.to_string());
        }
        let position = Position {
            epoch: 1,
            offset: self.names,
        };
        let event = Event::new(topic, publication.content, self.now, position, &self.gauge);
        let slot = Slot {
            name: self.names,
            key,
            weight: event.weight(),
            time: self.now,
            fate: Fate::Waiting,
        };
        (event, slot)
    }

    fn step(&mut self, op: Op) {
        let mut shed = Shed::default();
        let chosen = |choice: usize, pair: &Pair| choice.checked_rem(pair.naive.readers.len());
        match op {
            Op::Push { key, size } => {
                let (event, slot) = self.event(key, size);
                self.log
                    .push(event, &self.naive.limits, self.now, &mut shed);
                self.naive.push(slot, self.now);
            }
            Op::Join => {
                self.log.join(self.log.end());
                self.naive.readers.push(self.log.end());
            }
            Op::JoinAt(choice) => {
                if let Some(reader) = chosen(choice, self) {
                    let at = self.naive.readers[reader];
                    self.log.join(at);
                    self.naive.readers.push(at);
                }
            }
            Op::Leave(choice) => {
                if let Some(reader) = chosen(choice, self) {
                    let at = self.naive.readers.swap_remove(reader);
                    self.log.leave(at, &mut shed);
                }
            }
            Op::Read(choice) => {
                if let Some(reader) = chosen(choice, self) {
                    self.read(reader, None, &mut shed);
                }
            }
            Op::Run(choice, max) => {
                if let Some(reader) = chosen(choice, self) {
                    self.read(reader, Some(max), &mut shed);
                }
            }
            Op::Press => {
                let held = self.naive.held().len();
                assert_eq!(self.log.press(&mut shed), held > 0);
                for _ in 0..held.div_ceil(2) {
                    self.naive.lose_first(|losses| &mut losses.pressed);
                }
            }
            Op::Pass(time) => {
                self.now += time;
                self.log.expire(&self.naive.limits, self.now, &mut shed);
                self.naive.expire(self.now);
            }
            Op::Retain(divisor) if self.naive.readers.len() == 1 => {
                let keep = |event: &Event| !event.position().offset.is_multiple_of(divisor);
                let at = self.naive.readers[0];
                let limits = self.naive.limits;
                let cursor = self.log.retain_unread(at, &limits, keep, &mut shed);
                let missed = self.missed_in_all(0);
                let stays = self.naive.held().into_iter().map(|i| self.naive.slots[i]);
                let stays: Vec<Slot> = stays
                    .filter(|slot| !slot.name.is_multiple_of(divisor))
                    .collect();
                let first = self.naive.slots.len() - stays.len();
                assert!(missed > 0 || cursor == first as u64 || stays.is_empty());
                self.naive.slots.truncate(first);
                for (ago, slot) in self.naive.slots.iter_mut().rev().enumerate() {
                    let lost = (ago as u64) < missed;
                    slot.fate = if lost { Fate::Lost } else { Fate::Past };
                }
                self.naive.slots.extend(stays);
                self.naive.readers[0] = cursor;
            }
            Op::Refill(sizes, missed) if self.naive.readers.len() == 1 => {
                for held in self.naive.held() {
                    self.naive.slots[held].fate = Fate::Past;
                }
                let events: Vec<(Event, Slot)> = sizes
                    .iter()
                    .map(|size| self.event(None, *size as usize))
                    .collect();
                self.naive.readers[0] = self.naive.slots.len() as u64;
                self.naive.settle();
                let lost = Slot {
                    name: 0,
                    key: None,
                    weight: 0,
                    time: 0,
                    fate: Fate::Lost,
                };
                let lost = std::iter::repeat_n(lost, missed as usize);
                self.naive.slots.extend(lost);
                let (events, slots): (Vec<_>, Vec<_>) = events.into_iter().unzip();
                let limits = self.naive.limits;
                let cursor = self.log.refill(events, missed, &limits, &mut shed);
                assert_eq!(cursor, self.naive.readers[0]);
                for slot in slots {
                    self.naive.push(slot, slot.time);
                }
            }
            Op::Retain(_) | Op::Refill(..) => {}
        }
        self.check(shed);
    }

    /// All that a reader has lost, before and between what it still has.
    fn missed_in_all(&self, reader: usize) -> u64 {
        if self.naive.limits.overflow == Overflow::KeepLatest {
            return self.naive.next(reader).0;
        }
        let from = self.naive.readers[reader] as usize;
        let lost = |slot: &&Slot| slot.fate != Fate::Waiting;
        self.naive.slots[from..].iter().filter(lost).count() as u64
    }

    fn read(&mut self, reader: usize, max: Option<usize>, shed: &mut Shed) {
        let at = self.naive.readers[reader];
        let (missed, next) = self.naive.next(reader);
        let to = match self.log.next(at, &self.naive.limits) {
            Next::Nothing => {
                assert_eq!((missed, next), (0, None));
                return;
            }
            Next::Missed {
                missed: told,
                cursor,
            } => {
                assert_eq!(told, missed);
                assert_eq!(cursor, at + missed);
                cursor
            }
            Next::At(index) => {
                assert_eq!(missed, 0);
                let first = next.expect("the log finds an event where none is");
                let name = |i: usize| self.naive.slots[i].name;
                match max {
                    None => {
                        let (event, to) = self.log.read(index).unwrap();
                        assert_eq!(event.position().offset, name(first));
                        assert_eq!(to, first as u64 + 1);
                        to
                    }
                    Some(max) => {
                        let run = self.log.run(index, max);
                        let rest = self.naive.slots[first..].iter();
                        let row = rest.take_while(|slot| slot.fate == Fate::Waiting);
                        assert_eq!(run.events().len(), row.count().min(max));
                        for (i, event) in run.events().iter().enumerate() {
                            assert_eq!(event.position().offset, name(first + i));
                        }
                        assert_eq!(run.first, first as u64);
                        run.end()
                    }
                }
            }
        };
        self.log.advance(at, to, shed);
        self.naive.readers[reader] = to;
    }

    fn check(&mut self, shed: Shed) {
        self.naive.settle();
        let Losses {
            oldest,
            newest,
            stale,
            conflated,
            pressed,
        } = shed.losses;
        self.losses.oldest += oldest;
        self.losses.newest += newest;
        self.losses.stale += stale;
        self.losses.conflated += conflated;
        self.losses.pressed += pressed;
        assert_eq!(self.losses, self.naive.losses);
        drop(shed);
        let held = self.naive.held();
        let end = self.naive.slots.len();
        assert_eq!(self.log.end(), end as u64);
        assert_eq!(self.log.len(), held.len());
        assert_eq!(self.log.bytes(), self.naive.bytes());
        let first = held.first().copied().unwrap_or(end);
        assert_eq!(self.log.start(), first as u64);
        // What left the log is nowhere else either.
        assert_eq!(self.gauge.total(), self.naive.bytes() as u64);
    }
}

fn op() -> impl Strategy<Value = Op> {
    let key = prop_oneof![1 => Just(None), 2 => (0..3_u8).prop_map(Some)];
    let which = any::<usize>;
    prop_oneof![
        12 => (key, prop_oneof![4 => 0..50_usize, 1 => 0..900_usize])
            .prop_map(|(key, size)| Op::Push { key, size }),
        3 => Just(Op::Join),
        1 => which().prop_map(Op::JoinAt),
        3 => which().prop_map(Op::Leave),
        8 => which().prop_map(Op::Read),
        4 => (which(), 1..5_usize).prop_map(|(reader, max)| Op::Run(reader, max)),
        1 => Just(Op::Press),
        2 => (0..8_u64).prop_map(Op::Pass),
        1 => (1..4_u64).prop_map(Op::Retain),
        1 => (prop::collection::vec(0..60_u8, 0..5), 0..3_u64)
            .prop_map(|(sizes, missed)| Op::Refill(sizes, missed)),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let overflow = prop_oneof![
        Just(Overflow::DropOldest),
        Just(Overflow::DropNewest),
        Just(Overflow::Disconnect),
        Just(Overflow::KeepLatest),
    ];
    let events = prop_oneof![Just(1), Just(3), Just(100)];
    let bytes = prop_oneof![2 => Just(1 << 20), 1 => Just(800)];
    let age = prop_oneof![2 => Just(None), 1 => Just(Some(10))];
    (overflow, events, bytes, age).prop_map(|(overflow, events, bytes, age)| {
        let budget = Budget::default().events(events).unwrap();
        let mut budget = budget.bytes(bytes).unwrap();
        if let Some(age) = age {
            budget = budget.age(Duration::from_nanos(age)).unwrap();
        }
        Limits { overflow, budget }
    })
}

fn run(log: Log, limits: Limits, keeps: bool, ops: Vec<Op>) {
    let mut pair = Pair {
        log,
        naive: Naive {
            slots: Vec::new(),
            readers: Vec::new(),
            limits,
            keeps,
            losses: Losses::default(),
        },
        gauge: Arc::new(Gauge::default()),
        losses: Losses::default(),
        now: 100,
        names: 0,
    };
    for op in ops {
        pair.step(op);
    }
    for _ in 0..pair.naive.readers.len() {
        pair.step(Op::Leave(0));
    }
    if !keeps {
        assert_eq!((pair.log.len(), pair.gauge.total()), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn readers_find_what_the_list_says(
        limits in limits(),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        run(Log::starting_at(0), limits, false, ops);
    }

    #[test]
    fn a_history_keeps_what_its_limits_allow(
        limits in limits(),
        ops in prop::collection::vec(op(), 1..40),
    ) {
        let limits = Limits { overflow: Overflow::DropOldest, ..limits };
        let alone = |op: &Op| matches!(op, Op::Push { .. } | Op::Press | Op::Pass(_));
        let ops = ops.into_iter().filter(alone).collect();
        run(Log::history(0), limits, true, ops);
    }
}
