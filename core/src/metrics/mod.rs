//! What a hub counts, always, at a cost that a hot path does not notice.
//!
//! Counters are written by stripes (see [`stripe`]) and summed when somebody asks:
//! a [`Stats`] is a snapshot of sums, each exact once the hub is quiet.

mod gauge;
mod histogram;
pub(crate) mod prometheus;
mod stripe;
mod topics;

use crossbeam::utils::CachePadded;

pub(crate) use gauge::Gauge;
pub use histogram::DurationHistogram;
pub(crate) use histogram::Durations;
use histogram::SHARE_BOUNDS;
pub(crate) use stripe::{STRIPES, Stripe};
pub(crate) use topics::TopicMeters;
pub use topics::TopicStats;

use crate::{
    feed::Losses,
    sync::counters::{AtomicU64, Ordering},
};

/// A share of 1 as sums of shares count it.
const WHOLE_SHARE: f64 = 1e6;

/// Buckets of a share: one per bound, and one for an event that reached nobody.
const SHARES: usize = SHARE_BOUNDS.len() + 1;

pub(crate) struct Meters {
    stripes: [CachePadded<Counts>; STRIPES],
    last_share: AtomicU64,
    max_share: AtomicU64,
    /// From publish until the last reader of a feed had it.
    drains: Durations,
    /// From the posting of a control command to a lane until it was carried out.
    controls: Durations,
}

#[derive(Default)]
struct Counts {
    matched: AtomicU64,
    reached: AtomicU64,
    delivered: AtomicU64,
    missed: AtomicU64,
    unreadable: AtomicU64,
    dropped_oldest: AtomicU64,
    dropped_newest: AtomicU64,
    dropped_stale: AtomicU64,
    dropped_pressed: AtomicU64,
    conflated: AtomicU64,
    slow_closed: AtomicU64,
    panicked: AtomicU64,
    closed_writes: AtomicU64,
    /// One per published event, so their sum counts those.
    shares: [AtomicU64; SHARES],
    /// The sum of these shares, each times [`WHOLE_SHARE`].
    share_sum: AtomicU64,
}

impl Default for Meters {
    fn default() -> Self {
        Meters {
            stripes: std::array::from_fn(|_| CachePadded::default()),
            last_share: AtomicU64::new(0),
            max_share: AtomicU64::new(0),
            drains: Durations::default(),
            controls: Durations::default(),
        }
    }
}

impl Meters {
    /// Adds to one counter of the calling thread's copy.
    #[inline]
    fn add(&self, counter: impl FnOnce(&Counts) -> &AtomicU64, n: u64) {
        let mine = Stripe::mine();
        mine.add(counter(&self.stripes[mine.index()]), n);
    }

    pub(crate) fn published(&self, feeds: u64, subscriptions: u64, share: f64) {
        if subscriptions == 0 {
            self.add(|counts| &counts.shares[0], 1);
            return;
        }
        let bucket = SHARE_BOUNDS.iter().position(|bound| share <= *bound);
        let bucket = 1 + bucket.unwrap_or(SHARE_BOUNDS.len() - 1);
        self.add(|counts| &counts.matched, feeds);
        self.add(|counts| &counts.reached, subscriptions);
        self.add(|counts| &counts.shares[bucket], 1);
        self.add(|counts| &counts.share_sum, (share * WHOLE_SHARE) as u64);
        // Shares are not negative, so their bits rise as they do.
        let bits = share.to_bits();
        if self.last_share.load(Ordering::Relaxed) != bits {
            self.last_share.store(bits, Ordering::Relaxed);
        }
        if self.max_share.load(Ordering::Relaxed) < bits {
            self.max_share.fetch_max(bits, Ordering::Relaxed);
        }
    }

    pub(crate) fn delivered(&self, events: u64) {
        self.add(|counts| &counts.delivered, events);
    }

    pub(crate) fn missed(&self, events: u64) {
        self.add(|counts| &counts.missed, events);
    }

    pub(crate) fn unreadable(&self) {
        self.add(|counts| &counts.unreadable, 1);
    }

    pub(crate) fn slow_closed(&self) {
        self.add(|counts| &counts.slow_closed, 1);
    }

    pub(crate) fn panicked(&self) {
        self.add(|counts| &counts.panicked, 1);
    }

    pub(crate) fn wrote_to_closed(&self, events: u64) {
        self.add(|counts| &counts.closed_writes, events);
    }

    pub(crate) fn lost(&self, losses: Losses) {
        self.add(|counts| &counts.dropped_oldest, losses.oldest);
        self.add(|counts| &counts.dropped_newest, losses.newest);
        self.add(|counts| &counts.dropped_stale, losses.stale);
        self.add(|counts| &counts.dropped_pressed, losses.pressed);
        self.add(|counts| &counts.conflated, losses.conflated);
    }

    pub(crate) fn drained(&self, nanos: u64) {
        self.drains.record(nanos);
    }

    pub(crate) fn control_waited(&self, nanos: u64) {
        self.controls.record(nanos);
    }

