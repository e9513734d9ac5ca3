//! Which fields an event has to show for all the filters it may meet.
//!
//! A topic's filters live in its own index and in those of the patterns that match
//! it. The event's fields are pulled out once for all of them, so a topic keeps the
//! union of their paths, and with it the version of each index it was made for.

use smallvec::SmallVec;

use super::node::Node;
use crate::{
    fields::{Path, Projection},
    sync::Arc,
};

#[derive(Clone)]
pub(crate) struct View {
    pub(crate) projection: Arc<Projection>,
    pub(crate) versions: Versions,
}

/// The version of each index, in the order of [`Indexes`]; 0 for a node without one.
pub(crate) type Versions = SmallVec<[u64; 4]>;

/// The nodes whose filters an event meets: its topic first, then its patterns.
pub(crate) type Indexes = SmallVec<[Arc<Node>; 4]>;

/// What version each index is of now.
pub(crate) fn versions(nodes: &Indexes) -> Versions {
    let version = |node: &Arc<Node>| {
        let admissions = node.admissions().lock();
        admissions
            .filtered()
            .map_or(0, |index| index.paths_version() + 1)
    };
    nodes.iter().map(version).collect()
}

/// The union of the paths of all indexes, with the versions that it is of.
pub(crate) fn view(nodes: &Indexes) -> View {
    let mut paths: Vec<Path> = Vec::new();
    let mut versions = Versions::new();
    for node in nodes {
        let admissions = node.admissions().lock();
        let index = admissions.filtered();
        versions.push(index.map_or(0, |index| index.paths_version() + 1));
        paths.extend(index.into_iter().flat_map(|index| index.paths().cloned()));
    }
    View {
        projection: Arc::new(Projection::new(paths)),
        versions,
    }
}
