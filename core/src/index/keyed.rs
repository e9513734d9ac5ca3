//! Filters filed under one test of one path that is not an equality shared by all of its filing: a prefix, a suffix, a network,
//! an interval, the presence of the path, or one value of a list that mixes such tests.
//!
//! Prefixes, suffixes and networks become hash probes: a prefix is filed under its first bytes, and an event is asked once for
//! each length that lives. Lengths are cut at [`LONGEST`], so that nobody makes an event pay for a thousand of them.
//! What has no such test is kept aside and is a candidate for every event.

use smallvec::SmallVec;

use super::cells::{Cells, Found};
use super::hash;
use super::intervals::{Interval, Intervals, ordered};
use super::member::{Filters, Member, Members};
use crate::fields::{Fields, PathId, ValueRef};
use crate::predicate::{Filter, Net, address_bits, mask};

/// Prefixes and suffixes are told apart up to so many bytes, or characters where case does not count.
pub(super) const LONGEST: usize = 32;

/// A class of keys of which a value has at most one.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Level {
    Equal,
    Prefix(u8),
    Suffix(u8),
    Folded,
    PrefixFolded(u8),
    SuffixFolded(u8),
    V4(u8),
    V6(u8),
}

impl Level {
    fn of_network(is_v6: bool, bits: u8) -> Self {
        if is_v6 {
            Level::V6(bits)
        } else {
            Level::V4(bits)
        }
    }
}

/// Where a test is filed: whoever passes the test has this key.
#[derive(Copy, Clone, PartialEq, Debug)]
pub(super) enum Key {
    Hashed(Level, u64),
    Within(Interval),
    Present,
}

impl Key {
    pub(super) fn equal(value: u64) -> Self {
        Key::Hashed(Level::Equal, value)
    }

    pub(super) fn text(part: Part<'_>) -> Self {
        let (level, hash) = match part {
            Part::Begin(text) => {
                let len = text.len().min(LONGEST);
                (Level::Prefix(len as u8), hash::of(&text.as_bytes()[..len]))
            }
            Part::End(text) => {
                let len = text.len().min(LONGEST);
                (
                    Level::Suffix(len as u8),
                    hash::of(&text.as_bytes()[text.len() - len..]),
                )
            }
            Part::Folded(text) => (Level::Folded, hash::of_folded(text.chars())),
            Part::BeginFolded(text) => {
                let len = text.chars().take(LONGEST).count();
                (
                    Level::PrefixFolded(len as u8),
                    hash::of_folded(text.chars().take(len)),
                )
            }
            Part::EndFolded(text) => {
                let len = text.chars().take(LONGEST).count();
                (
                    Level::SuffixFolded(len as u8),
                    hash::of_folded(text.chars().rev().take(len)),
                )
            }
        };
        Key::Hashed(level, hash)
    }

    pub(super) fn network(net: &Net) -> Self {
        Key::Hashed(
            Level::of_network(net.is_v6(), net.length()),
            hash::of(&net.bits()),
        )
    }
}

