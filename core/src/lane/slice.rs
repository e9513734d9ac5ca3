//! A bounded stretch of work: so many deliveries, so much time.
//!
//! Reading the clock after each delivery would cost more than the delivery, so the
//! slice looks at it after a stride of deliveries that it fits to their pace.

use std::time::Duration;

use crate::clock::Clock;

/// How long a lane serves before it looks at its controls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct SliceLimits {
    pub(super) deliveries: usize,
    pub(super) nanos: u64,
}

impl Default for SliceLimits {
    /// 512 deliveries or 500 µs, whichever comes first.
    fn default() -> Self {
        SliceLimits {
            deliveries: 512,
            nanos: 500_000,
        }
    }
}

impl SliceLimits {
    /// Sets the deliveries of a slice; 0 is taken as 1.
    pub fn deliveries(mut self, deliveries: usize) -> Self {
        self.deliveries = deliveries.max(1);
        self
    }

    /// Sets the time of a slice. One delivery is made even if it takes longer.
    pub fn time(mut self, time: Duration) -> Self {
        self.nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self
    }
}

/// The most deliveries between two looks at the clock.
const STRIDE: usize = 512;
/// The same after the first delivery of a slice, which tells how slow the sinks are now.
const FIRST_STRIDE: usize = 32;

pub(super) struct Slice<'c> {
    clock: &'c Clock,
    left: usize,
    delivered: usize,
    started: u64,
    now: u64,
    nanos: u64,
    stride: usize,
    /// Look at the clock once no more than this is left.
    look_at: usize,
}

impl<'c> Slice<'c> {
    pub(super) fn new(clock: &'c Clock, limits: SliceLimits) -> Self {
        let now = clock.now();
        Slice {
            clock,
            left: limits.deliveries,
            delivered: 0,
            started: now,
            now,
            nanos: limits.nanos,
            stride: 1,
            look_at: limits.deliveries.saturating_sub(1),
        }
    }

    /// Counts deliveries that were tried, and how many of them came about.
    pub(super) fn count(&mut self, tried: usize, made: usize) {
        self.left = self.left.saturating_sub(tried);
        self.delivered += made;
    }

    /// How many members may be served `each` events before the next look, at least one.
    pub(super) fn stretch(&self, each: usize) -> usize {
        ((self.left - self.look_at) / each.max(1)).max(1)
    }

    pub(super) fn left(&self) -> usize {
        self.left
    }

    pub(super) fn delivered(&self) -> usize {
        self.delivered
    }

    /// Whether the slice is used up.
    pub(super) fn is_over(&mut self) -> bool {
        if self.left > self.look_at {
            return false;
        }
        if self.left == 0 {
            return true;
        }
        let before = self.now;
        if self.read_clock() - self.started >= self.nanos {
            self.left = 0;
            return true;
        }
        self.stride = self.fit(self.now - before);
        self.look_at = self.left.saturating_sub(self.stride);
        false
    }

    /// The next stride, after one that took so long: what takes an eighth of the slice at
    /// this pace, and no more than twice as many, since the pace may change.
    fn fit(&self, took: u64) -> usize {
        let fits = self.stride as u64 * (self.nanos / 8) / took.max(1);
        let most = match self.stride {
            1 => FIRST_STRIDE,
            stride => stride * 2,
        };
        usize::try_from(fits)
            .unwrap_or(most)
            .clamp(1, most.min(STRIDE))
    }

    /// The time at the last look, in nanoseconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// Looks at the clock.
    pub(super) fn read_clock(&mut self) -> u64 {
        self.now = self.clock.now();
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_ends_by_count() {
        let clock = Clock::start();
        let limits = SliceLimits::default()
            .deliveries(100)
            .time(Duration::from_secs(60));
        let mut slice = Slice::new(&clock, limits);
        let mut served = 0;
        while !slice.is_over() {
            slice.count(1, 1);
            served += 1;
        }
        assert_eq!(served, 100);
    }

    #[test]
    fn a_slice_of_slow_deliveries_ends_by_time() {
        let clock = Clock::start();
        let limits = SliceLimits::default().time(Duration::from_millis(1));
        let mut slice = Slice::new(&clock, limits);
        let mut served = 0;
        while !slice.is_over() {
            let start = clock.now();
            while clock.now() - start < 200_000 {}
            slice.count(1, 1);
            served += 1;
        }
        // The first one told how slow they are.
        assert!((2..=7).contains(&served), "{served}");
    }
}
