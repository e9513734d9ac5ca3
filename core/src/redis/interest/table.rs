//! The names of a ledger, and counts of them that are always true.
//!
//! A hundred thousand names are usual, so an entry is a name that is shared with the hub
//! and a few flags: 32 bytes. Every change goes through [`Table::alter`], which compares
//! the entry before and after, keeps the counts and lets go of entries that are done.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;
use hashbrown::{HashTable, hash_table::Entry as Place};

use super::{audit::Held, carriers::Carriers, ledger::Mark};
use crate::{backplane::Name, redis::socket::Kind};

/// How far a name has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is to be asked for.
    Waiting,
    /// It is asked for.
    Joining,
    /// The server confirmed it.
    Heard,
    /// Confirmed, and asked for once more, in case that the server lost it.
    Rejoining,
    /// Confirmed, and the server is asked to let go of it.
    Parting,
    /// The server does not let us hear it.
    Refused,
    /// Neither wanted nor confirmed: the entry goes.
    Gone,
}

/// One name.
pub(super) struct Entry {
    name: Name,
    pub(super) state: State,
    pub(super) wanted: bool,
    /// It stands among those that linger.
    pub(super) lingers: bool,
    /// It was wanted again while it lingered.
    pub(super) rejoined: bool,
    /// It stands among those to be given up.
    pub(super) leaves: bool,
    /// It is heard, and stands among those to be asked for again.
    again: bool,
    /// Which of two counts it is in while it is missing.
    odd_round: bool,
}

impl Entry {
    /// Whether the server has it, as far as it told.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::Heard | State::Rejoining | State::Parting)
    }

    fn is_missing(&self) -> bool {
        self.wanted && matches!(self.state, State::Waiting | State::Joining | State::Parting)
    }

    /// Its turn to be asked for has come; whether it is.
    pub(super) fn join(&mut self) -> bool {
        let again = std::mem::replace(&mut self.again, false);
        self.state = match self.state {
            State::Waiting if self.wanted => State::Joining,
            State::Heard if again => State::Rejoining,
            State::Waiting => {
                self.state = State::Gone;
                return false;
            }
            _ => return false,
        };
        true
    }

    /// Its turn to be given up has come; whether it is.
    pub(super) fn part(&mut self) -> bool {
        let gives_up = std::mem::replace(&mut self.leaves, false)
            && self.state == State::Heard
            && !self.wanted
            && !self.lingers;
        if gives_up {
            self.state = State::Parting;
        }
        gives_up
    }

    /// It was asked for, in vain; it is to be asked for again.
    pub(super) fn wait_again(&mut self) {
        match self.state {
            State::Joining => self.state = State::Waiting,
            State::Rejoining => {
                self.state = State::Heard;
                self.again = true;
            }
            _ => {}
        }
    }

    /// The server does not let us hear it.
    pub(super) fn refuse(&mut self) {
        self.state = if self.wanted {
            State::Refused
        } else {
            State::Gone
        };
    }

    /// The server confirmed something of it.
    fn confirm(&mut self, joined: bool) {
        self.state = match (joined, self.state) {
            (true, State::Joining | State::Rejoining) => State::Heard,
            (false, State::Parting | State::Heard) if self.wanted => State::Waiting,
            (false, State::Parting | State::Heard) => State::Gone,
            (false, State::Rejoining) => State::Joining,
            (_, other) => other,
        };
    }
}

/// What the counts need to know of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Standing {
    held: bool,
    missing: bool,
    refused: bool,
}

impl Standing {
    fn of(entry: &Entry) -> Self {
        Standing {
            held: entry.is_held(),
            missing: entry.is_missing(),
            refused: entry.state == State::Refused,
        }
    }
}