/// What is known of the strings that pass a test. Never empty, but for the whole; folded where case does not count.
#[derive(Copy, Clone, Debug)]
pub(super) enum Part<'a> {
    Begin(&'a str),
    End(&'a str),
    Folded(&'a str),
    BeginFolded(&'a str),
    EndFolded(&'a str),
}

/// A value, and the address that it reads as once somebody has asked.
struct Asked<'a> {
    value: &'a ValueRef<'a>,
    address: Option<Option<(bool, u128)>>,
}

impl Asked<'_> {
    /// The hash by which this level files the value, if it does.
    fn key(&mut self, level: Level) -> Option<u64> {
        if level == Level::Equal {
            return Some(hash::of(self.value));
        }
        let text = self.value.as_str()?;
        let bytes = text.as_bytes();
        match level {
            Level::Equal => None,
            Level::Prefix(len) => Some(hash::of(bytes.get(..usize::from(len))?)),
            Level::Suffix(len) => Some(hash::of(
                &bytes[bytes.len().checked_sub(usize::from(len))?..],
            )),
            Level::Folded => Some(hash::of_folded(text.chars())),
            Level::PrefixFolded(len) => first_folded(text.chars(), len),
            Level::SuffixFolded(len) => first_folded(text.chars().rev(), len),
            Level::V4(bits) | Level::V6(bits) => {
                let (is_v6, address) = (*self
                    .address
                    .get_or_insert_with(|| text.parse().ok().map(address_bits)))?;
                (level == Level::of_network(is_v6, bits)).then(|| hash::of(&(address & mask(bits))))
            }
        }
    }
}

/// The hash of so many characters, if there are so many.
fn first_folded(chars: impl Iterator<Item = char> + Clone, len: u8) -> Option<u64> {
    let first = chars.take(usize::from(len));
    (first.clone().count() == usize::from(len)).then(|| hash::of_folded(first))
}

pub(super) struct Keyed {
    /// In order of path, each with something filed.
    paths: Vec<OfPath>,
    unkeyed: Members,
}

struct OfPath {
    path: PathId,
    filed: usize,
    /// The levels that live, and how many keys each has.
    levels: SmallVec<[(Level, u32); 2]>,
    cells: Cells<Members>,
    intervals: Intervals,
    present: Members,
}

/// The path and the keys that a filing is under; none: it is a candidate always.
pub(super) type Under<'a> = Option<(PathId, &'a [Key])>;

impl Keyed {
    pub(super) const fn new() -> Self {
        Keyed {
            paths: Vec::new(),
            unkeyed: Members::new(),
        }
    }

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
        let place = self
            .paths
            .binary_search_by_key(&path, |of| of.path)
            .unwrap_or_else(|place| {
                self.paths.insert(place, OfPath::new(path));
                place
            });
        for &key in keys {
            self.paths[place].insert(key, member, filters);
        }
    }

    /// Takes out what was inserted with the same arguments.
    pub(super) fn remove(&mut self, under: Under<'_>, member: Member, filters: &dyn Filters) {
        let Some((path, keys)) = under else {
            self.unkeyed.remove(member, filters);
            return;
        };
        let Ok(place) = self.paths.binary_search_by_key(&path, |of| of.path) else {
            debug_assert!(false, "a member leaves the path that it entered");
            return;
        };
        for &key in keys {
            self.paths[place].remove(key, member, filters);
        }
        if self.paths[place].filed == 0 {
            self.paths.remove(place);
            if self.paths.is_empty() {
                self.paths = Vec::new();
            }
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
        let place = self.paths.binary_search_by_key(&path, |of| of.path).ok()?;
        self.paths[place].find(*keys.first()?, filter, filters)
    }

    /// Offers everybody whom the event may interest, perhaps more than once.
    pub(super) fn candidates(&self, fields: &Fields<'_>, offer: &mut impl FnMut(Member)) {
        self.unkeyed.for_each(&mut *offer);
        if self.paths.is_empty() {
            return;
        }
        for path in fields.paths() {
            if let Ok(place) = self.paths.binary_search_by_key(&path, |of| of.path) {
                self.paths[place].candidates(fields, offer);
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let paths: usize = self.paths.iter().map(OfPath::heap_bytes).sum();
        self.paths.capacity() * size_of::<OfPath>() + paths + self.unkeyed.heap_bytes()
    }
}

impl OfPath {
    fn new(path: PathId) -> Self {
        OfPath {
            path,
            filed: 0,
            levels: SmallVec::new(),
            cells: Cells::new(),
            intervals: Intervals::new(),
            present: Members::new(),
        }
    }

    fn insert(&mut self, key: Key, member: Member, filters: &dyn Filters) {
        self.filed += 1;
        match key {
            Key::Hashed(level, hash) => {
                match self.levels.iter_mut().find(|(live, _)| *live == level) {
                    Some((_, keys)) => *keys += 1,
                    None => self.levels.push((level, 1)),
                }
                self.cells
                    .insert(at(level, hash), member, Members::of, |members| {
                        members.insert(member, filters)
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
                self.cells.remove(at(level, hash), member, |members| {
                    members.remove(member, filters);
                    members.is_empty()
                });
                if let Some(place) = self.levels.iter().position(|(live, _)| *live == level) {
                    self.levels[place].1 -= 1;
                    if self.levels[place].1 == 0 {
                        self.levels.swap_remove(place);
                        self.levels.shrink_to_fit();
                    }
                }
            }
            Key::Within(interval) => self.intervals.remove(interval, member, filters),
            Key::Present => self.present.remove(member, filters),
        }
    }

    fn find(&self, key: Key, filter: &Filter, filters: &dyn Filters) -> Option<u32> {
        match key {
            Key::Hashed(level, hash) => match self.cells.find(at(level, hash))? {
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
            let mut asked = Asked {
                value: &leaf.value,
                address: None,
            };
            for &(level, _) in &self.levels {
                let Some(hash) = asked.key(level) else {
                    continue;
                };
                match self.cells.find(at(level, hash)) {
                    None => {}
                    Some(Found::One(member)) => offer(member),
                    Some(Found::Bucket(members)) => members.for_each(&mut *offer),
                }
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        let levels = if self.levels.spilled() {
            self.levels.capacity() * size_of::<(Level, u32)>()
        } else {
            0
        };
        levels
            + self.cells.heap_bytes(Members::heap_bytes)
            + self.intervals.heap_bytes()
            + self.present.heap_bytes()
    }
}

/// The hash of a key among those of the other levels.
#[inline]
fn at(level: Level, hash: u64) -> u64 {
    let level = match level {
        Level::Equal => 0,
        Level::Prefix(len) => 0x100 | u64::from(len),
        Level::Suffix(len) => 0x200 | u64::from(len),
        Level::V4(bits) => 0x300 | u64::from(bits),
        Level::V6(bits) => 0x400 | u64::from(bits),
        Level::Folded => 0x500,
        Level::PrefixFolded(len) => 0x600 | u64::from(len),
        Level::SuffixFolded(len) => 0x700 | u64::from(len),
    };
    hash::join(hash, level)
}