    /// The part of a snapshot that is counted here.
    pub(crate) fn stats(&self) -> Stats {
        let sum = |counter: fn(&Counts) -> &AtomicU64| {
            let counts = self
                .stripes
                .iter()
                .map(|s| counter(s).load(Ordering::Relaxed));
            counts.sum::<u64>()
        };
        let shares: [u64; SHARES] = std::array::from_fn(|i| {
            let counts = self
                .stripes
                .iter()
                .map(|s| s.shares[i].load(Ordering::Relaxed));
            counts.sum()
        });
        let share = |bits: &AtomicU64| f64::from_bits(bits.load(Ordering::Relaxed));
        Stats {
            subscriptions: 0,
            topics: 0,
            feeds: 0,
            patterns: 0,
            filters_indexed: 0,
            filters_scanned: 0,
            index_bytes: 0,
            bytes_held: 0,
            log_bytes: 0,
            published: shares.iter().sum(),
            unmatched: shares[0],
            matched: sum(|s| &s.matched),
            reached: sum(|s| &s.reached),
            delivered: sum(|s| &s.delivered),
            missed: sum(|s| &s.missed),
            unreadable: sum(|s| &s.unreadable),
            dropped_oldest: sum(|s| &s.dropped_oldest),
            dropped_newest: sum(|s| &s.dropped_newest),
            dropped_stale: sum(|s| &s.dropped_stale),
            dropped_pressed: sum(|s| &s.dropped_pressed),
            conflated: sum(|s| &s.conflated),
            slow_closed: sum(|s| &s.slow_closed),
            panicked: sum(|s| &s.panicked),
            closed_writes: sum(|s| &s.closed_writes),
            share: ShareHistogram {
                last: share(&self.last_share),
                max: share(&self.max_share),
                sum: sum(|s| &s.share_sum) as f64 / WHOLE_SHARE,
                buckets: shares,
            },
            drain: self.drains.snapshot(),
            control_wait: self.controls.snapshot(),
        }
    }
}

/// A snapshot of a hub's counters. Counts run from the hub's start.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Subscriptions alive now.
    pub subscriptions: u64,
    /// Topics known now: subscribed to, with history, counted, or lately published to
    /// while patterns are alive (of these, at most 65,536).
    pub topics: usize,
    /// Feeds alive now: distinct selectors and limits.
    pub feeds: usize,
    /// Patterns alive now.
    pub patterns: usize,
    /// Filters that are found through the index; one per distinct filter of a topic or
    /// pattern.
    pub filters_indexed: usize,
    /// Filters that every event of their topic or pattern is tried against.
    pub filters_scanned: usize,
    /// What the indexes over filters take, in bytes, without the filters themselves.
    pub index_bytes: usize,
    /// Weight of all events alive, in bytes: in feeds, in histories, and kept by
    /// whoever received them.
    pub bytes_held: u64,
    /// What the feeds' logs take themselves to hold them, in bytes. Both together are
    /// what [`HubBuilder::bytes`](crate::HubBuilder::bytes) bounds.
    pub log_bytes: u64,

    /// Events published.
    pub published: u64,
    /// Of these, events that no subscription asked for.
    pub unmatched: u64,
    /// Appends to feeds.
    pub matched: u64,
    /// Subscriptions reached, summed over events.
    pub reached: u64,
    /// Events handed to subscribers.
    pub delivered: u64,
    /// Events that subscribers were told they missed. Of one that is closed as a slow
    /// consumer, nobody counts.
    pub missed: u64,
    /// Events whose payload some filter wanted to read and that is not a JSON object, as
    /// far as it [had to be read](crate::Filter#the-payload).
    pub unreadable: u64,

    /// Unread events pushed out of a feed by newer ones.
    pub dropped_oldest: u64,
    /// Events refused by a full feed ([`Overflow::DropNewest`](crate::Overflow::DropNewest)).
    pub dropped_newest: u64,
    /// Unread events dropped for their age.
    pub dropped_stale: u64,
    /// Unread events dropped because the whole hub was over its byte budget.
    pub dropped_pressed: u64,
    /// Unread events replaced by a newer one with the same key.
    pub conflated: u64,
    /// Subscriptions closed as slow consumers.
    pub slow_closed: u64,
    /// Subscriptions closed because their callback panicked.
    pub panicked: u64,
    /// Deliveries to a sink that said it had been closed. Stays 0.
    pub closed_writes: u64,

    /// The share of live subscriptions that single events reached.
    pub share: ShareHistogram,
    /// From publish until the last subscription of a feed had the event: every pass of
    /// a lane, and a sample of what subscriptions read themselves.
    pub drain: DurationHistogram,
    /// From the posting of a command to a lane until it was carried out.
    pub control_wait: DurationHistogram,
}

/// The share of live subscriptions that events reached, from 0 to 1.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShareHistogram {
    last: f64,
    max: f64,
    sum: f64,
    buckets: [u64; SHARES],
}

impl ShareHistogram {
    /// Counts `hit` of `all`.
    #[cfg(feature = "gateway")]
    pub(crate) fn record(&mut self, hit: u64, all: u64) {
        if hit == 0 {
            self.buckets[0] += 1;
            return;
        }
        // Some of all may have gone since.
        let share = hit as f64 / all.max(hit) as f64;
        let bucket = 1 + SHARE_BOUNDS.partition_point(|bound| *bound < share);
        self.buckets[bucket.min(SHARES - 1)] += 1;
        self.last = share;
        self.max = self.max.max(share);
        self.sum += share;
    }

    /// Of the latest event that reached anybody.
    pub fn last(&self) -> f64 {
        self.last
    }

    /// The largest so far.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// All of them together, each cut off after its sixth decimal.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Upper bound (inclusive) and count; the first, with bound 0, counts the events
    /// that reached nobody.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = std::iter::once(0.0).chain(SHARE_BOUNDS);
        bounds.zip(self.buckets.iter().copied())
    }
}

/// The rate of a latency sample: one in so many reads.
pub(crate) const SAMPLE: u64 = 64;
