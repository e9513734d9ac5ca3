//! Histograms that a hot path can afford: two additions per value.

use std::time::Duration;

use crate::sync::counters::{AtomicU64, Ordering};

/// Upper bounds of the buckets of a share, as fractions; the last takes the rest.
pub(crate) const SHARE_BOUNDS: [f64; 9] = [0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];

/// Durations in buckets that double: bucket `i` counts those below `2^(i + 8)` ns.
///
/// 256 ns is the finest bound, 2^39 ns (nine minutes) the coarsest; the maximum is
/// kept exactly beside them.
#[derive(Debug)]
pub(crate) struct Durations {
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    max: AtomicU64,
}

const BUCKETS: usize = 32;
const FINEST: u32 = 8;

impl Default for Durations {
    fn default() -> Self {
        Durations {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }
}

impl Durations {
    pub(crate) fn record(&self, nanos: u64) {
        let log = u64::BITS - nanos.leading_zeros();
        let bucket = (log.saturating_sub(FINEST) as usize).min(BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
        if nanos > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> DurationHistogram {
        DurationHistogram {
            buckets: self.buckets.each_ref().map(|b| b.load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.sum.load(Ordering::Relaxed)),
            max: Duration::from_nanos(self.max.load(Ordering::Relaxed)),
        }
    }
}

/// A snapshot of durations counted in doubling buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationHistogram {
    buckets: [u64; BUCKETS],
    sum: Duration,
    max: Duration,
}

impl DurationHistogram {
    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The longest one, exactly.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// A duration that at least the share `q` (0 to 1) of them did not exceed: the
    /// upper bound of a bucket, so at most twice the true value, and never more than
    /// [`max`](Self::max). Zero when nothing was counted.
    pub fn quantile(&self, q: f64) -> Duration {
        let wanted = (q.clamp(0.0, 1.0) * self.count() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bound, count) in self.buckets() {
            seen += count;
            if seen >= wanted {
                return bound.min(self.max);
            }
        }
        self.max
    }

    /// The buckets: upper bound (exclusive; the last takes all beyond) and count.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let bound = |i: usize| Duration::from_nanos(1 << (i as u32 + FINEST));
        self.buckets
            .iter()
            .enumerate()
            .map(move |(i, n)| (bound(i), *n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_an_upper_bound_within_a_factor_of_two() {
        let durations = Durations::default();
        for nanos in 1..=100_000 {
            durations.record(nanos);
        }
        let seen = durations.snapshot();
        assert_eq!(seen.count(), 100_000);
        assert_eq!(seen.max(), Duration::from_nanos(100_000));
        assert_eq!(seen.sum(), Duration::from_nanos(50_000 * 100_001));
        let median = seen.quantile(0.5).as_nanos();
        assert!((50_000..=100_000).contains(&median), "{median}");
        assert_eq!(seen.quantile(1.0), seen.max());
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(
            Durations::default().snapshot().quantile(0.99),
            Duration::ZERO
        );
    }

    #[test]
    fn values_beyond_the_last_bound_are_counted() {
        let durations = Durations::default();
        durations.record(u64::MAX);
        assert_eq!(durations.snapshot().count(), 1);
    }
}
