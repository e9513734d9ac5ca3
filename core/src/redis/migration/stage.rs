//! The stages of a migration, as data, and what may stand in the way of entering one.
//!
//! Everything follows from one rule: where anybody writes, everybody reads. A change of
//! the write side is safe if all others read there; giving up a side is safe if nobody
//! writes there. Forward or backward makes no difference.

use std::fmt;

/// How far a migration has come, as one hub sees it.
///
/// | stage | reads | writes |
/// |---|---|---|
/// | `Old` | old | old |
/// | `DualRead` | both | old |
/// | `NewWrite` | both | new |
/// | `New` | new | new |
///
/// Stages are entered one after the other, and left the same way backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Nothing has moved.
    Old,
    /// Both sides are heard; events still go to the old one.
    DualRead,
    /// Events go to the new side; both are heard.
    NewWrite,
    /// The old side is given up.
    New,
}

/// One of the two that a migration is between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where events come from.
    Old,
    /// Where they move to.
    New,
}

impl Side {
    /// Both, the old one first.
    pub(super) const BOTH: [Side; 2] = [Side::Old, Side::New];

    /// The one that this is not.
    pub(super) fn other(self) -> Side {
        match self {
            Side::Old => Side::New,
            Side::New => Side::Old,
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Side::Old => 0,
            Side::New => 1,
        }
    }

    /// The word: `old` or `new`.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::Old => "old",
            Side::New => "new",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 4] = [Stage::Old, Stage::DualRead, Stage::NewWrite, Stage::New];

    /// Whether this side is heard.
    pub fn reads(self, side: Side) -> bool {
        match side {
            Side::Old => self != Stage::New,
            Side::New => self != Stage::Old,
        }
    }

    /// Where events go.
    pub fn writes(self) -> Side {
        match self {
            Stage::Old | Stage::DualRead => Side::Old,
            Stage::NewWrite | Stage::New => Side::New,
        }
    }

    /// The word: `old`, `dual_read`, `new_write` or `new`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Old => "old",
            Stage::DualRead => "dual_read",
            Stage::NewWrite => "new_write",
            Stage::New => "new",
        }
    }

    /// The stage of this word.
    pub fn parse(word: &str) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| stage.as_str() == word)
    }

    pub(super) fn from_index(index: u8) -> Stage {
        Stage::ALL
            .get(usize::from(index))
            .copied()
            .unwrap_or(Stage::Old)
    }

    pub(super) fn index(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a step from one stage to a neighbour changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// This side is heard as well.
    Hear(Side),
    /// Events go to this side.
    Write(Side),
    /// This side is not heard any more.
    Drop(Side),
}

impl Change {
    /// `None` when the stages are no neighbours.
    pub(super) fn between(from: Stage, to: Stage) -> Option<Change> {
        if from.index().abs_diff(to.index()) != 1 {
            return None;
        }
        if from.writes() != to.writes() {
            return Some(Change::Write(to.writes()));
        }
        Side::BOTH
            .into_iter()
            .find_map(|side| match (from.reads(side), to.reads(side)) {
                (false, true) => Some(Change::Hear(side)),
                (true, false) => Some(Change::Drop(side)),
                _ => None,
            })
    }

    /// Whether somebody at this stage must not be there for the change to lose nothing.
    pub(super) fn is_barred_by(self, other: Stage) -> bool {
        match self {
            Change::Hear(_) => false,
            Change::Write(side) => !other.reads(side),
            Change::Drop(side) => other.writes() == side,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_change_one_thing_at_a_time() {
        use Side::{New, Old};
        let forward: Vec<_> = Stage::ALL
            .windows(2)
            .map(|pair| Change::between(pair[0], pair[1]).unwrap())
            .collect();
        assert_eq!(
            forward,
            [Change::Hear(New), Change::Write(New), Change::Drop(Old)]
        );
        let back: Vec<_> = Stage::ALL
            .windows(2)
            .rev()
            .map(|pair| Change::between(pair[1], pair[0]).unwrap())
            .collect();
        assert_eq!(
            back,
            [Change::Hear(Old), Change::Write(Old), Change::Drop(New)]
        );
        assert_eq!(Change::between(Stage::Old, Stage::NewWrite), None);
        assert_eq!(Change::between(Stage::Old, Stage::Old), None);
        for stage in Stage::ALL {
            assert_eq!(Stage::parse(stage.as_str()), Some(stage));
            assert_eq!(Stage::from_index(stage.index()), stage);
        }
        assert_eq!(Stage::parse("cleanup"), None);
    }

    /// Whatever two hubs do, one step at a time: if the rule is kept before a step that is
    /// not barred, it is kept after it.
    #[test]
    fn where_anybody_writes_everybody_reads() {
        let safe =
            |one: Stage, other: Stage| one.reads(other.writes()) && other.reads(one.writes());
        let mut steps = 0;
        for one in Stage::ALL {
            for other in Stage::ALL {
                for to in Stage::ALL {
                    let Some(change) = Change::between(one, to) else {
                        continue;
                    };
                    if safe(one, other) {
                        steps += 1;
                        assert_eq!(
                            !change.is_barred_by(other),
                            safe(to, other),
                            "{one} {to} {other}"
                        );
                    }
                }
            }
        }
        assert!(steps > 10);
    }
}
