//! Internals and oracles for the fuzz targets. Not part of the API: anything here may change at any time.

use std::collections::BTreeMap;

use crate::fields::{Fields, Place, Projection, Reader};
use crate::index::{EntryId, FilterIndex, Scratch};
pub use crate::pattern::naive_matches;
use crate::pattern::{Pattern, PatternTable};
use crate::{Attributes, Filter, NotJson, Path, Value};

/// Lanes over sinks that cost a fixed time, for the bench.
#[cfg(feature = "gateway")]
pub use crate::gateway::lanes::toll;

/// What clients of the gateway send.
#[cfg(feature = "gateway")]
pub mod gateway {
    pub use crate::gateway::fuzzing::{
        Heard, Request, json_message, json_request, naive_websocket, websocket,
    };
}

/// What other hubs send through a server.
#[cfg(feature = "redis")]
pub mod redis {
    pub use crate::redis::fuzzing::{Opened, listen, open, seal};
}

/// A leaf of an event.
#[derive(Debug)]
pub struct FoundLeaf {
    /// Its path.
    pub path: Path,
    /// Which object in an array it stands in; equal for leaves of one object, 0 outside of every array.
    pub place: usize,
    /// Its value.
    pub value: Value,
}

/// A path of segments joined by dots.
#[must_use]
pub fn path(text: &str) -> Path {
    Path::new(text)
}

/// What a projection of `paths`, all of them different, finds in `payload`: path by path. The strict reader's answer.
///
/// # Errors
///
/// When the payload is not a JSON object.
pub fn json_leaves(paths: &[Path], payload: &[u8]) -> Result<Vec<FoundLeaf>, NotJson> {
    leaves(Reader::Strict, paths, payload)
}

/// The same by the reader that passes over what is not asked for, whatever the length of the payload.
///
/// # Errors
///
/// When it notices that the payload is not a JSON object.
pub fn skimmed_leaves(paths: &[Path], payload: &[u8]) -> Result<Vec<FoundLeaf>, NotJson> {
    leaves(Reader::Skim, paths, payload)
}

fn leaves(reader: Reader, paths: &[Path], payload: &[u8]) -> Result<Vec<FoundLeaf>, NotJson> {
    let projection = Projection::new(paths.iter().cloned());
    let mut fields = Fields::new();
    projection.read(reader, payload, &mut fields)?;
    let mut places = vec![Place::EVENT];
    let mut found = Vec::new();
    for path in paths {
        for leaf in fields.values(path.id()) {
            let place = places
                .iter()
                .position(|known| *known == leaf.place)
                .unwrap_or_else(|| {
                    places.push(leaf.place);
                    places.len() - 1
                });
            found.push(FoundLeaf {
                path: path.clone(),
                place,
                value: leaf.value.to_value(),
            });
        }
    }
    assert_eq!(
        found.len(),
        fields.leaves().len(),
        "leaves that no path finds: {fields:?}"
    );
    Ok(found)
}

/// The places in `patterns` of those that match `topic`, in order, as the table of live patterns finds them.
///
/// Every pattern of a place in `removed` has come and gone before the question is asked.
pub fn table_matches(patterns: &[Pattern], removed: &[usize], topic: &str) -> Vec<usize> {
    let mut table = PatternTable::new();
    let ids: Vec<_> = patterns
        .iter()
        .enumerate()
        .map(|(place, pattern)| table.insert(pattern.clone(), place))
        .collect();
    for place in removed {
        table.remove(ids[*place]);
    }
    let mut found = Vec::new();
    table.for_each_match(topic, |place| found.push(*place));
    found.sort_unstable();
    found
}

/// An index of filters that are known by numbers.
pub struct IndexOfFilters {
    index: FilterIndex<usize>,
    entries: BTreeMap<usize, EntryId>,
    scratch: Scratch,
}

impl IndexOfFilters {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            index: FilterIndex::new(),
            entries: BTreeMap::new(),
            scratch: Scratch::new(),
        }
    }

    /// Files `filter`, which equals none that is filed already, under an unused number.
    pub fn insert(&mut self, number: usize, filter: Filter) {
        assert!(
            self.index.find(&filter).is_none(),
            "filed twice: {filter:?}"
        );
        self.entries
            .insert(number, self.index.insert(filter.clone(), number));
        assert!(self.index.find(&filter).is_some(), "not found: {filter:?}");
    }

    /// Takes a filter out, if there is one of that number.
    pub fn remove(&mut self, number: usize) {
        if let Some(id) = self.entries.remove(&number) {
            let (filter, value) = self.index.remove(id);
            assert_eq!(value, number);
            assert!(
                self.index.find(&filter).is_none(),
                "still there: {filter:?}"
            );
        }
        assert_eq!(self.index.len(), self.entries.len());
    }

    /// The numbers of the filters that admit an event with this payload, ascending; and whether it could be read.
    pub fn matches(&mut self, payload: &[u8]) -> (Vec<usize>, bool) {
        let projection = self.index.projection().clone();
        let mut fields = Fields::new();
        let mut found = Vec::new();
        let readable = projection.from_json(payload, &mut fields).is_ok();
        if readable {
            self.index
                .matches(&fields, &mut self.scratch, |number| found.push(*number));
        } else {
            self.index
                .matches_nothing_known(|number| found.push(*number));
        }
        found.sort_unstable();
        (found, readable)
    }

    /// Calls `hit` with the number of each filter that admits an event with these attributes, in no order.
    pub fn for_each_match(&mut self, attributes: &Attributes, mut hit: impl FnMut(usize)) {
        let projection = self.index.projection().clone();
        let mut fields = Fields::new();
        projection.from_attributes(attributes, &mut fields);
        self.index
            .matches(&fields, &mut self.scratch, |number| hit(*number));
    }
}

impl Default for IndexOfFilters {
    fn default() -> Self {
        Self::new()
    }
}
