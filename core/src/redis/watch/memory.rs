//! Whether a server's memory is about to run out, or has.
//!
//! At its limit a server with the policy `noeviction` refuses writes, and takes PUBLISH all
//! the same: logs stop growing while live events flow. With any other policy it throws
//! keys away, which may be the logs. A server that uses all it may is no news where keys
//! are thrown away on purpose; that it throws them away is.

use std::time::{Duration, Instant};

use super::{Reasons, code, info::Held, megabytes};
use crate::backplane::Memory;

/// From this share of the limit on, memory is scarce.
pub(crate) const SCARCE: f64 = 0.8;

/// For how long after a refused write or an evicted key it is said.
const REMEMBERED: Duration = Duration::from_secs(15);

/// The same after a refused write, once there is room again: a server at its limit finds
/// a little between two refusals.
const ROOM_AGAIN: Duration = Duration::from_secs(2);

/// One server's memory over time.
#[derive(Debug, Default)]
pub(crate) struct Room {
    seen: Option<(Instant, Held)>,
    evicted: Counter,
    rejected: Counter,
    refused_at: Option<Instant>,
}

/// A number that a server counts from its start.
#[derive(Debug, Default)]
struct Counter {
    last: Option<u64>,
    /// What came while it was looked at.
    risen: u64,
    at: Option<Instant>,
}

impl Counter {
    fn look(&mut self, value: u64, now: Instant) {
        let rise = match self.last {
            Some(last) => value.saturating_sub(last),
            None => 0,
        };
        self.last = Some(value);
        if rise > 0 {
            self.risen += rise;
            self.at = Some(now);
        }
    }
}

fn lately(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < REMEMBERED)
}

impl Room {
    /// What the server tells; parts that it was not asked for are `None`.
    pub(crate) fn look(
        &mut self,
        held: Option<&Held>,
        evicted: Option<u64>,
        rejected: Option<u64>,
        now: Instant,
    ) {
        if let Some(held) = held {
            self.seen = Some((now, held.clone()));
        }
        if let Some(evicted) = evicted {
            self.evicted.look(evicted, now);
        }
        if let Some(rejected) = rejected {
            self.rejected.look(rejected, now);
        }
    }

