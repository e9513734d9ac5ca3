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
//! - Nothing that is in flight is forgotten: a link has fewer events out than there is room
//!   for here, and some may be answered before their echo is back by another link.
//! - What comes from elsewhere is not compared with each note.

use std::collections::VecDeque;

use ahash::AHashMap as HashMap;

use crate::redis::outbox::MOST_FLYING;

/// Notes per channel.
const MOST: usize = 32_768;
const _: () = assert!(MOST_FLYING < MOST);
/// Room that is given back when there are no notes left.
const ROOM: usize = 1_024;
/// Seconds that an echo may take: longer than a connection that is silent lives.
const LONGEST: u32 = 30;

/// The notes of one channel.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// Hash and second, oldest first.
    notes: VecDeque<(u64, u32)>,
    /// How often each hash is among them.
    counts: HashMap<u64, u32>,
}

impl Echoes {
    /// Notes what goes out.
    pub(super) fn sent(&mut self, hash: u64, second: u32) {
        self.forget_before(second.saturating_sub(LONGEST));
        if self.notes.len() == MOST {
            self.remove(0);
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
        at.is_some_and(|at| self.remove(at))
    }

    /// Takes back the newest note of something that was refused.
    pub(super) fn refused(&mut self, hash: u64) {
        if let Some(at) = self.notes.iter().rposition(|(noted, _)| *noted == hash) {
            self.remove(at);
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    fn forget_before(&mut self, second: u32) {
        while self.notes.front().is_some_and(|(_, noted)| *noted < second) {
            self.remove(0);
        }
    }

    fn remove(&mut self, at: usize) -> bool {
        let Some((hash, _)) = self.notes.remove(at) else {
            return false;
        };
        if let Some(count) = self.counts.get_mut(&hash) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&hash);
            }
        }
        if self.notes.is_empty() && self.notes.capacity() > ROOM {
            *self = Echoes::default();
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
        for hash in 0..50_000 {
            echoes.sent(hash, 0);
        }
        assert_eq!(echoes.notes.len(), MOST);
        assert_eq!(echoes.counts.len(), MOST);
        assert!(echoes.is_echo(49_999, 0));
    }

    #[test]
    fn all_that_is_in_flight_has_room() {
        let mut echoes = Echoes::default();
        let most = MOST_FLYING as u64;
        for hash in 0..most {
            echoes.sent(hash, 0);
        }
        assert!((0..most).all(|hash| echoes.is_echo(hash, 0)));
        assert!(echoes.is_empty() && echoes.counts.is_empty());
        assert!(echoes.notes.capacity() <= ROOM);
    }
}
