//! Filters filed under their equalities: all of them at once, so that one probe answers them together.
//!
//! The paths with an equality are the *shape* of a filter. Live filters come from few templates and have few shapes, but a
//! topic may collect hundreds; an event then must not pay for all of them. So each shape hangs on one of its paths, the one
//! that the fewest shapes have, and an event looks at the shapes on the paths that it shows. There one word tells whether it may have
//! the other paths too, before anything is hashed.
//!
//! Filters that agree in all their equalities (a tenant, a room) are alike to this table. When many are, their bucket files
//! them further, under another test of theirs: see [`Keyed`].

use std::ops::ControlFlow;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smallvec::SmallVec;

use super::cells::{Cells, Found};
use super::hash;
use super::keyed::{Keyed, Under};
use super::member::{Filters, Member};
use super::plan;
use crate::fields::{Fields, Leaf, PathId};
use crate::predicate::Filter;
use crate::slab::Slab;

pub(super) struct Shapes {
    shapes: Slab<Shape>,
    /// By the list of paths.
    by_paths: HashTable<u32>,
    by_path: HashTable<OfPath>,
}

struct Shape {
    /// In ascending order; one at least.
    paths: SmallVec<[PathId; 4]>,
    /// How many filings are in `cells`.
    filed: usize,
    cells: Cells<Alike>,
    anchor: PathId,
}

struct OfPath {
    path: PathId,
    /// How many shapes have this path.
    shapes: usize,
    /// The shapes that hang on it.
    anchored: Vec<Anchored>,
}

struct Anchored {
    needs: u64,
    shape: u32,
}

/// Filters with the same equalities.
enum Alike {
    Few(Vec<Member>),
    Many { keyed: Box<Keyed>, filed: usize },
}

/// What may be alike before it is filed further.
const FEW: usize = 8;

impl Shapes {
    pub(super) const fn new() -> Self {
        Shapes {
            shapes: Slab::new(),
            by_paths: HashTable::new(),
            by_path: HashTable::new(),
        }
    }

    /// Files a member under the hash of its equalities on these paths.
    pub(super) fn insert(
        &mut self,
        paths: &[PathId],
        hash: u64,
        under: Under<'_>,
        member: Member,
        filters: &dyn Filters,
    ) {
        let id = self
            .find_shape(paths)
            .unwrap_or_else(|| self.insert_shape(paths));
        let shape = &mut self.shapes[id];
        shape.filed += 1;
        shape.cells.insert(
            hash,
            member,
            |first| Alike::Few(vec![first]),
            |alike| match alike {
                Alike::Few(list) if list.len() < FEW => list.push(member),
                Alike::Few(list) => {
                    let mut keyed = refile(list, paths, hash, filters);
                    keyed.insert(under, member, filters);
                    *alike = Alike::Many {
                        keyed: Box::new(keyed),
                        filed: FEW + 1,
                    };
                }
                Alike::Many { keyed, filed } => {
                    *filed += 1;
                    keyed.insert(under, member, filters);
                }
            },
        );
    }

    /// Takes out what was inserted with the same arguments.
    pub(super) fn remove(
        &mut self,
        paths: &[PathId],
        hash: u64,
        under: Under<'_>,
        member: Member,
        filters: &dyn Filters,
    ) {
        let Some(id) = self.find_shape(paths) else {
            debug_assert!(false, "a member leaves the shape that it entered");
            return;
        };
        let shape = &mut self.shapes[id];
        shape.filed -= 1;
        shape.cells.remove(hash, member, |alike| match alike {
            Alike::Few(list) => {
                let place = list.iter().position(|&m| m == member);
                debug_assert!(
                    place.is_some(),
                    "a member leaves the bucket that it entered"
                );
                if let Some(place) = place {
                    list.swap_remove(place);
                }
                list.is_empty()
            }
            Alike::Many { keyed, filed } => {
                *filed -= 1;
                keyed.remove(under, member, filters);
                *filed == 0
            }
        });
        if shape.filed == 0 {
            self.remove_shape(id);
        }
    }

    /// An equal filter filed like this one.
    pub(super) fn find(
        &self,
        paths: &[PathId],
        hash: u64,
        under: Under<'_>,
        filter: &Filter,
        filters: &dyn Filters,
    ) -> Option<u32> {
        let equal = |member: &Member| *filters.filter(member.id()) == *filter;
        match self.shapes[self.find_shape(paths)?].cells.find(hash)? {
            Found::One(member) => equal(&member).then_some(member.id()),
            Found::Bucket(Alike::Few(list)) => list.iter().copied().find(equal).map(Member::id),
            Found::Bucket(Alike::Many { keyed, .. }) => keyed.find(under, filter, filters),
        }
    }

