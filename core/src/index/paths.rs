//! The paths that live filters name, counted, and the projection that reads them off an event.
//!
//! A filter that comes or goes moves counts. Only when the *set* of paths changes, which ends when the templates in use are known,
//! the version rises and the next question for the projection compiles it anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::hash;
use crate::fields::{Path, Projection};
use crate::predicate::Filter;

pub(super) struct Paths {
    named: HashTable<Named>,
    version: u64,
    /// Of this version, once somebody has asked for it.
    projection: Option<Arc<Projection>>,
}

struct Named {
    path: Path,
    filters: usize,
}

impl Paths {
    pub(super) const fn new() -> Self {
        Paths {
            named: HashTable::new(),
            version: 0,
            projection: None,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Path> {
        self.named.iter().map(|named| &named.path)
    }

    pub(super) fn insert(&mut self, filter: &Filter) {
        for path in filter.paths() {
            let entry = self.named.entry(
                hash::of_path(path.id()),
                |named| named.path.id() == path.id(),
                |named| hash::of_path(named.path.id()),
            );
            match entry {
                Entry::Occupied(mut named) => named.get_mut().filters += 1,
                Entry::Vacant(vacant) => {
                    vacant.insert(Named {
                        path: path.clone(),
                        filters: 1,
                    });
                    self.advance();
                }
            }
        }
    }

    pub(super) fn remove(&mut self, filter: &Filter) {
        for path in filter.paths() {
            let found = self.named.find_entry(hash::of_path(path.id()), |named| {
                named.path.id() == path.id()
            });
            let Ok(mut named) = found else {
                debug_assert!(false, "the paths of a live filter are counted");
                continue;
            };
            named.get_mut().filters -= 1;
            if named.get().filters == 0 {
                named.remove();
                self.advance();
                hash::trim(&mut self.named, |named| hash::of_path(named.path.id()));
            }
        }
    }

    pub(super) fn projection(&mut self) -> &Arc<Projection> {
        let paths = self.named.iter().map(|named| named.path.clone());
        self.projection
            .get_or_insert_with(|| Arc::new(Projection::new(paths)))
    }

    /// The set has changed.
    fn advance(&mut self) {
        // No two sets of paths of a process share a version, so an index that was emptied and
        // one that took its place are told apart by whoever keeps a projection.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.version = NEXT.fetch_add(1, Ordering::Relaxed);
        self.projection = None;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.named.allocation_size()
    }
}
