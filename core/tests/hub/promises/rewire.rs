//! Subscriptions that change their names while publishers are at work: nothing is
//! lost, doubled or put out of order.
//!
//! Each publisher has a topic of its own and numbers its events. It says which event
//! it has begun and which it has done, and that bounds from both sides what a
//! subscription is to be given or told about.

use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use distributary::{
    CloseReason, Event, Flow, Hub, Lane, MemberId, Overflow, Publication, Selector, Sink,
    SliceLimits, SubscribeError, SubscribeOptions, Subscription, Token, TryRecvError,
};

use crate::edges::{budget, text, until};

const TOPICS: [&str; 2] = ["hot.0", "hot.1"];
const RUN: Duration = Duration::from_millis(450);

#[derive(Default)]
struct Progress {
    begun: [AtomicU64; 2],
    done: [AtomicU64; 2],
    stop: AtomicBool,
}

impl Progress {
    fn publish(&self, hub: &Hub, topic: usize) {
        let mut number = 0;
        while !self.stop.load(SeqCst) {
            self.begun[topic].store(number + 1, SeqCst);
            let publication = Publication::new(TOPICS[topic], number.to_string()).key("k");
            hub.publish_event(publication).unwrap();
            number += 1;
            self.done[topic].store(number, SeqCst);
        }
    }

    fn begun(&self) -> [u64; 2] {
        [0, 1].map(|topic: usize| self.begun[topic].load(SeqCst))
    }

    fn done(&self) -> [u64; 2] {
        [0, 1].map(|topic: usize| self.done[topic].load(SeqCst))
    }
}

/// Tells the publishers to stop, also when the test fails.
struct Stop<'a>(&'a Progress);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, SeqCst);
    }
}

/// What changes its names: a subscription that pulls, or a member of a lane.
trait Reader {
    fn add_topic(&mut self, name: &str) -> Result<bool, SubscribeError>;
    fn remove_topic(&mut self, name: &str) -> Result<bool, SubscribeError>;
    fn add_pattern(&mut self, text: &str) -> Result<bool, SubscribeError>;
    fn remove_pattern(&mut self, text: &str) -> Result<bool, SubscribeError>;
    fn lag(&self) -> u64;
    /// Reads something.
    fn read(&mut self, seen: &mut Seen);
}

impl Reader for Subscription {
    fn add_topic(&mut self, name: &str) -> Result<bool, SubscribeError> {
        self.add_topic(name)
    }

    fn remove_topic(&mut self, name: &str) -> Result<bool, SubscribeError> {
        self.remove_topic(name)
    }

    fn add_pattern(&mut self, text: &str) -> Result<bool, SubscribeError> {
        self.add_pattern(text)
    }

    fn remove_pattern(&mut self, text: &str) -> Result<bool, SubscribeError> {
        self.remove_pattern(text)
    }

    fn lag(&self) -> u64 {
        self.lag()
    }

    fn read(&mut self, seen: &mut Seen) {
        match self.try_recv() {
            Ok(event) => seen.note(&event),
            Err(TryRecvError::Lagged { missed }) => seen.missed += missed,
            Err(error) => panic!("{error} in spite of a lag"),
        }
    }
}

/// The second of three in its group, whose sink stalls now and then.
struct Member {
    lane: Lane,
    id: MemberId,
}

const MEMBER: Token = Token(1);

impl Member {
    fn join(hub: &Hub, selector: &Selector, options: &SubscribeOptions) -> Member {
        // Short slices, so that a change comes in the middle of a pass.
        let mut lane = Lane::with_limits(hub, SliceLimits::default().deliveries(100));
        let ids = [0, MEMBER.0, 2].map(|token| {
            let joined = lane.subscribe_with(selector.clone(), Token(token), options.clone());
            joined.unwrap()
        });
        Member { lane, id: ids[1] }
    }
}

impl Reader for Member {
    fn add_topic(&mut self, name: &str) -> Result<bool, SubscribeError> {
        self.lane.add_topic(self.id, name)
    }

    fn remove_topic(&mut self, name: &str) -> Result<bool, SubscribeError> {
        self.lane.remove_topic(self.id, name)
    }

    fn add_pattern(&mut self, text: &str) -> Result<bool, SubscribeError> {
        self.lane.add_pattern(self.id, text)
    }

