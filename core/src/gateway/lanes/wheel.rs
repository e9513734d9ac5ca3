//! Due times of many sockets: setting one and finding those that are due is O(1) each.
//!
//! A hashed timing wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels",
//! scheme 6): slots of one tick each, an entry in the slot of its time whatever the
//! round. Pings and timeouts need no precision, so a tick is coarse. Nothing is ever
//! taken out: whoever armed an entry knows which of its entries still counts.

/// Milliseconds of a tick.
pub(super) const TICK: u64 = 64;
const SLOTS: usize = 1_024;

pub(super) struct Wheel<K> {
    slots: Vec<Vec<(u64, K)>>,
    /// The tick up to which everything has been told.
    now: u64,
    len: usize,
}

impl<K: Copy> Wheel<K> {
    pub(super) fn new(now_ms: u64) -> Self {
        Wheel {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            now: now_ms / TICK,
            len: 0,
        }
    }

    /// Has `key` told at `due_ms`, at most a tick late and never early. What is already
    /// due is told at the next tick.
    pub(super) fn arm(&mut self, due_ms: u64, key: K) {
        let tick = due_ms.div_ceil(TICK).max(self.now + 1);
        self.slots[tick as usize % SLOTS].push((tick, key));
        self.len += 1;
    }

    /// Tells those that have become due.
    pub(super) fn advance(&mut self, now_ms: u64, mut tell: impl FnMut(K)) {
        let until = now_ms / TICK;
        if until <= self.now {
            return;
        }
        let mut told = 0;
        // After a round every slot has been looked at.
        let first = (self.now + 1).max(until.saturating_sub(SLOTS as u64 - 1));
        for tick in first..=until {
            let slot = &mut self.slots[tick as usize % SLOTS];
            slot.retain(|(at, key)| {
                let waits = *at > until;
                if !waits {
                    told += 1;
                    tell(*key);
                }
                waits
            });
            if slot.is_empty() && slot.capacity() > 64 {
                *slot = Vec::new();
            }
        }
        self.now = until;
        self.len -= told;
    }

    /// How many milliseconds until something may become due. `None` when nothing waits.
    pub(super) fn next(&self, now_ms: u64) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let taken = |tick: &u64| !self.slots[*tick as usize % SLOTS].is_empty();
        let tick = (self.now + 1..=self.now + SLOTS as u64).find(taken)?;
        Some((tick * TICK).saturating_sub(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_is_told_once_in_its_tick(
            start in 0u64..1_000_000,
            steps in prop::collection::vec((0u64..200_000, prop::collection::vec(0u64..300_000, 0..6)), 1..40),
        ) {
            let mut wheel = Wheel::new(start);
            let mut now = start;
            let mut waiting: Vec<(u64, usize)> = Vec::new();
            let mut names = 0;
            for (step, arms) in steps {
                for ahead in arms {
                    wheel.arm(now + ahead, names);
                    waiting.push((now + ahead, names));
                    names += 1;
                }
                now += step;
                let mut told = Vec::new();
                wheel.advance(now, |name| told.push(name));
                for name in &told {
                    let at = waiting.iter().position(|(_, n)| n == name);
                    let (due, _) = waiting.swap_remove(at.expect("told twice"));
                    prop_assert!(due <= now, "early");
                }
                for (due, _) in &waiting {
                    prop_assert!(due.div_ceil(TICK) + 1 >= now / TICK, "late: {due} at {now}");
                    prop_assert!(*due + 2 * TICK > now, "late: {due} at {now}");
                }
                match wheel.next(now) {
                    None => prop_assert!(waiting.is_empty()),
                    Some(wait) => {
                        let first = waiting.iter().map(|(due, _)| *due).min().unwrap();
                        prop_assert!(now + wait <= first.max(now) + 2 * TICK);
                    }
                }
            }
        }
    }
}
