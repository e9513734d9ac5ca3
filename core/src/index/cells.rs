//! A table from the hash of a key to those who are filed under it.
//!
//! Nearly all keys have one member, so that member stands in the table itself and a cell is eight bytes. From the second on
//! there is a bucket beside the table, of whatever kind the owner wants. Keys are not kept: see [`hash`].

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::hash;
use super::member::Member;
use crate::slab::Slab;

pub(super) struct Cells<B> {
    table: HashTable<Cell>,
    buckets: Slab<B>,
}

struct Cell {
    hash: u32,
    head: Head,
}

/// Either a member, or with the highest bit the number of a bucket.
#[derive(Copy, Clone)]
struct Head(u32);

const BUCKET: u32 = 1 << 31;

impl Head {
    fn of_bucket(id: u32) -> Self {
        debug_assert!(id < BUCKET);
        Head(id | BUCKET)
    }

    fn of_member(member: Member) -> Self {
        Head(member.to_bits())
    }

    #[inline]
    fn split(self) -> Result<Member, u32> {
        if self.0 & BUCKET == 0 {
            Ok(Member::from_bits(self.0))
        } else {
            Err(self.0 & !BUCKET)
        }
    }
}

/// What stands under one key.
pub(super) enum Found<'a, B> {
    One(Member),
    Bucket(&'a B),
}

impl<B> Cells<B> {
    pub(super) const fn new() -> Self {
        Cells {
            table: HashTable::new(),
            buckets: Slab::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    #[inline]
    pub(super) fn find(&self, hash: u64) -> Option<Found<'_, B>> {
        let short = hash::short(hash);
        let cell = self
            .table
            .find(hash::spread(short), |cell| cell.hash == short)?;
        Some(self.open(cell))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Found<'_, B>> {
        self.table.iter().map(|cell| self.open(cell))
    }

    #[inline]
    fn open(&self, cell: &Cell) -> Found<'_, B> {
        match cell.head.split() {
            Ok(member) => Found::One(member),
            Err(bucket) => Found::Bucket(&self.buckets[bucket]),
        }
    }

    /// Files a member. If there is one already, `bucket` makes room for both; `add` puts the new one into a bucket.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        member: Member,
        bucket: impl FnOnce(Member) -> B,
        add: impl FnOnce(&mut B),
    ) {
        let short = hash::short(hash);
        let entry = self.table.entry(
            hash::spread(short),
            |cell| cell.hash == short,
            |cell| hash::spread(cell.hash),
        );
        match entry {
            Entry::Vacant(vacant) => {
                vacant.insert(Cell {
                    hash: short,
                    head: Head::of_member(member),
                });
            }
            Entry::Occupied(mut occupied) => match occupied.get().head.split() {
                Ok(first) => {
                    let mut bucket = bucket(first);
                    add(&mut bucket);
                    occupied.get_mut().head = Head::of_bucket(self.buckets.insert(bucket));
                }
                Err(id) => add(&mut self.buckets[id]),
            },
        }
    }

    /// Takes a member out that was filed under this hash; `take` takes it out of a bucket and says whether that is empty now.
    pub(super) fn remove(&mut self, hash: u64, member: Member, take: impl FnOnce(&mut B) -> bool) {
        let short = hash::short(hash);
        let found = self
            .table
            .find_entry(hash::spread(short), |cell| cell.hash == short);
        let Ok(occupied) = found else {
            debug_assert!(false, "a member leaves the cell that it entered");
            return;
        };
        match occupied.get().head.split() {
            Ok(only) => debug_assert_eq!(only, member),
            Err(id) => {
                if !take(&mut self.buckets[id]) {
                    return;
                }
                self.buckets.remove(id);
            }
        }
        occupied.remove();
        hash::trim(&mut self.table, |cell| hash::spread(cell.hash));
    }

    pub(super) fn heap_bytes(&self, of_bucket: impl Fn(&B) -> usize) -> usize {
        let buckets: usize = self
            .buckets
            .iter()
            .map(|(_, bucket)| of_bucket(bucket))
            .sum();
        self.table.allocation_size() + self.buckets.heap_bytes() + buckets
    }
}
