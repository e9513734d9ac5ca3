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

use std::collections::VecDeque;

/// Notes per channel.
const MOST: usize = 8_192;
/// Seconds that an echo may take: longer than a connection that is silent lives.
const LONGEST: u32 = 30;

/// The notes of one channel, oldest first.
#[derive(Debug, Default)]
pub(super) struct Echoes(VecDeque<(u64, u32)>);

impl Echoes {
    /// Notes what goes out.
    pub(super) fn sent(&mut self, hash: u64, second: u32) {
        self.forget_before(second.saturating_sub(LONGEST));
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back((hash, second));
    }

    /// Whether this is an echo; its note is gone then.
    pub(super) fn is_echo(&mut self, hash: u64, second: u32) -> bool {
        self.forget_before(second.saturating_sub(LONGEST));
        // In the order of sending: nearly always the first.
        let at = self.0.iter().position(|(noted, _)| *noted == hash);
        at.is_some_and(|at| self.0.remove(at).is_some())
    }

    /// Takes back the newest note of something that was refused.
    pub(super) fn refused(&mut self, hash: u64) {
        if let Some(at) = self.0.iter().rposition(|(noted, _)| *noted == hash) {
            self.0.remove(at);
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn forget_before(&mut self, second: u32) {
        while self.0.front().is_some_and(|(_, noted)| *noted < second) {
            self.0.pop_front();
        }
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
        for hash in 0..20_000 {
            echoes.sent(hash, 0);
        }
        assert_eq!(echoes.0.len(), MOST);
        assert!(echoes.is_echo(19_999, 0));
    }
}
