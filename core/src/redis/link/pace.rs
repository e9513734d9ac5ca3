//! How long to wait before the next attempt.
//!
//! Three cases differ. A connection that drops alone is back within [`LONE`]. One that
//! drops with those of a whole fleet waits its share of a spread, so that the server is
//! not met by everybody at once: [`SPREAD_RATE`] hubs a second, at most [`SPREAD_MOST`].
//! Attempts that fail wait as [`WAITS`] says, or for their share of the spread, with jitter.
//!
//! # Invariants
//!
//! - It never gives up.
//! - In any five seconds that a server is away a link makes at most three attempts, however
//!   small its fleet: what struggles to come up is not met by a crowd that knocks.
//! - One that is back is tried within four seconds, or within the spread.

use std::time::{Duration, Instant};

/// A drop that concerns nobody else is mended within this.
pub(crate) const LONE: Duration = Duration::from_millis(20);

/// Hubs of a fleet that come back per second.
pub(crate) const SPREAD_RATE: u32 = 200;

/// Nobody waits longer than this for a first attempt.
pub(crate) const SPREAD_MOST: Duration = Duration::from_secs(15);

/// The bounds of the waits after the first failure, the second, the third and each further
/// one, in ms. A restart takes a moment: the first is short. That any three that follow each
/// other are five seconds together is what the third pays for.
const WAITS: [[u64; 2]; 4] = [[250, 500], [1_750, 3_000], [3_000, 4_000], [1_750, 3_000]];

/// After a refusal that only a person can mend.
pub(crate) const SLOW: Duration = Duration::from_secs(8);

/// How long a fleet of so many hubs takes to come back.
pub(crate) fn spread(hubs: u32) -> Duration {
    (Duration::from_secs(1) * hubs.min(1_000_000) / SPREAD_RATE).min(SPREAD_MOST)
}

/// The waits of one link.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    dice: fastrand::Rng,
    fleet: u32,
    failures: usize,
}

impl Pace {
    pub(crate) fn new(seed: u64) -> Self {
        Pace {
            dice: fastrand::Rng::with_seed(seed),
            fleet: 1,
            failures: 0,
        }
    }

    /// How many hubs share the server, as far as is known.
    pub(crate) fn fleet(&mut self, hubs: u32) {
        self.fleet = hubs.max(1);
    }

    /// A link that stood has broken: when to connect again.
    pub(crate) fn broken(&mut self, now: Instant) -> Instant {
        let spread = self.spread().max(LONE);
        now + spread.mul_f64(self.dice.f64())
    }

    /// An attempt has failed: when to try again.
    pub(crate) fn failed(&mut self, now: Instant) -> Instant {
        let [least, most] = WAITS[self.failures].map(Duration::from_millis);
        self.failures = (self.failures + 1).min(WAITS.len() - 1);
        let spread = self.spread();
        self.between(now, least.max(spread / 2), most.max(spread))
    }

    /// The server has refused us for good: when to see whether somebody has mended it.
    pub(crate) fn refused(&mut self, now: Instant) -> Instant {
        let most = SLOW.max(self.spread());
        self.between(now, most / 2, most)
    }

    /// A link stands.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    fn spread(&self) -> Duration {
        spread(self.fleet)
    }

    fn between(&mut self, now: Instant, least: Duration, most: Duration) -> Instant {
        now + least + (most - least).mul_f64(self.dice.f64())
    }
}

/// Attempts that a process may still make: so many per second that fail, however many hubs
/// and links it has.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// The next attempt may be made from here on, less what is saved up.
    next: Option<Instant>,
}

impl Budget {
    /// One attempt takes this much time.
    pub(crate) const EACH: Duration = Duration::from_millis(200);

    /// So many can be made at once after a rest.
    pub(crate) const AT_ONCE: u32 = 5;

    pub(crate) const fn new() -> Self {
        Budget { next: None }
    }

    /// Takes an attempt out, or says when there will be one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        // A full budget is `AT_ONCE` attempts behind the clock.
        let full = now.checked_sub(Self::EACH * (Self::AT_ONCE - 1));
        let next = self.next.max(full).unwrap_or(now);
        if next > now {
            return Err(next);
        }
        self.next = Some(next + Self::EACH);
        Ok(())
    }

    /// An attempt has led to a connection: it was no part of a storm.
    pub(crate) fn give_back(&mut self) {
        self.next = self.next.and_then(|next| next.checked_sub(Self::EACH));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_lone_drop_is_mended_at_once() {
        let now = Instant::now();
        let mut pace = Pace::new(1);
        for _ in 0..100 {
            assert!(pace.broken(now) <= now + LONE);
        }
    }

    #[test]
    fn a_fleet_spreads_itself() {
        let now = Instant::now();
        let mut seconds = [0u32; 15];
        for seed in 0..2_000 {
            let mut pace = Pace::new(seed);
            pace.fleet(2_000);
            let wait = pace.broken(now) - now;
            seconds[wait.as_secs() as usize] += 1;
        }
        assert_eq!(seconds[10..], [0; 5]);
        assert!(
            seconds[..10]
                .iter()
                .all(|&count| (140..260).contains(&count))
        );
        let mut pace = Pace::new(1);
        pace.fleet(u32::MAX);
        assert!(pace.broken(now) <= now + SPREAD_MOST);
    }

    /// When attempts are made that all fail.
    fn attempts(seed: u64, hubs: u32) -> Vec<Duration> {
        let start = Instant::now();
        let mut pace = Pace::new(seed);
        pace.fleet(hubs);
        let first = pace.broken(start);
        std::iter::successors(Some(first), |&at| Some(pace.failed(at)))
            .map(|at| at - start)
            .take(20)
            .collect()
    }

    #[test]
    fn while_a_server_is_away_a_hub_tries_three_times_in_five_seconds_at_most() {
        for hubs in [1, 4, 50, 200, 500, 1_000, 5_000] {
            let back = spread(hubs).max(Duration::from_secs(4));
            for seed in 0..500 {
                let attempts = attempts(seed, hubs);
                for four in attempts.windows(4) {
                    assert!(
                        four[3] - four[0] >= Duration::from_secs(5),
                        "{hubs}: {four:?}"
                    );
                }
                for two in attempts.windows(2) {
                    assert!(two[1] - two[0] <= back, "{hubs}: {two:?}");
                }
            }
        }
    }

    #[test]
    fn a_server_that_is_back_after_a_moment_is_found_at_once() {
        let mut pace = Pace::new(3);
        let now = Instant::now();
        let soon = |pace: &mut Pace| pace.failed(now) <= now + Duration::from_millis(500);
        assert!(soon(&mut pace) && !soon(&mut pace));
        pace.succeeded();
        assert!(soon(&mut pace));
    }

    proptest! {
        #[test]
        fn the_budget_holds_in_every_second(steps in proptest::collection::vec(0u64..400, 1..200)) {
            let mut now = Instant::now() + Duration::from_secs(60);
            let mut budget = Budget::new();
            let mut taken = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                match budget.take(now) {
                    Ok(()) => taken.push(now),
                    Err(at) => {
                        prop_assert!(at > now && at <= now + Budget::EACH);
                        prop_assert!(budget.clone().take(at).is_ok());
                    }
                }
            }
            for (first, &at) in taken.iter().enumerate() {
                let within = taken[first..].iter().filter(|&&t| t < at + Duration::from_secs(1)).count();
                // A full budget, and what a second adds to it.
                prop_assert!(within < 2 * Budget::AT_ONCE as usize, "{within}");
            }
        }
    }
}
