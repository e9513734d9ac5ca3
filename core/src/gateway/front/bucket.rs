//! A token bucket in whole numbers: what it admits does not depend on how often it is
//! asked.

/// One token, in the unit of [`Bucket::level`].
const TOKEN: u64 = 1_000_000_000;

/// Holds as many tokens as come in a second, full at first.
///
/// A level is kept in billionths of a token, so that `rate` tokens a second are `rate`
/// units a nanosecond and nothing is ever rounded. Time only moves forward: an earlier
/// `now` counts as the latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    level: u64,
    at: u64,
}

impl Bucket {
    pub(super) fn full(rate: u32, now: u64) -> Self {
        Bucket {
            level: Bucket::brim(rate),
            at: now,
        }
    }

    fn brim(rate: u32) -> u64 {
        u64::from(rate) * TOKEN
    }

    /// Adds what has come since; whether there is a token.
    pub(super) fn has_token(&mut self, rate: u32, now: u64) -> bool {
        let gained = now.saturating_sub(self.at).saturating_mul(rate.into());
        self.level = self.level.saturating_add(gained).min(Bucket::brim(rate));
        self.at = self.at.max(now);
        self.level >= TOKEN
    }

    /// Takes a token that [`has_token`](Self::has_token) saw.
    pub(super) fn take(&mut self) {
        self.level -= TOKEN;
    }

    /// Whether it is as good as new.
    pub(super) fn is_full(&mut self, rate: u32, now: u64) -> bool {
        self.has_token(rate, now) && self.level == Bucket::brim(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_brings_as_many_as_it_holds_and_no_more() {
        let mut bucket = Bucket::full(3, 0);
        let mut taken = |now| {
            let mut taken = 0;
            while bucket.has_token(3, now) {
                bucket.take();
                taken += 1;
            }
            taken
        };
        assert_eq!(taken(0), 3);
        assert_eq!(taken(333_333_333), 0);
        assert_eq!(taken(333_333_334), 1);
        assert_eq!(taken(1), 0, "time does not run backwards");
        assert_eq!(taken(60 * TOKEN), 3);
    }

    #[test]
    fn the_largest_rate_and_the_longest_time_do_not_overflow() {
        let mut bucket = Bucket::full(u32::MAX, 0);
        bucket.take();
        assert!(bucket.is_full(u32::MAX, u64::MAX));
    }
}