/// All names of a connection.
pub(super) struct Table {
    /// How topics are heard.
    pub(super) exact: Kind,
    entries: HashTable<Entry>,
    hasher: RandomState,
    pub(super) carriers: Carriers,
    pub(super) held: Held,
    pub(super) refused: usize,
    /// Names that are missing, by the round in which they began to be, even and odd.
    /// Nobody joins the older of two rounds, so it comes to an end however many new
    /// names there are, and with it what was asked in its time.
    pub(super) missing: [usize; 2],
    pub(super) round: u64,
    /// Names that were let go of, or are about to be, since somebody looked.
    pub(super) left: Vec<Name>,
}

impl Table {
    pub(super) fn new(exact: Kind) -> Self {
        Table {
            exact,
            entries: HashTable::new(),
            hasher: RandomState::new(),
            carriers: Carriers::default(),
            held: Held::default(),
            refused: 0,
            missing: [0; 2],
            round: 1,
            left: Vec::new(),
        }
    }

    /// Adds a name that is wanted and not there.
    pub(super) fn insert(&mut self, name: Name) {
        let odd_round = self.round % 2 == 1;
        let entry = Entry {
            name,
            state: State::Waiting,
            wanted: true,
            lingers: false,
            rejoined: false,
            leaves: false,
            again: false,
            odd_round,
        };
        self.missing[usize::from(odd_round)] += 1;
        let hasher = &self.hasher;
        self.entries
            .insert_unique(hash(hasher, Key::of(&entry.name)), entry, |entry| {
                hash(hasher, Key::of(&entry.name))
            });
    }

    /// Changes an entry, if there is one.
    pub(super) fn alter<R>(
        &mut self,
        name: &Name,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> Option<R> {
        self.alter_key(Key::of(name), change)
    }

    fn alter_key<R>(&mut self, key: Key<'_>, change: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let hasher = &self.hasher;
        let place = self.entries.entry(
            hash(hasher, key),
            |entry| Key::of(&entry.name) == key,
            |entry| hash(hasher, Key::of(&entry.name)),
        );
        let Place::Occupied(mut place) = place else {
            return None;
        };
        let entry = place.get_mut();
        let before = Standing::of(entry);
        let was_odd = entry.odd_round;
        let was_parting = entry.state == State::Parting;
        let result = change(entry);
        let after = Standing::of(entry);
        if !before.missing && after.missing {
            entry.odd_round = self.round % 2 == 1;
        }
        if before != after {
            if before.missing {
                self.missing[usize::from(was_odd)] -= 1;
            }
            if after.missing {
                self.missing[usize::from(entry.odd_round)] += 1;
            }
            self.refused -= usize::from(before.refused);
            self.refused += usize::from(after.refused);
            if before.held != after.held {
                count_held(&mut self.held, &mut self.carriers, self.exact, entry);
            }
        }
        if entry.state == State::Gone {
            let (entry, _) = place.remove();
            if !was_parting {
                self.left.push(entry.name);
            }
        }
        Some(result)
    }

    /// The server confirmed something of a name: the name, what it was before, and
    /// whether it is wanted.
    pub(super) fn confirmed(
        &mut self,
        kind: Kind,
        joined: bool,
        text: &[u8],
    ) -> Option<(Name, State, bool)> {
        let pattern = kind == Kind::Pattern;
        if !pattern && kind != self.exact {
            return None;
        }
        self.alter_key(Key { pattern, text }, |entry| {
            let was = entry.state;
            entry.confirm(joined);
            (entry.name.clone(), was, entry.wanted)
        })
    }

    /// Nothing is heard any more; what is wanted waits.
    pub(super) fn broken(&mut self) {
        // Whoever waits until all is heard waits for those that were heard, too.
        let odd_round = self.round.is_multiple_of(2);
        let left = &mut self.left;
        self.entries.retain(|entry| {
            entry.state = State::Waiting;
            entry.lingers = false;
            entry.rejoined = false;
            entry.leaves = false;
            entry.again = false;
            entry.odd_round = odd_round;
            if !entry.wanted {
                left.push(entry.name.clone());
            }
            entry.wanted
        });
        self.missing = [0; 2];
        self.missing[usize::from(odd_round)] = self.entries.len();
        self.carriers.clear();
        self.held = Held::default();
        self.refused = 0;
    }

    /// Marks all that is heard to be asked for again, and says which that is.
    pub(super) fn ask_again(&mut self) -> Vec<Name> {
        self.entries
            .iter_mut()
            .filter(|entry| entry.state == State::Heard && !entry.again)
            .map(|entry| {
                entry.again = true;
                entry.name.clone()
            })
            .collect()
    }

    /// Whether a name is wanted, or heard and not about to be given up.
    pub(super) fn keeps(&self, name: &Name) -> bool {
        self.find_key(Key::of(name)).is_some_and(|entry| {
            let is_given_up = matches!(entry.state, State::Parting | State::Refused);
            !is_given_up && (entry.wanted || entry.is_held())
        })
    }

    /// All names, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.entries.iter().map(|entry| &entry.name)
    }

