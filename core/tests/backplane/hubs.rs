//! Hubs as the tests make them, and what they hear.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use distributary::{
    Budget, Executor, Hub, Item, Listener, Publication, Selector, SubscribeOptions,
    backplane::{Acknowledged, Condition, ForwardError, Reason, Receipt},
    redis::{Redis, RedisBuilder},
};

use crate::rig::{PATIENCE, Server, until_within};

/// A hub on whatever is behind the URL.
#[track_caller]
pub(crate) fn hub(url: &str) -> Hub {
    hub_with(Redis::at(url).expect("a URL"))
}

/// The same, with options.
#[track_caller]
pub(crate) fn hub_with(redis: RedisBuilder) -> Hub {
    let redis = redis.build().expect("options that can be");
    Hub::builder().backplane(redis).build().expect("a hub")
}

/// Waits until all that was asked for is heard from others.
#[track_caller]
pub(crate) fn joined(hub: &Hub) {
    let joined = hub.joined().wait(Instant::now() + PATIENCE);
    assert!(joined, "not joined: {:?}", hub.health());
}

/// Ends the connections of hubs, and nobody else's. How many there were.
pub(crate) fn kill_hubs(server: &Server) -> i64 {
    server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).int()
}

/// Publishes numbers; the receipt is let go.
pub(crate) fn publish(hub: &Hub, topic: &str, payload: impl ToString) {
    hub.publish(topic, payload.to_string()).expect("a topic");
}

/// Publishes and keeps the receipt.
pub(crate) fn publish_told(hub: &Hub, topic: &str, payload: impl ToString) -> Receipt {
    let event = Publication::new(topic, payload.to_string());
    hub.publish_acknowledged(event).expect("a topic")
}

/// What has become of an event, once that is known.
#[track_caller]
pub(crate) fn outcome(receipt: &Receipt) -> Result<Acknowledged, ForwardError> {
    let outcome = receipt.wait(Instant::now() + PATIENCE);
    outcome.expect("an outcome in time")
}

/// What a listener was told, in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Event(String),
    Missed(u64),
}

/// Writes down what is heard. Room for all of it: nothing is lost in this process.
pub(crate) struct Ear {
    told: Arc<Mutex<Vec<(Instant, Told)>>>,
    // In this order: nobody calls back any more when the thread ends.
    _listener: Listener,
    _executor: Executor,
}

impl Ear {
    pub(crate) fn on(hub: &Hub, topic: &str) -> Ear {
        Ear::of(hub, Selector::topic(topic).expect("a topic"))
    }

    pub(crate) fn of(hub: &Hub, selector: Selector) -> Ear {
        let told: Arc<Mutex<Vec<(Instant, Told)>>> = Arc::default();
        let executor = Executor::new(hub, 1).expect("a thread");
        let room = Budget::default().events(1 << 20).expect("a number");
        let writing = Arc::clone(&told);
        let listener = executor
            .on_with(
                selector,
                SubscribeOptions::new().budget(room),
                move |item| {
                    let told = match item {
                        Item::Event(event) => {
                            Told::Event(String::from_utf8_lossy(event.payload()).into_owned())
                        }
                        Item::Lagged { missed } => Told::Missed(missed),
                        _ => return,
                    };
                    lock(&writing).push((Instant::now(), told));
                },
            )
            .expect("a name");
        Ear {
            told,
            _listener: listener,
            _executor: executor,
        }
    }

    /// All so far, the losses among it.
    pub(crate) fn told(&self) -> Vec<Told> {
        lock(&self.told)
            .iter()
            .map(|(_, told)| told.clone())
            .collect()
    }

    /// Payloads that are numbers, in the order they came.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let told = lock(&self.told);
        let numbers = told.iter().filter_map(|(_, told)| match told {
            Told::Event(text) => text.parse().ok(),
            Told::Missed(_) => None,
        });
        numbers.collect()
    }

    /// How many were told as missed.
    pub(crate) fn missed(&self) -> u64 {
        let told = lock(&self.told);
        let missed = told.iter().map(|(_, told)| match told {
            Told::Missed(missed) => *missed,
            Told::Event(_) => 0,
        });
        missed.sum()
    }

    pub(crate) fn heard(&self, payload: &str) -> bool {
        let told = lock(&self.told);
        told.iter()
            .any(|(_, told)| matches!(told, Told::Event(text) if text == payload))
    }

    /// The longest time between two that came one after the other.
    pub(crate) fn longest_silence(&self) -> Duration {
        let told = lock(&self.told);
        let pairs = told.windows(2).map(|pair| pair[1].0 - pair[0].0);
        pairs.max().unwrap_or_default()
    }
}

/// Publishes a mark again and again, by whatever means, until the ear hears one; how long
/// that took from now.
#[track_caller]
pub(crate) fn until_heard(ear: &Ear, most: Duration, mut publish: impl FnMut(&str)) -> Duration {
    let since = Instant::now();
    let mut number = 0;
    until_within(most, "a mark is heard", || {
        let heard = (0..number).any(|n| ear.heard(&format!("mark {n}")));
        if !heard {
            publish(&format!("mark {number}"));
            number += 1;
            thread::sleep(Duration::from_millis(20));
        }
        heard
    });
    since.elapsed()
}

/// Whether the hub tells a reason of this code that says this.
pub(crate) fn told(hub: &Hub, code: &str, part: &str) -> bool {
    let reasons = hub.health().reasons;
    let mut reasons = reasons.iter();
    reasons.any(|reason| reason.code == code && reason.text.contains(part))
}

/// Waits until the hub is in this condition or a worse one.
#[track_caller]
pub(crate) fn until_worse(hub: &Hub, condition: Condition, most: Duration) -> Duration {
    until_within(most, "the hub says that it is not well", || {
        hub.health().condition >= condition
    })
}

/// Waits until the hub says that all is well.
#[track_caller]
pub(crate) fn until_well(hub: &Hub, most: Duration) -> Duration {
    let since = Instant::now();
    while hub.health().condition != Condition::Ok {
        assert!(since.elapsed() < most, "not well: {:?}", hub.health());
        thread::sleep(Duration::from_millis(5));
    }
    since.elapsed()
}

/// Waits until the hub hears and is heard again; it may still say that it was not so.
#[track_caller]
pub(crate) fn until_back(hub: &Hub, most: Duration) -> Duration {
    let since = Instant::now();
    let past = |reason: &Reason| {
        reason.condition == Condition::Ok || ["late", "losing"].contains(&reason.code)
    };
    loop {
        let health = hub.health();
        if health.reasons.iter().all(past) {
            return since.elapsed();
        }
        assert!(since.elapsed() < most, "not back: {health:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
