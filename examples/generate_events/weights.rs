//! Skewed choices: explicit weights, and the Zipf law that accounts, hashtags
//! and editors follow.
//!
//! Weights are integers: floating-point powers differ between C libraries, and
//! the file must not.

use crate::rng::Rng;

/// Draws an index with a probability in proportion to its weight.
pub(crate) struct Weights {
    /// Running sums, ascending; the last one is the total.
    sums: Vec<u64>,
}

impl Weights {
    pub(crate) fn new(weights: impl IntoIterator<Item = u64>) -> Self {
        let sums = weights
            .into_iter()
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        Self { sums }
    }

    /// Rank `k` (from 0) weighs `1 / (k + 1 + flat)`: Zipf's law, with
    /// Mandelbrot's shift to keep the first rank from taking everything.
    pub(crate) fn zipf(ranks: usize, flat: u64) -> Self {
        Self::new((1..=ranks as u64).map(|rank| 1_000_000_000 / (rank + flat)))
    }

    pub(crate) fn draw(&self, rng: &mut Rng) -> usize {
        let total = self.sums.last().copied().unwrap_or(0);
        let at = rng.below(total);
        self.sums.partition_point(|&sum| sum <= at)
    }
}
