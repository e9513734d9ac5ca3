//! One event that comes by both sides is one event.
//!
//! Plain publishers that write to both sides, or a mirror from one to the other, bring an
//! event twice. Nothing but its payload tells; so the second is known by the first's hash,
//! within a window of time, and each first takes one second with it: a payload that was
//! published three times is delivered three times, by whichever sides it came.
//!
//! # Invariants
//!
//! - An event never takes one of its own side.
//! - At most [`MOST`] events wait for their twins; the oldest stop waiting first.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ahash::AHashMap;

use super::stage::Side;

/// The most events that are remembered.
const MOST: usize = 1 << 17;

/// What came by one side and may come by the other.
#[derive(Debug)]
pub(crate) struct Twins {
    window: Duration,
    waiting: [AHashMap<u64, Waiting>; 2],
    order: VecDeque<(Instant, Side, u64)>,
}

/// Events of one hash and side.
#[derive(Debug, Default, Clone, Copy)]
struct Waiting {
    /// They have no twin yet.
    alone: u32,
    /// They have, and still stand in the order.
    paired: u32,
}

impl Twins {
    /// A window of no length removes nothing.
    pub(crate) fn new(window: Duration) -> Self {
        Twins {
            window,
            waiting: Default::default(),
            order: VecDeque::new(),
        }
    }

    /// An event came by a side: whether it is the first of its kind, to be delivered.
    pub(crate) fn arrived(&mut self, side: Side, hash: u64, now: Instant) -> bool {
        self.forget(now);
        if let Some(other) = self.waiting[side.other().index()].get_mut(&hash)
            && other.alone > 0
        {
            other.alone -= 1;
            other.paired += 1;
            return false;
        }
        self.remember(side, hash, now);
        true
    }

    /// An event was delivered that has not come by a side yet, and may come by both: here
    /// it goes out by this one.
    pub(crate) fn sent(&mut self, side: Side, hash: u64, now: Instant) {
        self.forget(now);
        self.remember(side, hash, now);
    }

    fn remember(&mut self, side: Side, hash: u64, now: Instant) {
        if self.window.is_zero() {
            return;
        }
        if self.order.len() == MOST {
            self.forget_first();
        }
        self.waiting[side.index()].entry(hash).or_default().alone += 1;
        self.order.push_back((now, side, hash));
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, ..)) = self.order.front()
            && *since + self.window <= now
        {
            self.forget_first();
        }
    }

    fn forget_first(&mut self) {
        let Some((_, side, hash)) = self.order.pop_front() else {
            return;
        };
        let waiting = &mut self.waiting[side.index()];
        if let Some(count) = waiting.get_mut(&hash) {
            // Twins take the oldest, so that one leaves the order first.
            if count.paired > 0 {
                count.paired -= 1;
            } else {
                count.alone = count.alone.saturating_sub(1);
            }
            if count.alone + count.paired == 0 {
                waiting.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);

    #[test]
    fn the_second_is_known_by_the_first() {
        let now = Instant::now();
        let mut twins = Twins::new(WINDOW);
        assert!(twins.arrived(Side::Old, 1, now));
        assert!(!twins.arrived(Side::New, 1, now));
        // A third is another event, by whichever side.
        assert!(twins.arrived(Side::New, 1, now));
        assert!(!twins.arrived(Side::Old, 1, now));
        // The same one thrice on one side.
        for _ in 0..3 {
            assert!(twins.arrived(Side::Old, 2, now));
        }
        twins.sent(Side::Old, 3, now);
        assert!(!twins.arrived(Side::New, 3, now));
        // Too late is another one.
        assert!(twins.arrived(Side::New, 2, now + WINDOW));
        assert!(twins.waiting[0].is_empty());

        let mut none = Twins::new(Duration::ZERO);
        assert!(none.arrived(Side::Old, 1, now) && none.arrived(Side::New, 1, now));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut twins = Twins::new(WINDOW);
        for hash in 0..2 * MOST as u64 {
            twins.arrived(Side::Old, hash, now);
        }
        assert_eq!(twins.waiting[0].len(), MOST);
        assert!(twins.arrived(Side::New, 0, now));
        assert!(!twins.arrived(Side::New, 2 * MOST as u64 - 1, now));
    }

    proptest! {
        /// Against a list of those that wait, looked through each time.
        #[test]
        fn it_is_what_a_list_would_be(
            arrivals in prop::collection::vec((any::<bool>(), 0..4_u64, 0..900_u64), 0..200),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut twins = Twins::new(WINDOW);
            let mut list: Vec<(Instant, Side, u64)> = Vec::new();
            for (old, hash, wait) in arrivals {
                now += Duration::from_millis(wait);
                let side = if old { Side::Old } else { Side::New };
                list.retain(|(since, ..)| *since + WINDOW > now);
                let twin = list.iter().position(|(_, of, it)| *of != side && *it == hash);
                let expected = match twin {
                    Some(at) => {
                        list.remove(at);
                        false
                    }
                    None => {
                        list.push((now, side, hash));
                        true
                    }
                };
                prop_assert_eq!(twins.arrived(side, hash, now), expected);
            }
        }
    }
}
