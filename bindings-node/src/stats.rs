//! Counters as JavaScript reads them: plain objects, counts as numbers, durations in
//! milliseconds.

use std::time::Duration;

use distributary::{DurationHistogram, ShareHistogram, Stats, TopicStats};
use napi_derive::napi;

/// How long something took, over all times that it happened.
#[napi(object, object_from_js = false)]
pub struct NativeDurations {
    /// How many.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The longest.
    pub max: f64,
    /// What half of them did not exceed.
    pub p50: f64,
    /// What 99 of 100 did not exceed.
    pub p99: f64,
}

/// The share of subscriptions that single events reached.
#[napi(object, object_from_js = false)]
pub struct NativeShares {
    /// Of the latest event that reached anybody.
    pub last: f64,
    /// The largest.
    pub max: f64,
    /// All of them together.
    pub sum: f64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident),* $(,)?) => {
        /// A snapshot of a hub's counters, named as in the engine.
        #[napi(object, object_from_js = false)]
        pub struct NativeStats {
            $($(#[$doc])* pub $field: f64,)*
            /// The share of live subscriptions that single events reached.
            pub share: NativeShares,
            /// From publish until the last subscription of a feed had the event.
            pub drain: NativeDurations,
            /// From the posting of a command to a lane until it was carried out.
            pub control_wait: NativeDurations,
        }

        impl From<Stats> for NativeStats {
            fn from(stats: Stats) -> Self {
                NativeStats {
                    $($field: stats.$field as f64,)*
                    share: (&stats.share).into(),
                    drain: (&stats.drain).into(),
                    control_wait: (&stats.control_wait).into(),
                }
            }
        }
    };
}

counters! {
    /// Subscriptions alive now.
    subscriptions,
    /// Topics known now.
    topics,
    /// Feeds alive now.
    feeds,
    /// Patterns alive now.
    patterns,
    /// Filters that are found through the index.
    filters_indexed,
    /// Filters that every event is tried against.
    filters_scanned,
    /// What the indexes over filters take, in bytes.
    index_bytes,
    /// Weight of all events alive, in bytes.
    bytes_held,
    /// What the feeds' logs take themselves, in bytes.
    log_bytes,
    /// Events published.
    published,
    /// Of these, events that no subscription asked for.
    unmatched,
    /// Appends to feeds.
    matched,
    /// Subscriptions reached, summed over events.
    reached,
    /// Events handed to subscribers.
    delivered,
    /// Events that subscribers were told they missed.
    missed,
    /// Events whose payload some filter wanted to read and that is not a JSON object.
    unreadable,
    /// Unread events pushed out by newer ones.
    dropped_oldest,
    /// Events refused by a full feed.
    dropped_newest,
    /// Unread events dropped for their age.
    dropped_stale,
    /// Unread events dropped because the hub was over its byte budget.
    dropped_pressed,
    /// Unread events replaced by a newer one with the same key.
    conflated,
    /// Subscriptions closed as slow consumers.
    slow_closed,
    /// Subscriptions closed because their callback panicked.
    panicked,
    /// Deliveries to a sink that said it had been closed.
    closed_writes,
}

impl From<&DurationHistogram> for NativeDurations {
    fn from(durations: &DurationHistogram) -> Self {
        NativeDurations {
            count: durations.count() as f64,
            sum: millis(durations.sum()),
            max: millis(durations.max()),
            p50: millis(durations.quantile(0.5)),
            p99: millis(durations.quantile(0.99)),
        }
    }
}

impl From<&ShareHistogram> for NativeShares {
    fn from(shares: &ShareHistogram) -> Self {
        NativeShares {
            last: shares.last(),
            max: shares.max(),
            sum: shares.sum(),
        }
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// What one topic has seen since it was asked to be counted.
#[napi(object, object_from_js = false)]
pub struct NativeTopicStats {
    /// The topic.
    pub topic: String,
    /// Events published to it.
    pub published: f64,
    /// Appends to feeds.
    pub matched: f64,
    /// Subscriptions reached, summed over events.
    pub reached: f64,
    /// Payload bytes published.
    pub bytes: f64,
}

impl From<TopicStats> for NativeTopicStats {
    fn from(stats: TopicStats) -> Self {
        NativeTopicStats {
            topic: stats.topic.to_string(),
            published: stats.published as f64,
            matched: stats.matched as f64,
            reached: stats.reached as f64,
            bytes: stats.bytes as f64,
        }
    }
}
