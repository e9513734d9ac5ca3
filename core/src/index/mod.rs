//! Many filters, one event: which of them admit it, in time that does not depend on how many do not.
//!
//! The scheme is the one of access predicates (Fabret and others, *Filtering algorithms and implementation for very fast
//! publish/subscribe systems*, SIGMOD 2001). A filter is taken apart into alternatives, and each alternative is filed under conditions
//! that it cannot hold without: all its equalities together if it has any ([`shapes`]), else the most telling of its other tests
//! ([`keyed`]). An event looks under the keys that it shows and finds candidates; each of them is then evaluated whole. So filing
//! decides about speed alone: the verdict is always that of [`Filter::admits`].
//!
//! Invariants:
//! - What [`plan::filings`] says of a filter follows from the filter alone, so a filter leaves by the way it came, without a note
//!   of where it is filed.
//! - Every alternative is filed once under each key that an event can meet it by; a filter is reported once however often it is
//!   met.
//! - Inserting and removing touch only the places of that filter, and tables that empty give their memory back.
//!
//! The index has no lock; whoever shares it brings one. It does not hold the events, and knows nothing of what a value stands for.

mod cells;
mod explain;
mod hash;
mod intervals;
mod key;
mod keyed;
mod member;
mod paths;
mod plan;
mod shapes;
mod sole;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::fields::{Fields, Leaf, Path, Projection};
use crate::predicate::Filter;
use crate::slab::Slab;
pub use explain::{Access, Explanation, Probe};
use keyed::Keyed;
use member::{Filters, Member};
use paths::Paths;
use shapes::Shapes;
use sole::Sole;

/// The number of a filter in one index, until it is removed.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct EntryId(u32);

impl EntryId {
    /// As a number below 2^30.
    pub(crate) fn to_u32(self) -> u32 {
        self.0
    }

    /// The entry with a number that [`to_u32`](Self::to_u32) gave.
    pub(crate) fn from_u32(number: u32) -> Self {
        EntryId(number)
    }
}

/// Filters, each with a value, found by the events that they admit.
pub(crate) struct FilterIndex<T> {
    entries: Slab<Entry<T>>,
    shapes: Shapes,
    /// Alternatives without an equality.
    others: Keyed,
    paths: Paths,
    scanned: usize,
}

struct Entry<T> {
    filter: Filter,
    sole: Sole,
    value: T,
}

impl<T> Filters for Slab<Entry<T>> {
    fn filter(&self, id: u32) -> &Filter {
        &self[id].filter
    }
}

/// What one event after another needs while it is matched. Any index may use it; it keeps its room.
#[derive(Default)]
pub(crate) struct Scratch {
    met: HashTable<u32>,
}

impl Scratch {
    pub(crate) const fn new() -> Self {
        Scratch {
            met: HashTable::new(),
        }
    }

    /// Forgets the last event. Clearing costs what the table can hold, so one that a large event left behind is dropped.
    fn clear(&mut self) {
        if self.met.capacity() > 1024 && self.met.len() * 8 < self.met.capacity() {
            self.met = HashTable::new();
        } else if !self.met.is_empty() {
            self.met.clear();
        }
    }

    /// Whether the number is met for the first time.
    fn meet(&mut self, id: u32) -> bool {
        let spread = |id: &u32| hash::spread(*id);
        match self.met.entry(spread(&id), |&met| met == id, spread) {
            hashbrown::hash_table::Entry::Occupied(_) => false,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(id);
                true
            }
        }
    }
}

impl<T> FilterIndex<T> {
    /// An index of nothing, which allocates nothing.
    pub(crate) const fn new() -> Self {
        FilterIndex {
            entries: Slab::new(),
            shapes: Shapes::new(),
            others: Keyed::new(),
            paths: Paths::new(),
            scanned: 0,
        }
    }

    /// The number of filters.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of them every event has to look at, or every event that has one field.
    pub(crate) fn scanned(&self) -> usize {
        self.scanned
    }

    /// The filter equal to this one.
    pub(crate) fn find(&self, filter: &Filter) -> Option<EntryId> {
        let mut found = None;
        // Equal filters are filed alike, so the first place tells.
        plan::filings(filter, |filing| {
            found = if filing.paths.is_empty() {
                self.others.find(filing.under, filter, &self.entries)
            } else {
                self.shapes.find(
                    filing.paths,
                    filing.hash,
                    filing.under,
                    filter,
                    &self.entries,
                )
            };
            ControlFlow::Break(())
        });
        found.map(EntryId)
    }