    /// It refused a write of ours for want of memory.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.refused_at = Some(now);
    }

    /// For a snapshot; `None` until it has told.
    pub(crate) fn view(&self) -> Option<Memory> {
        let (_, held) = self.seen.as_ref()?;
        Some(Memory {
            used: held.used,
            limit: held.limit,
            policy: held.policy.clone(),
            evicted: self.evicted.last,
            rejected: self.rejected.last,
            pressed: self.evicted.risen + self.rejected.risen,
        })
    }

    /// Whether it has refused a write, and will as far as is known.
    fn has_refused(&self, now: Instant) -> bool {
        let Some(at) = self.refused_at.max(self.rejected.at) else {
            return false;
        };
        // Where keys are thrown away, what is in use says nothing of what is refused.
        let has_room = self.seen.as_ref().is_some_and(|(seen_at, held)| {
            *seen_at > at
                && held.policy == "noeviction"
                && held.limit.is_none_or(|limit| held.used < limit)
        });
        let remembered = if has_room { ROOM_AGAIN } else { REMEMBERED };
        now.saturating_duration_since(at) < remembered
    }

    /// What is wrong with it.
    pub(crate) fn reasons(&self, address: &str, now: Instant, reasons: &mut Reasons) {
        let held = self.seen.as_ref().map(|(_, held)| held);
        let limit = held.and_then(|held| held.limit);
        let used = held.map_or(0, |held| held.used);
        let keeps = held.is_none_or(|held| held.policy == "noeviction");
        let of = match limit {
            Some(limit) => format!("{} of {}", megabytes(used), megabytes(limit)),
            None => megabytes(used),
        };
        let full = keeps && limit.is_some_and(|limit| used >= limit);
        if full || self.has_refused(now) {
            reasons.degraded(
                code::MEMORY_FULL,
                format!(
                    "{address} uses {of} and refuses writes: events of topics with a log are refused and go nowhere, live topics go on. Raise maxmemory, or find what fills it"
                ),
            );
        } else if keeps && limit.is_some_and(|limit| used as f64 >= SCARCE * limit as f64) {
            reasons.degraded(
                code::MEMORY_HIGH,
                format!(
                    "{address} uses {of}: at its limit it will refuse writes. Raise maxmemory, or find what fills it"
                ),
            );
        }
        if lately(self.evicted.at, now) {
            reasons.degraded(
                code::EVICTING,
                format!(
                    "{address} uses {of} and throws keys away by {}: logs may be among them. Raise maxmemory, or use another server for events",
                    held.map_or("its policy", |held| &*held.policy),
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(used: u64, limit: u64, policy: &str) -> Held {
        Held {
            used,
            limit: (limit > 0).then_some(limit),
            policy: policy.into(),
        }
    }

    fn codes(room: &Room, now: Instant) -> Vec<&'static str> {
        let mut reasons = Reasons::default();
        room.reasons("a:1", now, &mut reasons);
        reasons.codes()
    }

    #[test]
    fn shares_of_the_limit_are_judged_where_nothing_is_evicted() {
        let now = Instant::now();
        for (used, limit, policy, wanted) in [
            (79, 100, "noeviction", &[][..]),
            (80, 100, "noeviction", &[code::MEMORY_HIGH]),
            (100, 100, "noeviction", &[code::MEMORY_FULL]),
            (148, 100, "noeviction", &[code::MEMORY_FULL]),
            (99, 100, "allkeys-lru", &[]),
            (1 << 40, 0, "noeviction", &[]),
        ] {
            let mut room = Room::default();
            room.look(Some(&held(used, limit, policy)), None, None, now);
            assert_eq!(codes(&room, now), wanted, "{used} of {limit}, {policy}");
        }
    }

    #[test]
    fn what_was_counted_before_is_no_news_and_what_rises_is() {
        let now = Instant::now();
        let some = held(1, 100, "allkeys-lru");
        let mut room = Room::default();
        room.look(Some(&some), Some(500), Some(70), now);
        assert_eq!(codes(&room, now), [""; 0]);
        room.look(None, Some(501), Some(70), now);
        assert_eq!(codes(&room, now), [code::EVICTING]);
        room.look(None, None, Some(72), now);
        assert_eq!(codes(&room, now), [code::MEMORY_FULL, code::EVICTING]);
        assert_eq!(codes(&room, now + REMEMBERED), [""; 0]);
        let view = room.view().unwrap();
        assert_eq!((view.evicted, view.rejected), (Some(501), Some(72)));
        assert_eq!(view.pressed, 3);
        // A restart counts from nothing.
        room.look(Some(&some), Some(0), Some(0), now + REMEMBERED);
        assert_eq!(codes(&room, now + REMEMBERED), [""; 0]);
    }

    #[test]
    fn once_there_is_room_again_a_refusal_is_soon_forgotten() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let full = [code::MEMORY_FULL];
        let mut room = Room::default();
        let mut look = |used, limit, rejected, at| {
            let held = held(used, limit, "noeviction");
            room.look(Some(&held), None, Some(rejected), at);
            codes(&room, at)
        };
        assert_eq!(look(100, 100, 1, now), full);
        assert_eq!(look(100, 100, 2, now + second), full);
        // Less is in use, or more is allowed.
        assert_eq!(look(70, 100, 2, now + 2 * second), full);
        assert_eq!(look(70, 100, 2, now + 3 * second), [""; 0]);
        // Some room for a moment, and refused again.
        assert_eq!(look(70, 100, 3, now + 4 * second), full);
        assert_eq!(look(70, 0, 3, now + 5 * second), full);
        assert_eq!(look(70, 0, 3, now + 6 * second), [""; 0]);
        // What was seen before the refusal says nothing.
        room.refused(now + 7 * second);
        assert_eq!(codes(&room, now + 20 * second), full);
        assert_eq!(codes(&room, now + 22 * second), [""; 0]);
    }

    #[test]
    fn a_refusal_that_we_met_ourselves_is_enough() {
        let now = Instant::now();
        let mut room = Room::default();
        room.refused(now);
        assert_eq!(codes(&room, now), [code::MEMORY_FULL]);
        assert_eq!(room.view(), None);
    }
}
