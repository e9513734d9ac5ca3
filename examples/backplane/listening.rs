//! The subscriptions of this process: each message becomes a line, each loss too.

use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use distributary::{Budget, Executor, Hub, Item, Listener, SubscribeOptions};
use serde_json::json;

use super::{Failure, own::Own, printer::Printer};

/// Everybody who listens here, on one thread.
pub(crate) struct Listening {
    executor: Executor,
    listeners: Mutex<HashMap<String, Listener>>,
    options: SubscribeOptions,
    shared: Arc<Shared>,
}

/// What all callbacks have in common.
struct Shared {
    printer: Printer,
    /// Where own publishes are not to be printed.
    own: Option<Arc<Own>>,
    heard: AtomicU64,
    missed: AtomicU64,
    stalled: Mutex<Option<Instant>>,
    over: Condvar,
}

impl Listening {
    /// With room for so many messages in each channel.
    pub(crate) fn new(
        hub: &Hub,
        capacity: usize,
        printer: Printer,
        own: Option<Arc<Own>>,
    ) -> Result<Self, Failure> {
        Ok(Listening {
            executor: Executor::new(hub, 1)?,
            listeners: Mutex::default(),
            options: SubscribeOptions::new()
                .budget(Budget::default().events(capacity)?.bytes(usize::MAX >> 1)?),
            shared: Arc::new(Shared {
                printer,
                own,
                heard: AtomicU64::new(0),
                missed: AtomicU64::new(0),
                stalled: Mutex::new(None),
                over: Condvar::new(),
            }),
        })
    }

    /// Listens to one more channel; again is once.
    pub(crate) fn join(&self, channel: &str) -> Result<(), Failure> {
        let mut listeners = self.listeners();
        if listeners.contains_key(channel) {
            return Ok(());
        }
        let mut ear = Ear {
            channel: channel.to_owned(),
            told: 0,
            shared: Arc::clone(&self.shared),
        };
        let listener = self
            .executor
            .on_with(channel, self.options.clone(), move |item| ear.hear(item))?;
        listeners.insert(channel.to_owned(), listener);
        Ok(())
    }

    /// Listens no more; whether it did.
    pub(crate) fn part(&self, channel: &str) -> bool {
        let listener = self.listeners().remove(channel);
        listener.is_some()
    }

    /// Takes nothing for so long.
    pub(crate) fn stall(&self, how_long: Duration) {
        *self.shared.stalled() = Some(Instant::now() + how_long);
    }

    /// Takes on at once.
    pub(crate) fn resume(&self) {
        *self.shared.stalled() = None;
        self.shared.over.notify_all();
    }

    pub(crate) fn channels(&self) -> usize {
        self.listeners().len()
    }

    /// Messages printed, and messages told as missing.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        (count(&self.shared.heard), count(&self.shared.missed))
    }

    fn listeners(&self) -> MutexGuard<'_, HashMap<String, Listener>> {
        self.listeners
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Shared {
    fn stalled(&self) -> MutexGuard<'_, Option<Instant>> {
        self.stalled
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn wait(&self) {
        let mut stalled = self.stalled();
        while let Some(until) = *stalled {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *stalled = None;
                return;
            }
            let waited = self.over.wait_timeout(stalled, left);
            stalled = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

/// The callback of one channel.
struct Ear {
    channel: String,
    /// Messages that were sent here: printed, own, or missed.
    told: u64,
    shared: Arc<Shared>,
}

impl Ear {
    fn hear(&mut self, item: Item<'_>) {
        let shared = &*self.shared;
        shared.wait();
        match item {
            Item::Event(event) => {
                self.told += 1;
                let own = shared.own.as_ref();
                if !own.is_some_and(|own| own.is_heard(event.payload())) {
                    shared.heard.fetch_add(1, Ordering::Relaxed);
                    shared.printer.message(event);
                }
            }
            Item::Lagged { missed } => {
                let from = self.told + 1;
                self.told += missed;
                shared.missed.fetch_add(missed, Ordering::Relaxed);
                shared.printer.json(&json!({
                    "ev": "gap", "channel": self.channel, "from": from, "to": self.told,
                    "missed": missed,
                }));
            }
            // Nobody but the end of this process closes a subscription.
            _ => {}
        }
    }
}