    /// Adds a filter that [`find`](FilterIndex::find) did not find. Costs O(size of the filter).
    pub(crate) fn insert(&mut self, filter: Filter, value: T) -> EntryId {
        let sole = Sole::of(&filter);
        let id = self.entries.insert(Entry {
            filter,
            sole,
            value,
        });
        assert!(id < Member::LIMIT, "an index holds fewer than 2^30 filters");
        let FilterIndex {
            entries,
            shapes,
            others,
            paths,
            scanned,
            ..
        } = self;
        let filter = &entries[id].filter;
        paths.insert(filter);
        let mut is_scanned = false;
        plan::filings(filter, |filing| {
            is_scanned |= filing.scanned;
            let member = Member::new(id, filing.repeats);
            if filing.paths.is_empty() {
                others.insert(filing.under, member, entries);
            } else {
                shapes.insert(filing.paths, filing.hash, filing.under, member, entries);
            }
            ControlFlow::Continue(())
        });
        *scanned += usize::from(is_scanned);
        EntryId(id)
    }

    /// The filter of an entry.
    ///
    /// # Panics
    /// When the entry was removed.
    pub(crate) fn filter(&self, id: EntryId) -> &Filter {
        &self.entries[id.0].filter
    }

    /// The values of all entries.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, entry)| &entry.value)
    }

    /// The value of an entry.
    ///
    /// # Panics
    /// When the entry was removed.
    pub(crate) fn get_mut(&mut self, id: EntryId) -> &mut T {
        &mut self.entries[id.0].value
    }

    /// Takes a filter out. Costs O(size of the filter).
    ///
    /// # Panics
    /// When the entry was removed before.
    pub(crate) fn remove(&mut self, id: EntryId) -> (Filter, T) {
        let FilterIndex {
            entries,
            shapes,
            others,
            paths,
            scanned,
            ..
        } = self;
        let filter = &entries[id.0].filter;
        let mut was_scanned = false;
        plan::filings(filter, |filing| {
            was_scanned |= filing.scanned;
            let member = Member::new(id.0, filing.repeats);
            if filing.paths.is_empty() {
                others.remove(filing.under, member, entries);
            } else {
                shapes.remove(filing.paths, filing.hash, filing.under, member, entries);
            }
            ControlFlow::Continue(())
        });
        paths.remove(filter);
        *scanned -= usize::from(was_scanned);
        let Entry { filter, value, .. } = self.entries.remove(id.0);
        (filter, value)
    }

    /// Calls `hit` with the value of every filter that admits the event, once each, in no particular order.
    pub(crate) fn matches<'a>(
        &'a self,
        fields: &Fields<'_>,
        scratch: &mut Scratch,
        mut hit: impl FnMut(&'a T),
    ) {
        scratch.clear();
        let arrays = fields.has_arrays();
        // With the values at the only path that the member was found by, if they are known.
        let mut offer = |member: Member, at: Option<&[Leaf<'_>]>| {
            let id = member.id();
            if (arrays || member.repeats()) && !scratch.meet(id) {
                return;
            }
            let entry = &self.entries[id];
            let told = at.and_then(|leaves| entry.sole.is_among(leaves));
            if told.unwrap_or_else(|| entry.filter.admits(fields)) {
                hit(&entry.value);
            }
        };
        self.shapes.candidates(fields, &mut offer);
        self.others
            .candidates(fields, &mut |member| offer(member, None));
    }

    /// Calls `hit` with the value of every filter that admits an event of which nothing can be read.
    pub(crate) fn matches_nothing_known<'a>(&'a self, mut hit: impl FnMut(&'a T)) {
        self.others.unkeyed().for_each(|member| {
            let entry = &self.entries[member.id()];
            if entry.filter.admits_nothing_known() {
                hit(&entry.value);
            }
        });
    }

    /// The paths that the filters name, each once.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.paths.iter()
    }

    /// Rises whenever the set of [`paths`](FilterIndex::paths) changes.
    pub(crate) fn paths_version(&self) -> u64 {
        self.paths.version()
    }

    /// Reads off an event what the filters ask for. Compiled when the set of paths has changed.
    pub(crate) fn projection(&mut self) -> &Arc<Projection> {
        self.paths.projection()
    }

    /// About how much memory the index holds, without that of the filters themselves and without the projection.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.entries.heap_bytes()
            + self.shapes.heap_bytes()
            + self.others.heap_bytes()
            + self.paths.heap_bytes()
    }
}

impl<T> Default for FilterIndex<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for FilterIndex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterIndex")
            .field("len", &self.len())
            .field("scanned", &self.scanned)
            .finish_non_exhaustive()
    }
}
