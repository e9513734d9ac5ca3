//! What one event shows of the fields that filters ask for.
//!
//! Leaves lie in one list sorted by path, each with its place. A *place* is an object inside an array (or the event itself);
//! leaves of one object share it however deep the plain objects between them are. Two leaves may satisfy one pattern together
//! unless they stand in different elements of one array, which is what places tell.
//!
//! Elements without any leaf have a place as well: a field that is missing is missing *in an element*.

use super::{PathId, ValueRef};

/// An element of an array of objects, or, as [`Place::EVENT`], what is outside of every array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u32);

impl Place {
    /// Outside of every array.
    pub(crate) const EVENT: Place = Place(0);
}

/// One scalar of the event.
#[derive(Clone, Debug)]
pub(crate) struct Leaf<'p> {
    pub(crate) value: ValueRef<'p>,
    pub(crate) path: PathId,
    pub(crate) place: Place,
}

/// An array element: the object stands in the array at path `array`, which itself is in `parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Element {
    array: PathId,
    parent: Place,
    place: Place,
}

/// The leaves of one event for the paths of one projection.
///
/// Invariant once filled: `leaves` is sorted by path and place, `elements` by array, parent and place.
#[derive(Debug, Default)]
pub(crate) struct Fields<'p> {
    leaves: Vec<Leaf<'p>>,
    elements: Vec<Element>,
    repeated: bool,
}

impl<'p> Fields<'p> {
    /// No leaves; allocates nothing.
    pub(crate) const fn new() -> Fields<'p> {
        Fields {
            leaves: Vec::new(),
            elements: Vec::new(),
            repeated: false,
        }
    }

    /// The values at `path`, in the order of the event within one place.
    pub(crate) fn values(&self, path: PathId) -> &[Leaf<'p>] {
        const FEW: usize = 8;
        if self.leaves.len() <= FEW {
            let Some(start) = self.leaves.iter().position(|leaf| leaf.path == path) else {
                return &[];
            };
            if !self.repeated {
                return &self.leaves[start..=start];
            }
            let len = self.leaves[start..]
                .iter()
                .take_while(|leaf| leaf.path == path)
                .count();
            return &self.leaves[start..start + len];
        }
        let start = self.leaves.partition_point(|leaf| leaf.path < path);
        let len = self.leaves[start..].partition_point(|leaf| leaf.path == path);
        &self.leaves[start..start + len]
    }

    /// The values at `path` of one element.
    pub(crate) fn values_in(&self, path: PathId, place: Place) -> &[Leaf<'p>] {
        let leaves = self.values(path);
        let start = leaves.partition_point(|leaf| leaf.place < place);
        let len = leaves[start..].partition_point(|leaf| leaf.place == place);
        &leaves[start..start + len]
    }

    /// The objects in arrays at `array` inside of `parent`.
    pub(crate) fn elements(
        &self,
        array: PathId,
        parent: Place,
    ) -> impl ExactSizeIterator<Item = Place> + Clone + '_ {
        let start = self
            .elements
            .partition_point(|element| (element.array, element.parent) < (array, parent));
        let len = self.elements[start..]
            .partition_point(|element| (element.array, element.parent) == (array, parent));
        self.elements[start..start + len]
            .iter()
            .map(|element| element.place)
    }

    /// The paths with at least one value, each once, ascending by id.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathId> + '_ {
        self.by_path().map(|leaves| leaves[0].path)
    }

    /// The values of each path that has some, ascending by path.
    pub(crate) fn by_path(&self) -> impl Iterator<Item = &[Leaf<'p>]> {
        self.leaves.chunk_by(|a, b| a.path == b.path)
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn leaves(&self) -> &[Leaf<'p>] {
        &self.leaves
    }

    /// Whether some path may have more than one value, or stand inside an array. If not, a path is one value or missing.
    pub(crate) fn has_arrays(&self) -> bool {
        self.repeated || self.has_elements()
    }

    /// Whether a projected path goes through an array of objects, so that consistency matters.
    pub(crate) fn has_elements(&self) -> bool {
        !self.elements.is_empty()
    }

    /// Forgets the leaves, keeps the room.
    pub(crate) fn clear(&mut self) {
        self.leaves.clear();
        self.elements.clear();
        self.repeated = false;
    }

    /// Without leaves, for an event that lives longer or shorter. Keeps the room, unless it is that of an unusually large event.
    pub(crate) fn emptied<'q>(mut self) -> Fields<'q> {
        const USUAL: usize = 1024;
        if self.leaves.capacity().max(self.elements.capacity()) > USUAL {
            return Fields::new();
        }
        self.clear();
        Fields {
            // Collecting from a vector into one of the same layout keeps its allocation.
            leaves: self
                .leaves
                .into_iter()
                .map(|_| unreachable!("it was cleared"))
                .collect(),
            elements: self.elements,
            repeated: false,
        }
    }

    /// Replaces the leaves by scalars outside of every array.
    pub(crate) fn fill(&mut self, values: impl IntoIterator<Item = (PathId, ValueRef<'p>)>) {
        self.clear();
        let leaves = values.into_iter().map(|(path, value)| Leaf {
            value,
            path,
            place: Place::EVENT,
        });
        self.leaves.extend(leaves);
        self.finish();
    }

    pub(super) fn push(&mut self, path: PathId, place: Place, value: ValueRef<'p>) {
        self.leaves.push(Leaf { value, path, place });
    }

    pub(super) fn push_element(&mut self, array: PathId, parent: Place) -> Place {
        // A payload would have to be gigabytes long for the count to wrap.
        let place = Place(self.elements.len() as u32 + 1);
        self.elements.push(Element {
            array,
            parent,
            place,
        });
        place
    }

    /// Brings the lists into order after the last push.
    pub(super) fn finish(&mut self) {
        // Both are stable sorts or have unique keys, and find what is sorted already in one pass.
        if self.leaves.len() > 1 {
            self.leaves.sort_by_key(|leaf| (leaf.path, leaf.place));
            self.repeated = self
                .leaves
                .windows(2)
                .any(|pair| pair[0].path == pair[1].path);
        }
        self.elements.sort_unstable();
    }
}
