//! The filter index by itself: no feeds, no locks, no events kept.
//!
//! For applications that have queues of their own and only ask who wants something. Members with equal filters are one entry of
//! the index below with a list of members, so they cost one evaluation together.
//!
//! Invariants:
//! - A member stands in the list of its entry at the place that it remembers, so it leaves in constant time however many share it.
//! - An entry without members is taken out.
//! - What is matched is never kept: between two calls there is only room.

use std::fmt;

use crate::fields::{Attributes, Fields, Path, PathId, ValueRef};
use crate::index::{EntryId, FilterIndex, Scratch};
use crate::predicate::Filter;
use crate::slab::Slab;

/// The number of a member of a [`Matcher`], until it is removed.
#[derive(Copy, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MatchId(u32);

impl MatchId {
    /// As a number. Numbers are dense, for tables: a new member takes one that became free, or the next.
    #[must_use]
    pub fn to_u32(self) -> u32 {
        self.0
    }

    /// The id with a number that [`to_u32`](Self::to_u32) gave.
    #[must_use]
    pub fn from_u32(number: u32) -> Self {
        MatchId(number)
    }
}

/// Filters, and the question which of them admit something.
///
/// This is what a [`Hub`](crate::Hub) routes by, for applications that deliver in their own way. The cost of a question depends on
/// how many filters say yes, and on how many different fields they look at, but not on how many say no.
///
/// A matcher has no lock. It can be sent to another thread; threads that share one bring a lock of their own.
///
/// ```
/// use distributary::{Filter, Matcher, ValueRef};
///
/// let mut matcher = Matcher::new();
/// let ann = matcher.insert(Filter::parse(r#"{"document": {"id": [42]}}"#)?);
/// let bob = matcher.insert(Filter::parse(r#"{"document": {"id": [43]}}"#)?);
///
/// // From the bytes of a message…
/// let mut hits = Vec::new();
/// matcher.matches_json(br#"{"document": {"id": 42, "size": 7}}"#, |id| hits.push(id));
/// assert_eq!(hits, [ann]);
///
/// // …or from an object of the application, of which only what `paths` names has to be read.
/// let path = matcher.paths().next().expect("one field is asked for").clone();
/// assert_eq!(path.as_str(), "document.id");
/// hits.clear();
/// matcher.matches([(path.id(), ValueRef::Number(43.into()))], |id| hits.push(id));
/// assert_eq!(hits, [bob]);
/// # Ok::<(), distributary::FilterError>(())
/// ```
#[derive(Default)]
pub struct Matcher {
    index: FilterIndex<Sharers>,
    members: Slab<Member>,
    scratch: Scratch,
    /// Empty between two questions; kept for its room.
    fields: Fields<'static>,
}

struct Member {
    entry: EntryId,
    /// Where it stands among the members of its entry.
    place: u32,
}

