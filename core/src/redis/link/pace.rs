//! How long to wait before the next attempt.
//!
//! Three cases differ. A connection that drops alone is back within [`LONE`]. One that
//! drops with those of a whole fleet waits its share of a spread, so that the server is
//! not met by everybody at once: [`SPREAD_RATE`] hubs a second, at most [`SPREAD_MOST`].
//! Attempts that fail wait longer each, up to [`MOST`] or to the spread, with jitter.
//!
//! # Invariants
//!
//! - It never gives up.
//! - While a server is away, a hub of a fleet whose spread is `s` makes at most three
//!   attempts within `s`: the first has its place in it, the later ones wait half of it.

use std::time::{Duration, Instant};

/// A drop that concerns nobody else is mended within this.
pub(crate) const LONE: Duration = Duration::from_millis(20);

/// Hubs of a fleet that come back per second.
pub(crate) const SPREAD_RATE: u32 = 200;

/// Nobody waits longer than this for a first attempt.
pub(crate) const SPREAD_MOST: Duration = Duration::from_secs(15);

/// What the wait after the first failure is drawn from; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(100);

/// What a wait grows to, so that a server that returns is found soon.
pub(crate) const MOST: Duration = Duration::from_secs(3);

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
    failures: u32,
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
        let spread = self.spread();
        let doubled = FIRST * (1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.within(now, doubled.min(MOST).max(spread))
    }

    /// The server has refused us for good: when to see whether somebody has mended it.
    pub(crate) fn refused(&mut self, now: Instant) -> Instant {
        let spread = self.spread();
        self.within(now, SLOW.max(spread))
    }

    /// A link stands.
    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    fn spread(&self) -> Duration {
        spread(self.fleet)
    }

    /// Between half of `most` and all of it.
    fn within(&mut self, now: Instant, most: Duration) -> Instant {
        now + most.mul_f64(0.5 + 0.5 * self.dice.f64())
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

    #[test]
    fn while_a_server_is_away_a_thousand_hubs_try_three_times_each_at_most() {
        let start = Instant::now();
        let away = Duration::from_secs(5);
        for seed in 0..1_000 {
            let mut pace = Pace::new(seed);
            pace.fleet(1_000);
            let mut at = pace.broken(start);
            let mut attempts = 0;
            while at < start + away {
                attempts += 1;
                at = pace.failed(at);
            }
            assert!(attempts <= 3, "{attempts} attempts");
            assert!(at < start + Duration::from_secs(11), "back late");
        }
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        let now = Instant::now();
        let mut pace = Pace::new(3);
        assert!(pace.failed(now) <= now + FIRST);
        for _ in 0..100 {
            assert!(pace.failed(now) <= now + MOST);
        }
        assert!(pace.failed(now) >= now + MOST / 2);
        pace.succeeded();
        assert!(pace.failed(now) <= now + FIRST);
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
