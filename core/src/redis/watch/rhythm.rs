//! When the next probe goes out: often where that tells something or costs nothing
//! beside the rest, seldom where hubs are many and quiet.
//!
//! Somebody asks every [`EVERY`]; the answer is pure over what the probes before have shown.
//!
//! # Invariants
//!
//! - Two probes are never closer than [`EVERY`], nor, while somebody asks, further apart
//!   than [`CALM`].
//! - Whoever waits for a probe for longer than [`EVERY`] has others sent after it: their
//!   answers tell a server that is slow from one that has lost our subscriptions.

use std::time::{Duration, Instant};

use super::lag::Probes;

/// From one probe to the next while it matters, and how often to ask.
pub(crate) const EVERY: Duration = Duration::from_millis(250);

/// From one probe to the next while all is well and little comes and goes. A server that
/// freezes is degraded within two seconds all the same, and given up within four.
const CALM: Duration = Duration::from_millis(750);

/// Beside so many events one more probe is nothing.
const PER_PROBE: u64 = 25;

/// The probes of one connection, in time.
#[derive(Debug, Default)]
pub(crate) struct Rhythm {
    last: Option<Instant>,
    /// Those that had come and gone when the last one went out.
    events: u64,
}

impl Rhythm {
    /// Whether one goes out now. So many events have come and gone in all.
    pub(crate) fn beats(&mut self, events: u64, probes: &Probes, now: Instant) -> bool {
        let waits = probes.waiting(now).is_some_and(|age| age >= EVERY);
        let busy = events.saturating_sub(self.events) >= PER_PROBE;
        let pause = if waits || busy || probes.late_lately(now) {
            EVERY
        } else {
            CALM
        };
        let passed = |last| now.saturating_duration_since(last);
        let due = self.last.is_none_or(|last| passed(last) >= pause);
        if due {
            *self = Rhythm {
                last: Some(now),
                events,
            };
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When probes go out in ten seconds, each back after `trip`, while so many events come
    /// in every second.
    fn beats(per_second: u64, trip: Duration) -> Vec<u64> {
        let start = Instant::now();
        let (mut rhythm, mut probes) = (Rhythm::default(), Probes::default());
        let mut under_way = Vec::new();
        let mut sent = Vec::new();
        for tick in 0..40 {
            let now = start + EVERY * tick;
            under_way.retain(|(number, back)| {
                let is_back = *back <= now;
                if is_back {
                    probes.heard(*number, *back);
                }
                !is_back
            });
            if rhythm.beats(per_second * u64::from(tick) / 4, &probes, now) {
                under_way.push((probes.sent(now), now + trip));
                sent.push((now - start).as_millis() as u64);
            }
        }
        sent
    }

    fn pauses(sent: &[u64]) -> Vec<u64> {
        sent.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    const PROMPT: Duration = Duration::from_millis(1);

    #[test]
    fn a_quiet_connection_is_probed_seldom_and_a_busy_one_often() {
        for quiet in [0, 2, 30] {
            assert_eq!(pauses(&beats(quiet, PROMPT)), [750; 13], "{quiet}");
        }
        assert_eq!(pauses(&beats(50, PROMPT)), [500; 19]);
        for busy in [100, 100_000] {
            assert_eq!(pauses(&beats(busy, PROMPT)), [250; 39], "{busy}");
        }
    }

    #[test]
    fn as_soon_as_one_is_waited_for_others_follow() {
        assert_eq!(pauses(&beats(0, EVERY * 1_000)), [250; 39]);
        assert_eq!(pauses(&beats(0, EVERY + PROMPT)), [250; 39]);
        assert_eq!(pauses(&beats(0, EVERY)), [750; 13]);
    }

    #[test]
    fn after_a_late_one_they_are_sent_often_until_all_is_well() {
        let start = Instant::now();
        let (mut rhythm, mut probes) = (Rhythm::default(), Probes::default());
        assert!(rhythm.beats(0, &probes, start));
        let late = probes.sent(start);
        let back = start + Duration::from_secs(1);
        probes.heard(late, back);
        let mut sent = Vec::new();
        for tick in 0..12 {
            let now = back + EVERY * tick;
            if rhythm.beats(0, &probes, now) {
                let number = probes.sent(now);
                probes.heard(number, now + PROMPT);
                sent.push((now - back).as_millis() as u64);
            }
        }
        assert_eq!(sent, [0, 250, 500, 750, 1_500, 2_250]);
    }
}
