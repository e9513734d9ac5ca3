//! Numbers of a log that our own events got.
//!
//! A hub that publishes to a topic and listens to it may find that entries of the log are
//! gone which it has not read. Its acknowledgements say which of them were its own.
//!
//! # Invariants
//!
//! - Bounded: of more than [`MOST`] stretches the oldest are forgotten, and count as
//!   others' then.

use std::collections::VecDeque;

/// Stretches that are remembered.
const MOST: usize = 4_096;

/// Stretches of numbers, first and last of each, ascending unless they were appended.
#[derive(Debug, Default)]
pub(super) struct Ours(VecDeque<(u64, u64)>);

impl Ours {
    /// This one too. Numbers that do not rise are passed over.
    pub(super) fn add(&mut self, number: u64) {
        match self.0.back_mut() {
            Some((_, last)) if number <= *last => {}
            Some((_, last)) if number == *last + 1 => *last = number,
            _ => self.push((number, number)),
        }
    }

    /// All of these too, whatever their numbers: some may be in both.
    pub(super) fn append(&mut self, others: &mut Ours) {
        for stretch in others.0.drain(..) {
            self.push(stretch);
        }
    }

    fn push(&mut self, stretch: (u64, u64)) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(stretch);
    }

    /// How many there are after a number, up to another.
    pub(super) fn between(&self, after: u64, last: u64) -> u64 {
        let within = self.0.iter().map(|(first, end)| {
            let first = (*first).max(after.saturating_add(1));
            ((*end).min(last) + 1).saturating_sub(first)
        });
        within.sum()
    }

    /// What is up to here need not be known any more.
    pub(super) fn forget_to(&mut self, number: u64) {
        while self.0.front().is_some_and(|(_, last)| *last <= number) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_counted_where_they_overlap() {
        let mut ours = Ours::default();
        for number in [3, 4, 5, 5, 2, 8, 9] {
            ours.add(number);
        }
        let counts = [(0, 10), (3, 8), (4, 4), (5, 7), (9, 20)];
        let counts = counts.map(|(after, last)| ours.between(after, last));
        assert_eq!(counts, [5, 3, 0, 0, 0]);
        ours.forget_to(8);
        assert_eq!(ours.between(0, 10), 2);
        ours.forget_to(9);
        assert!(ours.0.is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut ours = Ours::default();
        for number in 0..2 * MOST as u64 + 2 {
            ours.add(2 * number);
        }
        assert_eq!(ours.0.len(), MOST);
    }
}