    fn remove_pattern(&mut self, text: &str) -> Result<bool, SubscribeError> {
        self.lane.remove_pattern(self.id, text)
    }

    fn lag(&self) -> u64 {
        self.lane.lag(self.id).unwrap()
    }

    fn read(&mut self, seen: &mut Seen) {
        // It may be stalled, also by a turn that was the last before a change.
        self.lane.resume(self.id);
        let _ = self.lane.turn(seen);
    }
}

impl Sink for Seen {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        if to != MEMBER {
            return Flow::Taken;
        }
        self.deliveries += 1;
        let taken = match self.deliveries % 5 {
            0 => events.len() / 2,
            _ => events.len(),
        };
        events[..taken].iter().for_each(|event| self.note(event));
        match taken < events.len() {
            true => Flow::Stalled { taken },
            false => Flow::Taken,
        }
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        if to == MEMBER {
            self.missed += missed;
        }
        Flow::Taken
    }

    fn closed(&mut self, _: Token, reason: CloseReason) {
        panic!("closed: {reason}");
    }
}

/// How a round's reader is made.
type Join = fn(&Hub, &Selector, &SubscribeOptions) -> Box<dyn Reader>;

const BOTH_KINDS: [Join; 2] = [
    |hub, selector, options| {
        let sub = hub.subscribe_with(selector.clone(), options.clone());
        Box::new(sub.unwrap())
    },
    |hub, selector, options| Box::new(Member::join(hub, selector, options)),
];

/// Repeats `round` while two publishers are at work, with many other feeds between the
/// shared one and a new one: that is where an event stays for long.
fn under_load(
    join: Join,
    selector: &Selector,
    budget_of: usize,
    mut round: impl FnMut(&Progress, Joined),
) {
    let hub = Hub::new();
    let options = SubscribeOptions::new().budget(budget(budget_of));
    let _sharer = hub
        .subscribe_with(selector.clone(), options.clone())
        .unwrap();
    let others = (0..600).map(|i| {
        let options = SubscribeOptions::new()
            .overflow(Overflow::KeepLatest)
            .budget(budget(i / 2 + 1));
        hub.subscribe_with(TOPICS[i % 2], options).unwrap()
    });
    let _others: Vec<_> = others.collect();
    let progress = Progress::default();
    thread::scope(|scope| {
        let _stop = Stop(&progress);
        for topic in 0..2 {
            let (hub, progress) = (&hub, &progress);
            scope.spawn(move || progress.publish(hub, topic));
        }
        until(|| progress.done().iter().all(|done| *done > 0));
        let start = Instant::now();
        while start.elapsed() < RUN {
            let before = progress.done();
            let sub = join(&hub, selector, &options);
            let in_force = progress.begun();
            let first = [0, 1].map(|topic: usize| before[topic]..in_force[topic] + 1);
            round(&progress, Joined { sub, first });
        }
    });
}

struct Joined {
    sub: Box<dyn Reader>,
    /// Between which numbers the first event of each topic must be.
    first: [Range<u64>; 2],
}

/// What was read: the numbers by topic, and how many were told as missed.
#[derive(Default)]
struct Seen {
    numbers: [Vec<u64>; 2],
    missed: u64,
    /// As the sink of a lane.
    deliveries: usize,
}

impl Seen {
    fn count(&self) -> u64 {
        let read: usize = self.numbers.iter().map(Vec::len).sum();
        read as u64 + self.missed
    }

    fn note(&mut self, event: &Event) {
        let mut topics = TOPICS.iter();
        let topic = topics.position(|topic| event.topic().as_str() == *topic);
        let number = text(event).parse().unwrap();
        self.numbers[topic.unwrap()].push(number);
    }

    /// Reads what waits now.
    fn read(&mut self, sub: &mut dyn Reader) {
        let until = self.count() + sub.lag();
        while self.count() < until {
            sub.read(self);
        }
    }

    fn assert_in_order(&self) {
        for numbers in &self.numbers {
            let twice = numbers.windows(2).find(|pair| pair[0] >= pair[1]);
            assert_eq!(twice, None, "one after the other");
        }
    }

    /// From one of the `first` to at least `done`, without a gap.
    fn assert_gapless(&self, topic: usize, first: &Range<u64>, done: u64) {
        let numbers = &self.numbers[topic];
        let gap = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]);
        assert_eq!(gap, None, "one after the other");
        match numbers[..] {
            [] => assert!(done < first.end, "all up to {done} are lost"),
            [start, .., end] | [start @ end] => {
                assert!(first.contains(&start), "{start} is not in {first:?}");
                assert!(end + 1 >= done, "ends with {end}, {done} were done");
            }
        }
    }
}

