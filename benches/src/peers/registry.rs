//! Registries of subscribers as servers keep them: a map from topic to senders under
//! locks, held by the broadcaster while it walks them.
//!
//! Each is given its best shape: senders lie in slots that are reused, so that leaving
//! is O(1) once the lock is had.

use std::collections::HashMap;

use bytes::Bytes;
use crossbeam_channel::Sender;
use dashmap::DashMap;
use parking_lot::RwLock;

/// The senders of one topic.
#[derive(Default)]
struct Senders {
    slots: Vec<Option<Sender<Bytes>>>,
    free: Vec<usize>,
}

impl Senders {
    fn join(&mut self, sender: Sender<Bytes>) -> usize {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(sender);
                slot
            }
            None => {
                self.slots.push(Some(sender));
                self.slots.len() - 1
            }
        }
    }

    fn leave(&mut self, slot: usize) {
        if self.slots[slot].take().is_some() {
            self.free.push(slot);
        }
    }

    fn broadcast(&self, event: &Bytes) -> usize {
        let live = self.slots.iter().flatten();
        live.filter(|sender| sender.send(event.clone()).is_ok())
            .count()
    }
}

/// What the rows do with a registry.
pub(crate) trait Registry: Sync {
    /// Joins the topic; answers the place to leave from.
    fn join(&self, topic: &str, number: usize, sender: Sender<Bytes>) -> Place;
    fn leave(&self, topic: &str, place: Place);
    /// Sends to everybody; answers to how many.
    fn broadcast(&self, topic: &str, event: &Bytes) -> usize;
}

/// Where a sender lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    shard: usize,
    slot: usize,
}

/// `RwLock<HashMap<topic, Vec<Sender>>>`.
#[derive(Default)]
pub(crate) struct OneLock(RwLock<HashMap<String, Senders>>);

impl Registry for OneLock {
    fn join(&self, topic: &str, _number: usize, sender: Sender<Bytes>) -> Place {
        let mut topics = self.0.write();
        let slot = match topics.get_mut(topic) {
            Some(senders) => senders.join(sender),
            None => topics.entry(topic.to_owned()).or_default().join(sender),
        };
        Place { shard: 0, slot }
    }

    fn leave(&self, topic: &str, place: Place) {
        if let Some(senders) = self.0.write().get_mut(topic) {
            senders.leave(place.slot);
        }
    }

    fn broadcast(&self, topic: &str, event: &Bytes) -> usize {
        let topics = self.0.read();
        topics
            .get(topic)
            .map_or(0, |senders| senders.broadcast(event))
    }
}

/// The subscribers of a topic dealt to 64 such registries, each locked for its part of
/// the walk alone.
pub(crate) struct Shards([OneLock; 64]);

impl Default for Shards {
    fn default() -> Self {
        Shards(std::array::from_fn(|_| OneLock::default()))
    }
}

impl Registry for Shards {
    fn join(&self, topic: &str, number: usize, sender: Sender<Bytes>) -> Place {
        let shard = number % self.0.len();
        let place = self.0[shard].join(topic, number, sender);
        Place { shard, ..place }
    }

    fn leave(&self, topic: &str, place: Place) {
        self.0[place.shard].leave(topic, place);
    }

    fn broadcast(&self, topic: &str, event: &Bytes) -> usize {
        self.0
            .iter()
            .map(|shard| shard.broadcast(topic, event))
            .sum()
    }
}

/// `DashMap<topic, Vec<Sender>>`: many locks, but one for a topic.
#[derive(Default)]
pub(crate) struct Dash(DashMap<String, Senders>);

impl Registry for Dash {
    fn join(&self, topic: &str, _number: usize, sender: Sender<Bytes>) -> Place {
        let slot = self.0.entry(topic.to_owned()).or_default().join(sender);
        Place { shard: 0, slot }
    }

    fn leave(&self, topic: &str, place: Place) {
        if let Some(mut senders) = self.0.get_mut(topic) {
            senders.leave(place.slot);
        }
    }

    fn broadcast(&self, topic: &str, event: &Bytes) -> usize {
        self.0
            .get(topic)
            .map_or(0, |senders| senders.broadcast(event))
    }
}