    /// Those that are wanted.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &Name> {
        let wanted = self.entries.iter().filter(|entry| entry.wanted);
        wanted.map(|entry| &entry.name)
    }

    /// Those that the server does not let us hear.
    pub(super) fn refused_names(&self) -> impl Iterator<Item = &Name> {
        let refused = self.entries.iter();
        let refused = refused.filter(|entry| entry.state == State::Refused);
        refused.map(|entry| &entry.name)
    }

    /// Whether all that was wanted at the mark is heard by now, or refused.
    pub(super) fn is_heard(&mut self, Mark(round): Mark) -> bool {
        let older = |round: u64| self.missing[usize::from(round.is_multiple_of(2))];
        if self.round == round && older(round) == 0 {
            self.round += 1;
        }
        self.round > round && (self.round > round + 1 || older(self.round) == 0)
    }

    /// Whether a topic has a subscription of its own by now.
    pub(super) fn hears_exactly(&self, topic: &str) -> bool {
        self.find_key(Key {
            pattern: false,
            text: topic.as_bytes(),
        })
        .is_some_and(Entry::is_held)
    }

    /// Whether the server brings a topic by its name and was not asked to let go of it, or
    /// `or_will`, since it was asked for it.
    pub(super) fn hears(&self, topic: &str, or_will: bool) -> bool {
        self.find_key(Key {
            pattern: false,
            text: topic.as_bytes(),
        })
        .is_some_and(|entry| match entry.state {
            State::Heard | State::Rejoining => true,
            State::Joining => or_will,
            _ => false,
        })
    }

    fn find_key(&self, key: Key<'_>) -> Option<&Entry> {
        self.entries
            .find(hash(&self.hasher, key), |entry| Key::of(&entry.name) == key)
    }

    /// Bytes that the entries take, without the texts of names, which are the hub's.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.entries.allocation_size()
    }
}

fn count_held(held: &mut Held, carriers: &mut Carriers, exact: Kind, entry: &Entry) {
    let joined = entry.is_held();
    if let Name::Pattern(pattern) = &entry.name {
        if joined {
            carriers.joined(pattern);
        } else {
            carriers.parted(pattern);
        }
    }
    let count = match (&entry.name, exact) {
        (Name::Pattern(_), _) => &mut held.patterns,
        (Name::Topic(_), Kind::Shard) => &mut held.shards,
        (Name::Topic(_), _) => &mut held.channels,
    };
    if joined {
        *count += 1;
    } else {
        *count -= 1;
    }
}

/// A name by its text: a topic and a pattern may have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key<'a> {
    pattern: bool,
    text: &'a [u8],
}

impl<'a> Key<'a> {
    fn of(name: &'a Name) -> Self {
        Key {
            pattern: matches!(name, Name::Pattern(_)),
            text: name.as_str().as_bytes(),
        }
    }
}

fn hash(hasher: &RandomState, key: Key<'_>) -> u64 {
    let mut hasher = hasher.build_hasher();
    key.pattern.hash(&mut hasher);
    hasher.write(key.text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_name_and_flags() {
        assert!(size_of::<Entry>() <= 32, "{}", size_of::<Entry>());
    }
}
