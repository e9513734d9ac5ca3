//! Plain payloads that this hub sent and that will come back to it.
//!
//! A plain message does not say who sent it. What we send on a channel that we listen to
//! comes back once, in the order of sending; so it is noted by its hash, and what comes
//! with the hash of a note is taken for its echo. Should somebody else have sent the same
//! bytes in between, then one of two equal events is let go and the other delivered, which
//! is what a listener would have seen.
//!
//! # Invariants
//!
//! - Bounded in number and in age: a note whose echo does not come is no trap for ever.
//! - There is room for more than may be in flight: no note goes before its echo has come.

use std::collections::VecDeque;

use hashbrown::{HashMap, hash_map::Entry};

use crate::redis::outbox::MOST_FLYING;

/// Notes per channel. Twice what one link has in flight: replies and echoes may come by
/// different connections, and the echoes later.
const MOST: usize = 2 * MOST_FLYING;
/// Seconds that an echo may take: longer than a connection that is silent lives.
const LONGEST: u32 = 30;

/// The notes of one channel.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// Oldest first.
    notes: VecDeque<(u64, u32)>,
    /// How many there are of a hash: what others send is known as theirs without a search.
    counts: HashMap<u64, u32, ahash::RandomState>,
}

impl Echoes {
    /// Notes what goes out.
    pub(super) fn sent(&mut self, hash: u64, second: u32) {
        self.forget_before(second.saturating_sub(LONGEST));
        if self.notes.len() == MOST {
            self.forget_oldest();
        }
        self.notes.push_back((hash, second));
        *self.counts.entry(hash).or_default() += 1;
    }

    /// Whether this is an echo; its note is gone then.
    pub(super) fn is_echo(&mut self, hash: u64, second: u32) -> bool {
        self.forget_before(second.saturating_sub(LONGEST));
        if !self.counts.contains_key(&hash) {
            return false;
        }
        // In the order of sending: nearly always the first.
        let at = self.notes.iter().position(|(noted, _)| *noted == hash);
        self.remove(at)
    }

    /// Takes back the newest note of something that was refused.
    pub(super) fn refused(&mut self, hash: u64) {
        let at = self.notes.iter().rposition(|(noted, _)| *noted == hash);
        self.remove(at);
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    fn forget_before(&mut self, second: u32) {
        while self.notes.front().is_some_and(|(_, noted)| *noted < second) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        self.remove(Some(0));
    }

    /// Whether there was one.
    fn remove(&mut self, at: Option<usize>) -> bool {
        let Some((hash, _)) = at.and_then(|at| self.notes.remove(at)) else {
            return false;
        };
        if let Entry::Occupied(mut count) = self.counts.entry(hash) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_taken_once() {
        let mut echoes = Echoes::default();
        echoes.sent(1, 0);
        echoes.sent(2, 0);
        echoes.sent(1, 0);
        assert!(!echoes.is_echo(3, 0));
        assert!(echoes.is_echo(1, 0));
        assert!(echoes.is_echo(2, 0));
        assert!(echoes.is_echo(1, 0));
        assert!(!echoes.is_echo(1, 0));
        assert!(echoes.is_empty());
    }

    #[test]
    fn notes_do_not_stay_for_ever() {
        let mut echoes = Echoes::default();
        echoes.sent(1, 0);
        echoes.sent(2, 1);
        echoes.refused(2);
        assert!(!echoes.is_echo(2, 1));
        assert!(!echoes.is_echo(1, LONGEST + 1));
        for hash in 0..MOST as u64 + 1_000 {
            echoes.sent(hash, 0);
        }
        assert_eq!((echoes.notes.len(), echoes.counts.len()), (MOST, MOST));
        assert!(echoes.is_echo(MOST as u64 + 999, 0));
        assert!(!echoes.is_echo(999, 0));
    }

    #[test]
    fn all_that_may_be_in_flight_is_known_again() {
        let mut echoes = Echoes::default();
        for at in 0..MOST_FLYING as u64 {
            // Some are equal.
            echoes.sent(at / 2, 0);
        }
        for at in 0..MOST_FLYING as u64 {
            assert!(!echoes.is_echo(u64::MAX, 0));
            assert!(echoes.is_echo(at / 2, 0), "{at}");
        }
        assert!(echoes.is_empty() && echoes.counts.is_empty());
    }
}