    /// Offers everybody whom the event may interest, perhaps more than once; who was found by a single path, with all values
    /// there.
    pub(super) fn candidates(
        &self,
        fields: &Fields<'_>,
        offer: &mut impl FnMut(Member, Option<&[Leaf<'_>]>),
    ) {
        if self.by_path.is_empty() {
            return;
        }
        let mut event = Event {
            paths: SmallVec::new(),
            hashes: SmallVec::new(),
            shows: 0,
        };
        event.read(fields, self);
        for shown in &event.paths {
            for anchored in &shown.of.anchored {
                if anchored.needs & !event.shows == 0 {
                    self.shapes[anchored.shape].candidates(&event, fields, offer);
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let shapes: usize = self
            .shapes
            .iter()
            .map(|(_, shape)| shape.heap_bytes())
            .sum();
        let anchors: usize = self
            .by_path
            .iter()
            .map(|of| of.anchored.capacity() * size_of::<Anchored>())
            .sum();
        let tables = self.by_paths.allocation_size() + self.by_path.allocation_size();
        self.shapes.heap_bytes() + shapes + tables + anchors
    }

    fn find_shape(&self, paths: &[PathId]) -> Option<u32> {
        self.by_paths
            .find(hash::of_paths(paths), |&id| {
                self.shapes[id].paths[..] == *paths
            })
            .copied()
    }

    #[inline]
    fn of_path(&self, path: PathId) -> Option<&OfPath> {
        self.by_path.find(hash::of_path(path), |of| of.path == path)
    }

    fn insert_shape(&mut self, paths: &[PathId]) -> u32 {
        debug_assert!(paths.is_sorted() && !paths.is_empty());
        let rarest = paths
            .iter()
            .copied()
            .min_by_key(|&path| self.of_path(path).map_or(0, |of| of.shapes));
        let anchor = rarest.expect("a shape has paths");
        let id = self.shapes.insert(Shape {
            paths: SmallVec::from_slice(paths),
            filed: 0,
            cells: Cells::new(),
            anchor,
        });
        let shapes = &self.shapes;
        self.by_paths
            .insert_unique(hash::of_paths(paths), id, |&id| {
                hash::of_paths(&shapes[id].paths)
            });
        let needs = paths.iter().fold(0, |all, path| all | bit(*path));
        for &path in paths {
            let entry = self.by_path.entry(
                hash::of_path(path),
                |of| of.path == path,
                |of| hash::of_path(of.path),
            );
            let mut entry = entry.or_insert_with(|| OfPath {
                path,
                shapes: 0,
                anchored: Vec::new(),
            });
            let of = entry.get_mut();
            of.shapes += 1;
            if path == anchor {
                of.anchored.push(Anchored { needs, shape: id });
            }
        }
        id
    }

    fn remove_shape(&mut self, id: u32) {
        let Shape { paths, anchor, .. } = self.shapes.remove(id);
        if let Ok(entry) = self
            .by_paths
            .find_entry(hash::of_paths(&paths), |&shape| shape == id)
        {
            entry.remove();
        }
        let shapes = &self.shapes;
        hash::trim(&mut self.by_paths, |&id| hash::of_paths(&shapes[id].paths));
        for path in paths {
            let entry = self.by_path.entry(
                hash::of_path(path),
                |of| of.path == path,
                |of| hash::of_path(of.path),
            );
            let Entry::Occupied(mut entry) = entry else {
                debug_assert!(false, "the paths of a live shape are known");
                continue;
            };
            let of = entry.get_mut();
            of.shapes -= 1;
            if path == anchor {
                of.anchored.retain(|anchored| anchored.shape != id);
                if of.anchored.len() * 4 < of.anchored.capacity() {
                    of.anchored.shrink_to_fit();
                }
            }
            if of.shapes == 0 {
                entry.remove();
            }
        }
        hash::trim(&mut self.by_path, |of| hash::of_path(of.path));
    }
}

impl Shape {
    fn candidates(
        &self,
        event: &Event<'_>,
        fields: &Fields<'_>,
        offer: &mut impl FnMut(Member, Option<&[Leaf<'_>]>),
    ) {
        let mut lists = SmallVec::<[&[u64]; 4]>::new();
        let mut combinations = 1usize;
        let mut only = None;
        for &path in &self.paths {
            let Some((shown, list)) = event.at(path) else {
                return;
            };
            only = Some(shown.leaves);
            combinations = combinations.saturating_mul(list.len());
            lists.push(list);
        }
        let only = only.filter(|_| self.paths.len() == 1);
        let mut open = |found: Found<'_, Alike>| match found {
            Found::One(member) => offer(member, only),
            Found::Bucket(Alike::Few(list)) => list.iter().for_each(|&member| offer(member, only)),
            Found::Bucket(Alike::Many { keyed, .. }) => {
                keyed.candidates(fields, &mut |member| offer(member, only));
            }
        };
        // An event with large arrays may show more combinations than there are filters to ask about them.
        if combinations > 1 && combinations > self.filed {
            self.cells.iter().for_each(open);
        } else {
            each_combination(&lists, 0, &mut |hash| {
                if let Some(found) = self.cells.find(hash) {
                    open(found);
                }
            });
        }
    }

    fn heap_bytes(&self) -> usize {
        let paths = if self.paths.spilled() {
            self.paths.capacity() * size_of::<PathId>()
        } else {
            0
        };
        paths
            + self.cells.heap_bytes(|alike| match alike {
                Alike::Few(list) => list.capacity() * size_of::<Member>(),
                Alike::Many { keyed, .. } => size_of::<Keyed>() + keyed.heap_bytes(),
            })
    }
}

/// The values that an event shows on paths of shapes, hashed.
struct Event<'a> {
    /// By path, ascending.
    paths: SmallVec<[Shown<'a>; 8]>,
    hashes: SmallVec<[u64; 8]>,
    shows: u64,
}

/// What it shows at one path.
struct Shown<'a> {
    of: &'a OfPath,
    leaves: &'a [Leaf<'a>],
    /// Where its hashes end; they begin where those before it end.
    end: usize,
}

impl<'a> Event<'a> {
    fn read(&mut self, fields: &'a Fields<'_>, shapes: &'a Shapes) {
        for leaves in fields.by_path() {
            let path = leaves[0].path;
            let Some(of) = shapes.of_path(path) else {
                continue;
            };
            let start = self.hashes.len();
            self.hashes
                .extend(leaves.iter().map(|leaf| hash::of(&leaf.value)));
            if self.hashes.len() > start + 1 {
                self.hashes[start..].sort_unstable();
                let mut kept = start + 1;
                for next in start + 1..self.hashes.len() {
                    if self.hashes[next] != self.hashes[kept - 1] {
                        self.hashes[kept] = self.hashes[next];
                        kept += 1;
                    }
                }
                self.hashes.truncate(kept);
            }
            self.paths.push(Shown {
                of,
                leaves,
                end: self.hashes.len(),
            });
            self.shows |= bit(path);
        }
    }

    /// What it shows at a path, and the hashes of that.
    #[inline]
    fn at(&self, path: PathId) -> Option<(&Shown<'a>, &[u64])> {
        let place = if self.paths.len() <= 8 {
            self.paths.iter().position(|shown| shown.of.path == path)?
        } else {
            self.paths
                .binary_search_by_key(&path, |shown| shown.of.path)
                .ok()?
        };
        let start = if place == 0 {
            0
        } else {
            self.paths[place - 1].end
        };
        let shown = &self.paths[place];
        Some((shown, &self.hashes[start..shown.end]))
    }
}

/// Visits the joint hash of every choice of one from each list.
fn each_combination(lists: &[&[u64]], hash: u64, visit: &mut impl FnMut(u64)) {
    let Some((first, rest)) = lists.split_first() else {
        visit(hash);
        return;
    };
    for &part in *first {
        each_combination(rest, hash::join(hash, part), visit);
    }
}

/// Files the members of a full list anew, under their next test.
fn refile(list: &[Member], paths: &[PathId], hash: u64, filters: &dyn Filters) -> Keyed {
    let mut keyed = Keyed::new();
    for (place, member) in list.iter().enumerate() {
        if list[..place].contains(member) {
            continue;
        }
        // Of the filings that lead here the first ones are in the list; the next may be the one being inserted.
        let mut left = list.iter().filter(|other| *other == member).count();
        plan::filings(filters.filter(member.id()), |filing| {
            if left > 0 && filing.paths == paths && hash::short(filing.hash) == hash::short(hash) {
                keyed.insert(filing.under, *member, filters);
                left -= 1;
            }
            if left > 0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
    }
    keyed
}

/// What an event with this path shows; another path may show the same.
#[inline]
fn bit(path: PathId) -> u64 {
    1 << (hash::number(path) % 64)
}