fn both() -> Selector {
    Selector::topics(TOPICS).unwrap()
}

/// Adds and removes names that concern no event of the publishers.
fn change(sub: &mut dyn Reader, round: usize) {
    match round % 3 {
        0 => {
            assert!(sub.add_topic("quiet").unwrap());
            assert!(sub.remove_topic("quiet").unwrap());
            assert!(sub.add_pattern("quiet.*").unwrap());
        }
        1 => {
            assert!(sub.add_pattern("quiet.*").unwrap());
            assert!(sub.add_topic("quiet").unwrap());
            assert!(sub.remove_pattern("quiet.*").unwrap());
        }
        // Covers them a second time: still each event once.
        _ => {
            assert!(sub.add_pattern("hot.*").unwrap());
            assert!(sub.remove_topic(TOPICS[0]).unwrap());
            assert!(sub.add_topic(TOPICS[0]).unwrap());
            assert!(sub.remove_pattern("hot.*").unwrap());
        }
    }
}

#[test]
fn with_room_for_all_each_event_comes_once_and_in_order() {
    for kind in BOTH_KINDS {
        let mut rounds = 0;
        under_load(
            kind,
            &both(),
            1 << 16,
            |progress, Joined { mut sub, first }| {
                let mut seen = Seen::default();
                // Now with something unread, now without.
                if rounds % 2 == 0 {
                    seen.read(&mut *sub);
                }
                change(&mut *sub, rounds / 2);
                rounds += 1;
                let done = progress.done();
                seen.read(&mut *sub);
                assert_eq!(seen.missed, 0);
                for topic in 0..2 {
                    seen.assert_gapless(topic, &first[topic], done[topic]);
                }
            },
        );
        assert!(rounds > 0);
    }
}

#[test]
fn with_room_for_few_each_event_comes_or_is_counted() {
    for (kind, room) in BOTH_KINDS
        .into_iter()
        .flat_map(|kind| [(kind, 1), (kind, 4)])
    {
        let mut rounds = 0;
        under_load(
            kind,
            &both(),
            room,
            |progress, Joined { mut sub, first }| {
                let mut seen = Seen::default();
                change(&mut *sub, rounds);
                rounds += 1;
                let done = progress.done();
                seen.read(&mut *sub);
                let begun = progress.begun();
                seen.assert_in_order();
                let sum = |of: &dyn Fn(usize) -> u64| of(0) + of(1);
                let least = sum(&|t| done[t].saturating_sub(first[t].end - 1));
                let most = sum(&|t| begun[t] - first[t].start);
                let count = seen.count();
                assert!(
                    (least..=most).contains(&count),
                    "{count} events, {} of them missed, and not {least} to {most}",
                    seen.missed
                );
            },
        );
        assert!(rounds > 0);
    }
}

/// A hot name comes in, and the other goes.
#[test]
fn a_name_is_in_force_from_its_addition_to_its_removal() {
    let one = Selector::topic(TOPICS[0]).unwrap();
    for kind in BOTH_KINDS {
        let mut rounds = 0;
        under_load(
            kind,
            &one,
            1 << 16,
            |progress, Joined { mut sub, first }| {
                rounds += 1;
                let before = progress.done()[1];
                match rounds % 2 {
                    0 => assert!(sub.add_topic(TOPICS[1]).unwrap()),
                    _ => assert!(sub.add_pattern("*.1").unwrap()),
                }
                let added = before..progress.begun()[1] + 1;
                let mut seen = Seen::default();
                let done = progress.done();
                seen.read(&mut *sub);
                seen.assert_gapless(0, &first[0], done[0]);
                seen.assert_gapless(1, &added, done[1]);

                assert!(sub.remove_topic(TOPICS[0]).unwrap());
                let read = seen.numbers[0].len();
                let done = progress.done();
                seen.read(&mut *sub);
                assert_eq!(seen.numbers[0].len(), read, "more of a name that is gone");
                seen.assert_gapless(1, &added, done[1]);
                assert_eq!(seen.missed, 0);
            },
        );
        assert!(rounds > 0);
    }
}
