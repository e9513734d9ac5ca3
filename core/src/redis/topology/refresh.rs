//! When to ask a cluster for its slot map again.
//!
//! Often enough that a failover is followed soon, seldom enough that a fleet which sees
//! the same failover does not ask as one: every wait is drawn at random.

use std::time::{Duration, Instant};

/// Between two questions, whatever happens: so much and up to twice that.
const GAP: Duration = Duration::from_millis(100);

/// While something is amiss: the first wait, and the longest.
const AMISS: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(2)];

/// While nothing is.
const UPKEEP: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(crate) struct Refresh {
    due: Instant,
    /// Not before, whatever happens: drawn once per question, or many doubts would draw
    /// the shortest.
    earliest: Instant,
    wait: Duration,
    random: fastrand::Rng,
}

impl Refresh {
    /// The first question is due at once.
    pub(crate) fn new(now: Instant, seed: u64) -> Self {
        Refresh {
            due: now,
            earliest: now,
            wait: AMISS[0],
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// When to ask.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// A question is on its way.
    pub(crate) fn asking(&mut self, now: Instant) {
        self.earliest = now + GAP.mul_f64(1.0 + self.random.f64());
        self.due = now + UPKEEP;
    }

    /// Something says that the map has changed, or will.
    pub(crate) fn doubt(&mut self, now: Instant) {
        self.wait = AMISS[0];
        self.due = self.due.min(now.max(self.earliest));
    }

    /// The question was answered, or could not be. `settled`: every slot has an owner, and
    /// every owner is reached.
    pub(crate) fn answered(&mut self, settled: bool, now: Instant) {
        let wait = if settled {
            self.wait = AMISS[0];
            UPKEEP
        } else {
            let wait = self.wait;
            self.wait = (wait * 2).min(AMISS[1]);
            wait
        };
        self.due = now + wait.mul_f64(0.75 + self.random.f64() / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_asks_at_once_and_then_seldom() {
        let now = Instant::now();
        let mut refresh = Refresh::new(now, 7);
        assert_eq!(refresh.due(), now);
        refresh.asking(now);
        refresh.answered(true, now);
        let wait = refresh.due() - now;
        assert!(wait >= UPKEEP * 3 / 4 && wait <= UPKEEP * 5 / 4, "{wait:?}");
    }

    #[test]
    fn doubts_are_looked_into_soon_and_not_as_one() {
        let now = Instant::now();
        let waits = (0..50).map(|seed| {
            let mut refresh = Refresh::new(now, seed);
            refresh.asking(now);
            refresh.answered(true, now);
            for _ in 0..1_000 {
                refresh.doubt(now);
            }
            refresh.due() - now
        });
        let waits: Vec<Duration> = waits.collect();
        assert!(waits.iter().all(|wait| *wait >= GAP && *wait <= GAP * 2));
        assert!(waits.iter().any(|wait| *wait < GAP * 3 / 2));
        assert!(waits.iter().any(|wait| *wait > GAP * 3 / 2));

        let mut refresh = Refresh::new(now, 1);
        refresh.asking(now);
        refresh.answered(true, now);
        refresh.doubt(now + 1_000 * MS);
        assert_eq!(refresh.due(), now + 1_000 * MS, "the last was long ago");
    }

    #[test]
    fn what_stays_amiss_is_asked_about_ever_less() {
        let mut now = Instant::now();
        let mut refresh = Refresh::new(now, 3);
        let mut waits = Vec::new();
        for _ in 0..8 {
            refresh.asking(now);
            refresh.answered(false, now);
            waits.push(refresh.due() - now);
            now = refresh.due();
        }
        assert!(waits[0] <= AMISS[0] * 5 / 4, "{waits:?}");
        assert!(waits[7] >= AMISS[1] * 3 / 4 && waits[7] <= AMISS[1] * 5 / 4);
        let all: Duration = waits.iter().sum();
        assert!(all > Duration::from_secs(7), "{waits:?}");
    }
}
