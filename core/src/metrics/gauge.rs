//! Bytes of events alive in a hub.

use crossbeam::utils::CachePadded;

use super::stripe::{STRIPES, Stripe};
use crate::sync::counters::{AtomicI64, Ordering};

/// How far a stripe may run ahead of the shared total before it hands over.
const SLACK: i64 = 16 * 1024;

/// A sum of sizes that any thread may add to and take from.
///
/// Each thread works on its own stripe and passes on what exceeds [`SLACK`], so
/// that [`Gauge::estimate`], one load, is never further from the truth than
/// [`Gauge::ERROR`].
#[derive(Debug)]
pub(crate) struct Gauge {
    shared: CachePadded<AtomicI64>,
    stripes: [CachePadded<AtomicI64>; STRIPES],
}

impl Default for Gauge {
    fn default() -> Self {
        Gauge {
            shared: CachePadded::default(),
            stripes: std::array::from_fn(|_| CachePadded::default()),
        }
    }
}

impl Gauge {
    /// The largest difference between the estimate and the total, in bytes.
    pub(crate) const ERROR: u64 = STRIPES as u64 * SLACK as u64;

    pub(crate) fn add(&self, bytes: usize) {
        self.shift(bytes as i64);
    }

    pub(crate) fn sub(&self, bytes: usize) {
        self.shift(-(bytes as i64));
    }

    /// Adds, or takes away what is negative.
    pub(crate) fn shift(&self, by: i64) {
        let mine = Stripe::mine();
        let stripe = &self.stripes[mine.index()];
        let now = mine.shift(stripe, by);
        if now.abs() >= SLACK {
            // What moves over is taken away here first, so nothing counts twice for long
            // and nothing is lost: others only read, or add what they add.
            mine.shift(stripe, -now);
            self.shared.fetch_add(now, Ordering::Relaxed);
        }
    }

    /// The shared part alone: within [`Gauge::ERROR`] of the total.
    pub(crate) fn estimate(&self) -> u64 {
        self.shared.load(Ordering::Relaxed).max(0) as u64
    }

    /// The sum of all stripes: exact when no thread is writing.
    pub(crate) fn total(&self) -> u64 {
        let parts = self.stripes.iter().map(|s| s.load(Ordering::Relaxed));
        (self.shared.load(Ordering::Relaxed) + parts.sum::<i64>()).max(0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_add_and_others_take_away_sums_to_nothing() {
        let gauge = Gauge::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|i| gauge.add(i)));
            }
        });
        assert_eq!(gauge.total(), 4 * (0..10_000).sum::<usize>() as u64);
        assert!(gauge.total().abs_diff(gauge.estimate()) <= Gauge::ERROR);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|i| gauge.sub(i)));
            }
        });
        assert_eq!(gauge.total(), 0);
    }
}
