//! Counters of single topics, for those that were asked for.

use crate::{
    sync::counters::{AtomicU64, Ordering},
    topic::Topic,
};

/// Written under the topic's order, so plain additions suffice.
#[derive(Debug, Default)]
pub(crate) struct TopicMeters {
    published: AtomicU64,
    matched: AtomicU64,
    reached: AtomicU64,
    bytes: AtomicU64,
}

impl TopicMeters {
    pub(crate) fn count(&self, feeds: u64, subscriptions: u64, bytes: usize) {
        self.published.fetch_add(1, Ordering::Relaxed);
        self.matched.fetch_add(feeds, Ordering::Relaxed);
        self.reached.fetch_add(subscriptions, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, topic: Topic) -> TopicStats {
        TopicStats {
            topic,
            published: self.published.load(Ordering::Relaxed),
            matched: self.matched.load(Ordering::Relaxed),
            reached: self.reached.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// What one topic has seen since it was asked to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicStats {
    /// The topic.
    pub topic: Topic,
    /// Events published to it.
    pub published: u64,
    /// Appends to feeds.
    pub matched: u64,
    /// Subscriptions reached, summed over events.
    pub reached: u64,
    /// Payload bytes published.
    pub bytes: u64,
}
