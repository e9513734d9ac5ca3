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
    Hub, Overflow, Publication, Selector, SubscribeOptions, Subscription, TryRecvError,
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

/// Repeats `round` while two publishers are at work, with many other feeds between the
/// shared one and a new one: that is where an event stays for long.
fn under_load(selector: &Selector, budget_of: usize, mut round: impl FnMut(&Progress, Joined)) {
    let hub = Hub::new();
    let options = SubscribeOptions::new().budget(budget(budget_of));
    let join = || {
        hub.subscribe_with(selector.clone(), options.clone())
            .unwrap()
    };
    let _sharer = join();
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
            let sub = join();
            let in_force = progress.begun();
            let first = [0, 1].map(|topic: usize| before[topic]..in_force[topic] + 1);
            round(&progress, Joined { sub, first });
        }
    });
}

struct Joined {
    sub: Subscription,
    /// Between which numbers the first event of each topic must be.
    first: [Range<u64>; 2],
}

/// What was read: the numbers by topic, and how many were told as missed.
#[derive(Default)]
struct Seen {
    numbers: [Vec<u64>; 2],
    missed: u64,
}

impl Seen {
    fn count(&self) -> u64 {
        let read: usize = self.numbers.iter().map(Vec::len).sum();
        read as u64 + self.missed
    }

    /// Reads what waits now.
    fn read(&mut self, sub: &mut Subscription) {
        let until = self.count() + sub.lag();
        while self.count() < until {
            match sub.try_recv() {
                Ok(event) => {
                    let topic = TOPICS
                        .iter()
                        .position(|topic| event.topic().as_str() == *topic);
                    let number = text(&event).parse().unwrap();
                    self.numbers[topic.unwrap()].push(number);
                }
                Err(TryRecvError::Lagged { missed }) => self.missed += missed,
                Err(error) => panic!("{error} in spite of a lag"),
            }
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
fn change(sub: &mut Subscription, round: usize) {
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
    let mut rounds = 0;
    under_load(&both(), 1 << 16, |progress, Joined { mut sub, first }| {
        let mut seen = Seen::default();
        // Now with something unread, now without.
        if rounds % 2 == 0 {
            seen.read(&mut sub);
        }
        change(&mut sub, rounds / 2);
        rounds += 1;
        let done = progress.done();
        seen.read(&mut sub);
        assert_eq!(seen.missed, 0);
        for topic in 0..2 {
            seen.assert_gapless(topic, &first[topic], done[topic]);
        }
    });
    assert!(rounds > 0);
}

#[test]
fn with_room_for_few_each_event_comes_or_is_counted() {
    for room in [1, 4] {
        let mut rounds = 0;
        under_load(&both(), room, |progress, Joined { mut sub, first }| {
            let mut seen = Seen::default();
            change(&mut sub, rounds);
            rounds += 1;
            let done = progress.done();
            seen.read(&mut sub);
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
        });
        assert!(rounds > 0);
    }
}

/// A hot name comes in, and the other goes.
#[test]
fn a_name_is_in_force_from_its_addition_to_its_removal() {
    let one = Selector::topic(TOPICS[0]).unwrap();
    let mut rounds = 0;
    under_load(&one, 1 << 16, |progress, Joined { mut sub, first }| {
        rounds += 1;
        let before = progress.done()[1];
        match rounds % 2 {
            0 => assert!(sub.add_topic(TOPICS[1]).unwrap()),
            _ => assert!(sub.add_pattern("*.1").unwrap()),
        }
        let added = before..progress.begun()[1] + 1;
        let mut seen = Seen::default();
        let done = progress.done();
        seen.read(&mut sub);
        seen.assert_gapless(0, &first[0], done[0]);
        seen.assert_gapless(1, &added, done[1]);

        assert!(sub.remove_topic(TOPICS[0]).unwrap());
        let read = seen.numbers[0].len();
        let done = progress.done();
        seen.read(&mut sub);
        assert_eq!(seen.numbers[0].len(), read, "more of a name that is gone");
        seen.assert_gapless(1, &added, done[1]);
        assert_eq!(seen.missed, 0);
    });
    assert!(rounds > 0);
}
