//! Names into commands.
//!
//! One `SUBSCRIBE` of a hundred thousand names has a hundred thousand confirmations, and a
//! server that may keep 32 MB of them for a reader cuts the connection before they are
//! read; it comes back, asks for the same, and is cut again. So a step is at most
//! [`MOST_NAMES`] and [`MOST_BYTES`], and the next one waits for its confirmations. Then a
//! server is never busy with one of us for longer than a few of its milliseconds, either.
//!
//! # Invariants
//!
//! - A step has at least one name, and is of one kind.
//! - Shard channels of one command are of one slot: a cluster refuses the others.

use std::collections::VecDeque;

use redis_protocol::redis_keyslot;

use crate::{backplane::Name, redis::socket::Kind};

/// The most names that are asked for at once.
pub(crate) const MOST_NAMES: usize = 512;

/// The most bytes of commands that are sent at once.
pub(crate) const MOST_BYTES: usize = 64 * 1024;

/// What a name costs on the wire beside itself: its length, and two line ends.
const FRAME_BYTES: usize = 10;

/// What a command costs beside its names.
const COMMAND_BYTES: usize = 40;

/// What is to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One command for each group of names, to hear them (`joined`) or not to.
    Names(Batch),
    /// `CLIENT INFO`, its answer to [`Ledger::audited`](super::Ledger::audited).
    Audit,
}

/// Names that are asked for at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) kind: Kind,
    /// Whether they are to be heard from now on, or not.
    pub(crate) joined: bool,
    names: Vec<Name>,
    /// Where each command ends in `names`.
    ends: Vec<usize>,
}

impl Batch {
    /// One command each, in order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &[Name]> {
        let mut from = 0;
        self.ends.iter().map(move |to| {
            let names = &self.names[from..*to];
            from = *to;
            names
        })
    }

    /// The names of all commands.
    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    /// Bytes on the wire, never more than so many.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(cost).sum();
        names + self.ends.len() * COMMAND_BYTES
    }
}

/// Takes names off the front of a queue, as many as make a batch, passing over those that
/// `keep` does not want any more. `None` when none is left.
pub(super) fn cut(
    queue: &mut VecDeque<Name>,
    kind: Kind,
    joined: bool,
    mut keep: impl FnMut(&Name) -> bool,
) -> Option<Batch> {
    let mut names = Vec::new();
    let mut bytes = 0;
    while let Some(name) = queue.front() {
        // Each shard channel may turn out to need a command of its own.
        let more = cost(name)
            + match kind {
                Kind::Shard => COMMAND_BYTES,
                _ => 0,
            };
        if names.len() == MOST_NAMES
            || (!names.is_empty() && bytes + more + COMMAND_BYTES > MOST_BYTES)
        {
            break;
        }
        if let Some(name) = queue.pop_front()
            && keep(&name)
        {
            bytes += more;
            names.push(name);
        }
    }
    if queue.is_empty() {
        // A hundred thousand names were here a moment ago.
        queue.shrink_to_fit();
    }
    (!names.is_empty()).then(|| group(names, kind, joined))
}

/// A batch of these names.
fn group(mut names: Vec<Name>, kind: Kind, joined: bool) -> Batch {
    let mut ends = Vec::new();
    if kind == Kind::Shard {
        sort_by_slot(&mut names);
        for (at, pair) in names.windows(2).enumerate() {
            if slot(&pair[0]) != slot(&pair[1]) {
                ends.push(at + 1);
            }
        }
    }
    ends.push(names.len());
    Batch {
        kind,
        joined,
        names,
        ends,
    }
}

/// So that those of a slot are together.
pub(super) fn sort_by_slot(names: &mut [Name]) {
    names.sort_by_cached_key(slot);
}

fn slot(name: &Name) -> u16 {
    redis_keyslot(name.as_str().as_bytes())
}

fn cost(name: &Name) -> usize {
    name.as_str().len() + FRAME_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;

    fn name(text: &str) -> Name {
        Name::Topic(Topic::new(text).unwrap())
    }

    fn queue(names: impl IntoIterator<Item = String>) -> VecDeque<Name> {
        names.into_iter().map(|text| name(&text)).collect()
    }

    #[test]
    fn short_names_are_cut_by_number_and_long_ones_by_bytes() {
        let mut short = queue((0..1_100).map(|n| format!("n{n}")));
        let sizes: Vec<_> = std::iter::from_fn(|| cut(&mut short, Kind::Channel, true, |_| true))
            .map(|batch| batch.names().len())
            .collect();
        assert_eq!(sizes, [512, 512, 76]);

        let mut long = queue((0..200).map(|n| format!("{n:01000}")));
        let mut seen = 0;
        while let Some(batch) = cut(&mut long, Kind::Channel, true, |_| true) {
            assert!(batch.bytes() <= MOST_BYTES, "{}", batch.bytes());
            assert!(batch.names().len() > 60 || long.is_empty());
            seen += batch.names().len();
        }
        assert_eq!(seen, 200);
    }

    #[test]
    fn names_that_are_not_wanted_any_more_take_no_room() {
        let mut waiting = queue((0..2_000).map(|n| format!("n{n}")));
        let even = |name: &Name| name.as_str().ends_with(['0', '2', '4', '6', '8']);
        let batch = cut(&mut waiting, Kind::Channel, false, even).unwrap();
        assert_eq!(batch.names().len(), 512);
        assert_eq!(batch.names()[511].as_str(), "n1022");
        assert!(cut(&mut waiting, Kind::Channel, false, |_| false).is_none());
        assert!(waiting.is_empty());
    }

    #[test]
    fn shard_channels_go_by_slot() {
        let mut waiting = queue((0..512).map(|n| format!("x{{{}}}{n}", n % 7)));
        let batch = cut(&mut waiting, Kind::Shard, true, |_| true).unwrap();
        assert!(batch.bytes() <= MOST_BYTES);
        let groups: Vec<_> = batch.commands().collect();
        assert_eq!(groups.len(), 7);
        assert_eq!(groups.iter().map(|names| names.len()).sum::<usize>(), 512);
        for names in groups {
            assert!(names.iter().all(|name| slot(name) == slot(&names[0])));
        }
    }
}
