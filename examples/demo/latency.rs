//! Latencies: quantiles, and counts in buckets that double.

use std::time::Duration;

use distributary::DurationHistogram;

/// The quantiles that the table shows; the last is the maximum.
pub(crate) const QUANTILES: [f64; 4] = [0.5, 0.99, 0.999, 1.0];

/// The value that a share `q` of the values does not exceed; zero of none.
pub(crate) fn quantile(sorted: &[Duration], q: f64) -> Duration {
    let rank = (q * sorted.len() as f64).ceil().max(1.0) as usize;
    let value = sorted.get(rank - 1).or(sorted.last());
    value.copied().unwrap_or_default()
}

/// Counts by upper bound, each bound twice the one before.
pub(crate) struct Waits(pub(crate) Vec<(Duration, u64)>);

impl Waits {
    /// What was counted between two snapshots.
    pub(crate) fn between(before: &DurationHistogram, after: &DurationHistogram) -> Self {
        let pairs = before.buckets().zip(after.buckets());
        let counted = pairs.map(|((bound, then), (_, now))| (bound, now - then));
        Waits(counted.collect())
    }

    /// The same buckets for single values.
    pub(crate) fn of(values: &[Duration]) -> Self {
        let mut buckets: Vec<_> = (6..40)
            .map(|bits| (Duration::from_nanos(1 << bits), 0))
            .collect();
        let last = buckets.len() - 1;
        for value in values {
            let at = buckets.iter().position(|(bound, _)| value < bound);
            buckets[at.unwrap_or(last)].1 += 1;
        }
        Waits(buckets)
    }

    /// The bound that a share `q` of the counted stays below.
    pub(crate) fn quantile(&self, q: f64) -> Duration {
        let all: u64 = self.0.iter().map(|(_, count)| count).sum();
        let wanted = (q * all as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reached = self.0.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        reached.map(|(bound, _)| *bound).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<_> = (1..=1_000).map(Duration::from_nanos).collect();
        let of = |q| quantile(&values, q).as_nanos();
        assert_eq!([of(0.0), of(0.5), of(0.999), of(1.0)], [1, 500, 999, 1_000]);
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn buckets_hold_every_value_below_their_bound() {
        let values = [1, 63, 64, 1_000, 1 << 50].map(Duration::from_nanos);
        let waits = Waits::of(&values);
        let count: u64 = waits.0.iter().map(|(_, count)| count).sum();
        assert_eq!(count, 5);
        assert_eq!(waits.quantile(0.4), Duration::from_nanos(64));
        assert_eq!(waits.quantile(0.5), Duration::from_nanos(128));
        assert_eq!(Waits(Vec::new()).quantile(0.5), Duration::ZERO);
    }
}
