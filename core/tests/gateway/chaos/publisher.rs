//! Publishes numbered events, now here, now there.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use distributary::Hub;

use super::{ALL, DURATION, END, HEAVY, HEAVY_BYTES, KEPT, TOPICS};
use crate::harness::Rng;

/// Between two events.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two events to everybody.
const PAUSE_ALL: u64 = 40;
/// Between two events that those who stall cannot take.
const PAUSE_HEAVY: u64 = 10;

pub(super) struct Publisher<'a> {
    hub: &'a Hub,
    seed: u64,
    /// The last number of each topic.
    last: Mutex<HashMap<String, u64>>,
}

impl<'a> Publisher<'a> {
    /// Begins all topics.
    pub(super) fn new(hub: &'a Hub, seed: u64) -> Self {
        let publisher = Publisher {
            hub,
            seed,
            last: Mutex::default(),
        };
        publisher.everywhere("");
        publisher
    }

    /// Publishes from the beginning; a minute after everybody has come, the last events
    /// of all topics, until it is over.
    pub(super) fn run(&self, everybody_is_there: impl Fn() -> bool, over: &AtomicBool) {
        let mut rng = Rng::new(self.seed);
        let (mut began, mut ended) = (None, None::<Instant>);
        for round in 0_u64.. {
            if over.load(Ordering::SeqCst) {
                return;
            }
            if began.is_none() && everybody_is_there() {
                began = Some(Instant::now());
                println!("everybody is there");
            }
            if began.is_some_and(|began| began.elapsed() > DURATION) {
                if ended.is_none_or(|ended| ended.elapsed() > Duration::from_secs(3)) {
                    ended = Some(Instant::now());
                    self.everywhere(END);
                }
            } else if round % PAUSE_ALL == 0 {
                self.publish(ALL, "");
            } else if round % PAUSE_HEAVY == 0 {
                self.publish(HEAVY, "");
            } else {
                self.publish(&format!("t.{}", rng.below(TOPICS)), "");
            }
            thread::sleep(PAUSE);
        }
    }

    fn everywhere(&self, what: &str) {
        for topic in 0..TOPICS {
            self.publish(&format!("t.{topic}"), what);
        }
        self.publish(ALL, what);
        self.publish(HEAVY, what);
    }

    fn publish(&self, topic: &str, what: &str) {
        let mut last = self.last.lock().unwrap();
        let number = last.entry(topic.to_owned()).or_insert_with(|| {
            // Where a topic begins to count is not known before.
            let first = self.hub.publish(topic, "the first").unwrap();
            first.position.unwrap().offset
        });
        *number += 1;
        let bytes = match (topic, what) {
            (HEAVY, "") => HEAVY_BYTES,
            _ => 200,
        };
        let text = format!("{topic}={number} {what}");
        let payload = format!("{text:<bytes$}");
        let position = self.hub.publish(topic, payload).unwrap().position;
        assert_eq!(position.unwrap().offset, *number, "somebody else publishes");
    }

    /// Leaves nothing but events of one size in the histories, and says what they weigh.
    pub(super) fn fill_histories(&self) -> u64 {
        let mut one = self.hub.subscribe(ALL).unwrap();
        for _ in 0..KEPT {
            self.everywhere(END);
        }
        let weight = one.try_recv().unwrap().weight() as u64;
        (TOPICS + 2) * KEPT * weight
    }
}
