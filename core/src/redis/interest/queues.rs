//! Where names stand in line: to be asked for, to be given up, or until their time comes.
//!
//! The lines belong to one connection. What becomes of a name whose turn has come, its entry
//! in the [`Table`] says: a name may be in a line that it has no business in any more.
//!
//! # Invariants
//!
//! - Lines of names that wait for a time are looked at from the front: one may wait longer
//!   than it was to by [`LATER`], and not by more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    batches::{self, Batch},
    table::{Entry, Table},
};
use crate::{backplane::Name, redis::socket::Kind};

/// Until names that were refused for a passing reason are asked for again.
pub(super) const LATER: Duration = Duration::from_millis(500);

/// Until a name that the server does not let us hear is asked for again.
const REFUSED_AGAIN: Duration = Duration::from_secs(30);

/// So many steps are joins before whatever else waits has its turn.
const JOINS_IN_A_ROW: u8 = 3;

/// All of them.
#[derive(Default)]
pub(super) struct Queues {
    joins: Line,
    leaves: Line,
    /// Halves of a refused command, each asked for by itself.
    halves: VecDeque<(Kind, VecDeque<Name>)>,
    /// Given up once they have lingered until the moment.
    lingering: VecDeque<(Instant, Name)>,
    later: VecDeque<(Instant, Kind, VecDeque<Name>)>,
    refused: VecDeque<(Instant, Name)>,
    joins_in_a_row: u8,
}

/// Names of both kinds.
#[derive(Default)]
struct Line {
    exact: VecDeque<Name>,
    patterns: VecDeque<Name>,
}

impl Line {
    fn of(&mut self, name: &Name) -> &mut VecDeque<Name> {
        match name {
            Name::Topic(_) => &mut self.exact,
            Name::Pattern(_) => &mut self.patterns,
        }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// The next batch of either kind.
    fn cut(
        &mut self,
        exact: Kind,
        joined: bool,
        mut keep: impl FnMut(&Name) -> bool,
    ) -> Option<Batch> {
        batches::cut(&mut self.patterns, Kind::Pattern, joined, &mut keep)
            .or_else(|| batches::cut(&mut self.exact, exact, joined, &mut keep))
    }
}

impl Queues {
    /// A name is to be asked for.
    pub(super) fn join(&mut self, name: Name) {
        self.joins.of(&name).push_back(name);
    }

    /// The same, before all others: somebody had it a moment ago.
    pub(super) fn join_first(&mut self, name: Name) {
        self.joins.of(&name).push_front(name);
    }

    /// All that waits to be asked for is put in an order that commands have as many names as
    /// they can.
    pub(super) fn sort_by_slot(&mut self) {
        batches::sort_by_slot(self.joins.exact.make_contiguous());
    }

    /// A name is to be given up.
    pub(super) fn leave(&mut self, name: Name) {
        self.leaves.of(&name).push_back(name);
    }

    /// A name is to be looked at again once it has lingered.
    pub(super) fn linger(&mut self, until: Instant, name: Name) {
        self.lingering.push_back((until, name));
    }

    /// The next that has.
    pub(super) fn lingered(&mut self, now: Instant) -> Option<Name> {
        pop_due(&mut self.lingering, now, |(due, _)| *due).map(|(_, name)| name)
    }

    /// Names were refused for no fault of theirs.
    pub(super) fn join_later(&mut self, kind: Kind, names: Vec<Name>, now: Instant) {
        self.later.push_back((now + LATER, kind, names.into()));
    }

    /// One of the names is not allowed.
    pub(super) fn join_in_halves(&mut self, kind: Kind, names: Vec<Name>) {
        let mut first = VecDeque::from(names);
        let second = first.split_off(first.len() / 2);
        self.halves.extend([(kind, first), (kind, second)]);
    }

    /// This one is not.
    pub(super) fn refuse(&mut self, name: Name, now: Instant) {
        self.refused.push_back((now + REFUSED_AGAIN, name));
    }

    /// The next whose refusal was so long ago that it may be another matter now.
    pub(super) fn refused(&mut self, now: Instant) -> Option<Name> {
        pop_due(&mut self.refused, now, |(due, _)| *due).map(|(_, name)| name)
    }

    /// The next that is to be sent. Joins first, since somebody waits for them; the rest now
    /// and then.
    pub(super) fn next(&mut self, table: &mut Table, now: Instant) -> Option<Batch> {
        while let Some((_, kind, names)) = pop_due(&mut self.later, now, |(due, ..)| *due) {
            self.halves.push_back((kind, names));
        }
        let batch = if self.joins_in_a_row < JOINS_IN_A_ROW {
            self.cut_joins(table)
                .or_else(|| self.cut_leaves(table))
                .or_else(|| self.cut_half(table))
        } else {
            self.cut_half(table)
                .or_else(|| self.cut_leaves(table))
                .or_else(|| self.cut_joins(table))
        };
        self.joins_in_a_row = match &batch {
            Some(batch) if batch.joined && self.joins_in_a_row < JOINS_IN_A_ROW => {
                self.joins_in_a_row + 1
            }
            _ => 0,
        };
        batch
    }

    fn cut_joins(&mut self, table: &mut Table) -> Option<Batch> {
        self.joins.cut(table.exact, true, |name| {
            table.alter(name, Entry::join) == Some(true)
        })
    }

    fn cut_leaves(&mut self, table: &mut Table) -> Option<Batch> {
        self.leaves.cut(table.exact, false, |name| {
            let parts = table.alter(name, Entry::part) == Some(true);
            if parts {
                table.left.push(name.clone());
            }
            parts
        })
    }

    fn cut_half(&mut self, table: &mut Table) -> Option<Batch> {
        while let Some((kind, mut names)) = self.halves.pop_front() {
            let batch = batches::cut(&mut names, kind, true, |name| {
                table.alter(name, Entry::join) == Some(true)
            });
            if !names.is_empty() {
                self.halves.push_front((kind, names));
            }
            if batch.is_some() {
                return batch;
            }
        }
        None
    }

    /// When the first of those comes that wait for a time.
    pub(super) fn due(&self) -> Option<Instant> {
        [
            self.lingering.front().map(|(due, _)| *due),
            self.later.front().map(|(due, ..)| *due),
            self.refused.front().map(|(due, _)| *due),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether nothing is to be asked for before a time comes.
    pub(super) fn is_through(&self) -> bool {
        self.halves.is_empty() && self.joins.is_empty()
    }

    /// Bytes that those take that are to be asked for or given up.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let names = self.joins.exact.capacity() + self.leaves.exact.capacity();
        names * size_of::<Name>()
    }
}

/// The front of a line that is in order of time, if its time has come.
fn pop_due<T>(line: &mut VecDeque<T>, now: Instant, due: impl FnOnce(&T) -> Instant) -> Option<T> {
    if due(line.front()?) > now {
        return None;
    }
    line.pop_front()
}