impl Matcher {
    /// A matcher without filters, which allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Matcher {
            index: FilterIndex::new(),
            members: Slab::new(),
            scratch: Scratch::new(),
            fields: Fields::new(),
        }
    }

    /// Adds a member with this filter. Costs O(size of the filter); a filter equal to one that is there adds a few bytes.
    ///
    /// # Panics
    ///
    /// With more than 2^30 different filters or 2^32 members.
    pub fn insert(&mut self, filter: Filter) -> MatchId {
        let entry = match self.index.find(&filter) {
            Some(entry) => entry,
            None => self.index.insert(filter, Sharers::None),
        };
        let sharers = self.index.get_mut(entry);
        let place = u32::try_from(sharers.as_slice().len()).expect("fewer than 2^32 members");
        let id = MatchId(self.members.insert(Member { entry, place }));
        sharers.push(id);
        id
    }

    /// Takes a member out. Costs O(size of the filter), however many share the filter.
    ///
    /// Returns whether there was such a member. Its number may then be given to another, so remove a member once.
    pub fn remove(&mut self, id: MatchId) -> bool {
        let Some(Member { entry, place }) = self.members.try_remove(id.0) else {
            return false;
        };
        let sharers = self.index.get_mut(entry);
        sharers.swap_remove(place as usize);
        match sharers.as_slice() {
            [] => drop(self.index.remove(entry)),
            left => {
                if let Some(moved) = left.get(place as usize) {
                    self.members[moved.0].place = place;
                }
            }
        }
        true
    }

    /// The filter of a member.
    #[must_use]
    pub fn filter(&self, id: MatchId) -> Option<&Filter> {
        let member = self.members.get(id.0)?;
        Some(self.index.filter(member.entry))
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of different filters.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.index.len()
    }

    /// The paths that the filters name, each once, in no particular order: what has to be read to ask [`matches`](Self::matches).
    ///
    /// They and their ids hold until [`paths_version`](Self::paths_version) changes.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.index.paths()
    }

    /// Changes whenever the set of [`paths`](Self::paths) changes, and is never one that it was before. It is 0 as long as no
    /// filter has named a path.
    #[must_use]
    pub fn paths_version(&self) -> u64 {
        self.index.paths_version()
    }

    /// Calls `hit` with every member whose filter admits these values, once each, in no particular order.
    ///
    /// The values are scalars that the caller has read at [`paths`](Self::paths):
    /// - A path that does not come is *missing*: only tests like `{"exists": false}` hold there. This is not the same as
    ///   [`ValueRef::Null`], which is a value.
    /// - A path that comes more than once has all these values, as an array of scalars has.
    /// - A path that no filter names is passed over.
    ///
    /// Fields inside of arrays of objects cannot be said in this way, because which values stand in one object matters: use
    /// [`matches_json`](Self::matches_json) for those.
    ///
    /// Costs O(values + hits), with equalities; allocates nothing once it has met as many values before.
    pub fn matches<'v>(
        &mut self,
        values: impl IntoIterator<Item = (PathId, ValueRef<'v>)>,
        hit: impl FnMut(MatchId),
    ) {
        let mut fields: Fields<'v> = std::mem::take(&mut self.fields);
        fields.fill(values);
        self.matches_fields(fields, hit);
    }

    /// Calls `hit` with every member whose filter admits a JSON object, once each, in no particular order.
    ///
    /// The text is read in one pass, without a document, and not at all while no filter names a path. Returns whether it could be
    /// read: of a payload that is not a JSON object nothing is known, and only filters that ask for nothing admit it, as with
    /// [`matches_unreadable`](Self::matches_unreadable).
    pub fn matches_json(&mut self, payload: &[u8], hit: impl FnMut(MatchId)) -> bool {
        let projection = self.index.projection();
        let mut fields: Fields<'_> = std::mem::take(&mut self.fields);
        if !projection.is_empty() && projection.from_json(payload, &mut fields).is_err() {
            self.fields = fields.emptied();
            self.matches_unreadable(hit);
            return false;
        }
        self.matches_fields(fields, hit);
        true
    }

    /// Calls `hit` with every member whose filter admits these attributes, once each, in no particular order.
    ///
    /// Attributes stand in place of a payload, so what they do not name is missing.
    pub fn matches_attributes(&mut self, attributes: &Attributes, hit: impl FnMut(MatchId)) {
        let projection = self.index.projection();
        let mut fields: Fields<'_> = std::mem::take(&mut self.fields);
        projection.from_attributes(attributes, &mut fields);
        self.matches_fields(fields, hit);
    }

    /// Calls `hit` with every member whose filter admits something of which nothing can be read: those that ask for nothing.
    ///
    /// A field of it is not even missing, since nobody knows.
    pub fn matches_unreadable(&self, mut hit: impl FnMut(MatchId)) {
        self.index
            .matches_nothing_known(|sharers| sharers.as_slice().iter().copied().for_each(&mut hit));
    }

    fn matches_fields(&mut self, fields: Fields<'_>, mut hit: impl FnMut(MatchId)) {
        self.index.matches(&fields, &mut self.scratch, |sharers| {
            sharers.as_slice().iter().copied().for_each(&mut hit);
        });
        self.fields = fields.emptied();
    }
}

/// Who shares a filter, in no particular order. Two words: filters that nobody shares are the usual ones, and each is met in
/// memory that is cold.
enum Sharers {
    None,
    One(MatchId),
    #[allow(clippy::box_collection)]
    Many(Box<Vec<MatchId>>),
}

impl Sharers {
    fn as_slice(&self) -> &[MatchId] {
        match self {
            Sharers::None => &[],
            Sharers::One(id) => std::slice::from_ref(id),
            Sharers::Many(ids) => ids,
        }
    }

    fn push(&mut self, id: MatchId) {
        match self {
            Sharers::None => *self = Sharers::One(id),
            Sharers::One(first) => *self = Sharers::Many(Box::new(vec![*first, id])),
            Sharers::Many(ids) => ids.push(id),
        }
    }

    /// Takes the one at a place out; the last one takes the place.
    fn swap_remove(&mut self, place: usize) {
        let Sharers::Many(ids) = self else {
            *self = Sharers::None;
            return;
        };
        ids.swap_remove(place);
        match ids[..] {
            [] => *self = Sharers::None,
            [last] => *self = Sharers::One(last),
            _ if ids.len() * 4 < ids.capacity() => ids.shrink_to(ids.len() * 2),
            _ => {}
        }
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matcher")
            .field("len", &self.len())
            .field("distinct", &self.distinct())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
