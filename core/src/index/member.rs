//! One filter's mark in a bucket, and a set of them.

use hashbrown::HashTable;

use super::hash;
use crate::predicate::Filter;

/// The filters of an index by number, whatever else it keeps with them.
pub(super) trait Filters {
    /// The live filter with this number.
    fn filter(&self, id: u32) -> &Filter;
}

/// The number of a filter, and whether one event may come across it in more than one bucket.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) struct Member(u32);

impl Member {
    const REPEATS: u32 = 1 << 30;
    /// Numbers of filters stay below this; the two bits above belong to [`Member`] and to the tables of cells.
    pub(super) const LIMIT: u32 = Member::REPEATS;

    pub(super) fn new(id: u32, repeats: bool) -> Self {
        debug_assert!(id < Member::LIMIT);
        Member(if repeats { id | Member::REPEATS } else { id })
    }

    #[inline]
    pub(super) fn id(self) -> u32 {
        self.0 & !Member::REPEATS
    }

    #[inline]
    pub(super) fn repeats(self) -> bool {
        self.0 & Member::REPEATS != 0
    }

    #[inline]
    pub(super) fn to_bits(self) -> u32 {
        self.0
    }

    #[inline]
    pub(super) fn from_bits(bits: u32) -> Self {
        Member(bits)
    }
}

/// Members that are filed alike: a list while they are few; when they are many, a table by the hash of the filter, so that
/// leaving and finding an equal filter do not walk it. A member that is filed here twice is in it twice.
pub(super) enum Members {
    Few(Vec<Member>),
    Many(HashTable<Member>),
}

/// What a list may hold before it becomes a table.
const FEW: usize = 16;

impl Members {
    pub(super) const fn new() -> Self {
        Members::Few(Vec::new())
    }

    pub(super) fn of(first: Member) -> Self {
        Members::Few(vec![first])
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Members::Few(list) => list.is_empty(),
            Members::Many(table) => table.is_empty(),
        }
    }

    pub(super) fn insert(&mut self, member: Member, filters: &dyn Filters) {
        let hasher = |member: &Member| hash::of(filters.filter(member.id()));
        match self {
            Members::Few(list) if list.len() < FEW => list.push(member),
            Members::Few(list) => {
                let mut table = HashTable::with_capacity(2 * FEW);
                for member in list.drain(..).chain([member]) {
                    table.insert_unique(hasher(&member), member, hasher);
                }
                *self = Members::Many(table);
            }
            Members::Many(table) => {
                table.insert_unique(hasher(&member), member, hasher);
            }
        }
    }

    /// Takes the member out once; it must be in, and its filter still in `filters`.
    pub(super) fn remove(&mut self, member: Member, filters: &dyn Filters) {
        let hasher = |member: &Member| hash::of(filters.filter(member.id()));
        match self {
            Members::Few(list) => {
                let place = list.iter().position(|&m| m == member);
                debug_assert!(
                    place.is_some(),
                    "a member leaves the bucket that it entered"
                );
                if let Some(place) = place {
                    list.swap_remove(place);
                }
                if list.is_empty() {
                    *list = Vec::new();
                }
            }
            Members::Many(table) => {
                let found = table.find_entry(hasher(&member), |&m| m == member);
                debug_assert!(found.is_ok(), "a member leaves the bucket that it entered");
                if let Ok(entry) = found {
                    entry.remove();
                }
                if table.is_empty() {
                    *self = Members::new();
                } else {
                    hash::trim(table, hasher);
                }
            }
        }
    }

    pub(super) fn find(&self, filter: &Filter, filters: &dyn Filters) -> Option<u32> {
        let equal = |member: &Member| *filters.filter(member.id()) == *filter;
        match self {
            Members::Few(list) => list.iter().copied().find(|member| equal(member)),
            Members::Many(table) => table.find(hash::of(filter), equal).copied(),
        }
        .map(Member::id)
    }

    #[inline]
    pub(super) fn for_each(&self, mut visit: impl FnMut(Member)) {
        match self {
            Members::Few(list) => list.iter().copied().for_each(&mut visit),
            Members::Many(table) => table.iter().copied().for_each(&mut visit),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Members::Few(list) => list.capacity() * size_of::<Member>(),
            Members::Many(table) => table.allocation_size(),
        }
    }
}
