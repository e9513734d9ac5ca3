//! Filters filed under one test of one path that is not the equality of a whole shape: a prefix, a suffix, a network, an
//! interval, the presence of the path, or a list that mixes such tests.
//!
//! A test is filed under its [`Key`]s. An event is asked for one hash of each level that lives on a path, and for the intervals
//! that hold its numbers. What has no such test is kept aside and is a candidate for every event.

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::cells::{Cells, Found};
use super::hash;
use super::intervals::{Intervals, ordered};
use super::key::{Asked, Key, Level};
use super::member::{Filters, Member, Members};
use crate::fields::{Fields, PathId, ValueRef};
use crate::predicate::Filter;

pub(super) struct Keyed {
    /// By path, each with something filed.
    paths: HashTable<Box<OfPath>>,
    unkeyed: Members,
}

struct OfPath {
    path: PathId,
    filed: usize,
    /// Those that live. Each has a table of its own, so that keys of two levels cannot collide: a value would meet a
    /// member twice.
    levels: SmallVec<[(Level, Cells<Members>); 1]>,
    intervals: Intervals,
    present: Members,
}

/// The path and the keys that a filing is under; none: it is a candidate always.
pub(super) type Under<'a> = Option<(PathId, &'a [Key])>;

impl Keyed {
    pub(super) const fn new() -> Self {
        Keyed {
            paths: HashTable::new(),
            unkeyed: Members::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.unkeyed.is_empty()
    }

    /// The filters that are candidates for every event.
    pub(super) fn unkeyed(&self) -> &Members {
        &self.unkeyed
    }

    pub(super) fn insert(&mut self, under: Under<'_>, member: Member, filters: &dyn Filters) {
        let Some((path, keys)) = under else {
            self.unkeyed.insert(member, filters);
            return;
        };
        let of = self
            .paths
            .entry(
                hash::of_path(path),
                |of| of.path == path,
                |of| hash::of_path(of.path),
            )
            .or_insert_with(|| Box::new(OfPath::new(path)))
            .into_mut();
        for &key in keys {
            of.insert(key, member, filters);
        }
    }

    /// Takes out what was inserted with the same arguments.
    pub(super) fn remove(&mut self, under: Under<'_>, member: Member, filters: &dyn Filters) {
        let Some((path, keys)) = under else {
            self.unkeyed.remove(member, filters);
            return;
        };
        let found = self
            .paths
            .find_entry(hash::of_path(path), |of| of.path == path);
        let Ok(mut entry) = found else {
            debug_assert!(false, "a member leaves the path that it entered");
            return;
        };
        let of = entry.get_mut();
        for &key in keys {
            of.remove(key, member, filters);
        }
        if of.filed == 0 {
            entry.remove();
            hash::trim(&mut self.paths, |of| hash::of_path(of.path));
        }
    }

    /// An equal filter filed like this one.
    pub(super) fn find(
        &self,
        under: Under<'_>,
        filter: &Filter,
        filters: &dyn Filters,
    ) -> Option<u32> {
        let Some((path, keys)) = under else {
            return self.unkeyed.find(filter, filters);
        };
        self.of_path(path)?.find(*keys.first()?, filter, filters)
    }

    /// Offers everybody whom the event may interest, perhaps more than once.
    pub(super) fn candidates(&self, fields: &Fields<'_>, offer: &mut impl FnMut(Member)) {
        self.unkeyed.for_each(&mut *offer);
        if self.paths.is_empty() {
            return;
        }
        for path in fields.paths() {
            if let Some(of) = self.of_path(path) {
                of.candidates(fields, offer);
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let paths: usize = self.paths.iter().map(|of| of.heap_bytes()).sum();
        self.paths.allocation_size() + paths + self.unkeyed.heap_bytes()
    }

    #[inline]
    fn of_path(&self, path: PathId) -> Option<&OfPath> {
        let of = self.paths.find(hash::of_path(path), |of| of.path == path)?;
        Some(&**of)
    }
}

impl OfPath {
    fn new(path: PathId) -> Self {
        OfPath {
            path,
            filed: 0,
            levels: SmallVec::new(),
            intervals: Intervals::new(),
            present: Members::new(),
        }
    }

    fn place_of(&self, level: Level) -> Option<usize> {
        self.levels.iter().position(|(live, _)| *live == level)
    }

    fn insert(&mut self, key: Key, member: Member, filters: &dyn Filters) {
        self.filed += 1;
        match key {
            Key::Hashed(level, hash) => {
                let place = self.place_of(level).unwrap_or_else(|| {
                    self.levels.push((level, Cells::new()));
                    self.levels.len() - 1
                });
                self.levels[place]
                    .1
                    .insert(hash, member, Members::of, |members| {
                        members.insert(member, filters);
                    });
            }
            Key::Within(interval) => self.intervals.insert(interval, member, filters),
            Key::Present => self.present.insert(member, filters),
        }
    }

    fn remove(&mut self, key: Key, member: Member, filters: &dyn Filters) {
        self.filed -= 1;
        match key {
            Key::Hashed(level, hash) => {
                let Some(place) = self.place_of(level) else {
                    debug_assert!(false, "a member leaves the level that it entered");
                    return;
                };
                let cells = &mut self.levels[place].1;
                cells.remove(hash, member, |members| {
                    members.remove(member, filters);
                    members.is_empty()
                });
                if cells.is_empty() {
                    self.levels.swap_remove(place);
                    self.levels.shrink_to_fit();
                }
            }
            Key::Within(interval) => self.intervals.remove(interval, member, filters),
            Key::Present => self.present.remove(member, filters),
        }
    }

    fn find(&self, key: Key, filter: &Filter, filters: &dyn Filters) -> Option<u32> {
        match key {
            Key::Hashed(level, hash) => match self.levels[self.place_of(level)?].1.find(hash)? {
                Found::One(member) => {
                    (*filters.filter(member.id()) == *filter).then_some(member.id())
                }
                Found::Bucket(members) => members.find(filter, filters),
            },
            Key::Within(interval) => self.intervals.find(interval, filter, filters),
            Key::Present => self.present.find(filter, filters),
        }
    }

    fn candidates(&self, fields: &Fields<'_>, offer: &mut impl FnMut(Member)) {
        self.present.for_each(&mut *offer);
        if self.levels.is_empty() && self.intervals.is_empty() {
            return;
        }
        for leaf in fields.values(self.path) {
            if let ValueRef::Number(number) = &leaf.value {
                self.intervals.holding(ordered(number.to_f64()), offer);
            }
            let mut asked = Asked::new(&leaf.value);
            for (level, cells) in &self.levels {
                let Some(hash) = asked.key(*level) else {
                    continue;
                };
                match cells.find(hash) {
                    None => {}
                    Some(Found::One(member)) => offer(member),
                    Some(Found::Bucket(members)) => members.for_each(&mut *offer),
                }
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        let room = if self.levels.spilled() {
            self.levels.capacity() * size_of::<(Level, Cells<Members>)>()
        } else {
            0
        };
        let cells = self.levels.iter();
        let cells: usize = cells
            .map(|(_, cells)| cells.heap_bytes(Members::heap_bytes))
            .sum();
        size_of::<Self>() + room + cells + self.intervals.heap_bytes() + self.present.heap_bytes()
    }
}
