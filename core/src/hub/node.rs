//! A routing node: a topic or a pattern, and the feeds of those who asked for it.
//!
//! Both kinds are the same thing to a subscription: unfiltered feeds, and an index
//! of filters that leads to the others. A topic also orders its publishers, numbers
//! its events, remembers which patterns match it, and may keep history.
//!
//! # Invariants
//!
//! - `order` is held by a publisher from before it looks at the admissions until it
//!   has appended to the last feed: overlapping publishers of one topic are in the
//!   same order in every feed. Nobody who joins or leaves waits for it.
//! - `admissions` is held for look-ups and changes only, never while events are
//!   appended or parsed.
//! - Once `gone` is set, the node is out of its table and stays empty: whoever finds
//!   it looks the name up again.

use super::{history::History, outlet::Outlet, projection::View};
use crate::{
    backplane::Name as Wanted,
    index::{EntryId, FilterIndex},
    metrics::TopicMeters,
    pattern::Pattern,
    predicate::Filter,
    sync::{Arc, Mutex},
    topic::Topic,
};

pub(crate) struct Node {
    pub(crate) name: Name,
    /// The offset of the topic's next event.
    pub(crate) order: Mutex<u64>,
    admissions: Mutex<Admissions>,
    /// Fixed when the topic first appears.
    pub(crate) history: Option<Box<History>>,
}

pub(crate) enum Name {
    Topic(Topic),
    Pattern(Pattern),
}

impl Name {
    /// As a backplane knows it.
    pub(crate) fn wanted(&self) -> Wanted {
        match self {
            Name::Topic(topic) => Wanted::Topic(topic.clone()),
            Name::Pattern(pattern) => Wanted::Pattern(pattern.clone()),
        }
    }
}

#[derive(Default)]
pub(crate) struct Admissions {
    /// The feeds of selectors without a filter.
    pub(crate) open: Feeds,
    more: Option<Box<More>>,
}

/// What most topics do without.
#[derive(Default)]
pub(crate) struct More {
    pub(crate) filtered: Option<Box<FilterIndex<Feeds>>>,
    /// The patterns that match this topic, as of change number `patterns_seen`.
    pub(crate) patterns: Vec<Arc<Node>>,
    pub(crate) patterns_seen: u64,
    pub(crate) view: Option<View>,
    pub(crate) counters: Option<Arc<TopicMeters>>,
}

impl Node {
    pub(crate) fn topic(topic: Topic, first_offset: u64, history: Option<Box<History>>) -> Self {
        Node {
            name: Name::Topic(topic),
            order: Mutex::new(first_offset),
            admissions: Mutex::default(),
            history,
        }
    }

    pub(crate) fn pattern(pattern: Pattern) -> Self {
        Node {
            name: Name::Pattern(pattern),
            order: Mutex::new(0),
            admissions: Mutex::default(),
            history: None,
        }
    }

    pub(crate) fn admissions(&self) -> &Mutex<Admissions> {
        &self.admissions
    }

    /// The topic's name; patterns have none.
    pub(crate) fn topic_name(&self) -> Option<&Topic> {
        match &self.name {
            Name::Topic(topic) => Some(topic),
            Name::Pattern(_) => None,
        }
    }

    /// Whether the topic has history that a subscription may come back for.
    pub(crate) fn keeps_history(&self) -> bool {
        self.history
            .as_ref()
            .is_some_and(|history| history.held().0 > 0)
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        match &self.name {
            Name::Topic(topic) => topic.as_str(),
            Name::Pattern(pattern) => pattern.as_str(),
        }
    }
}

impl Admissions {
    /// Whether the node is out of its table.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.open, Feeds::Gone)
    }

    /// Notes that the node, which is empty, is out of its table.
    pub(crate) fn go(&mut self) {
        debug_assert!(self.has_no_feeds());
        self.open = Feeds::Gone;
    }

    pub(crate) fn more(&self) -> Option<&More> {
        self.more.as_deref()
    }

    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The filters here, if there are any.
    pub(crate) fn filtered(&self) -> Option<&FilterIndex<Feeds>> {
        self.more.as_ref()?.filtered.as_deref()
    }

    /// The feeds of a selector with this filter, to be added to.
    pub(crate) fn feeds_mut(&mut self, filter: Option<&Filter>) -> (&mut Feeds, Option<EntryId>) {
        let Some(filter) = filter else {
            return (&mut self.open, None);
        };
        let index = self
            .more_mut()
            .filtered
            .get_or_insert_with(|| Box::new(FilterIndex::new()));
        let entry = match index.find(filter) {
            Some(entry) => entry,
            None => index.insert(filter.clone(), Feeds::None),
        };
        (index.get_mut(entry), Some(entry))
    }

    /// Takes a feed out, and its filter if it was the last one with it. What comes back
    /// is to be dropped outside the lock.
    #[must_use]
    pub(crate) fn remove(
        &mut self,
        entry: Option<EntryId>,
        outlet: &Arc<Outlet>,
    ) -> Option<Filter> {
        let Some(entry) = entry else {
            self.open.remove(outlet);
            return None;
        };
        let index = self.filtered_mut()?;
        let feeds = index.get_mut(entry);
        if !feeds.remove(outlet) || !feeds.is_empty() {
            return None;
        }
        let (filter, _) = index.remove(entry);
        if index.is_empty()
            && let Some(more) = &mut self.more
        {
            more.filtered = None;
            more.view = None;
        }
        Some(filter)
    }

    /// Empties the node of all feeds, because the hub ends.
    pub(crate) fn take_outlets(&mut self, outlets: &mut Vec<Arc<Outlet>>) {
        outlets.extend_from_slice(std::mem::replace(&mut self.open, Feeds::Gone).as_slice());
        if let Some(index) = self.more.take().and_then(|more| more.filtered) {
            index
                .values()
                .for_each(|feeds| outlets.extend_from_slice(feeds.as_slice()));
        }
    }

    pub(crate) fn filtered_mut(&mut self) -> Option<&mut FilterIndex<Feeds>> {
        self.more.as_mut()?.filtered.as_deref_mut()
    }

    /// Whether neither a subscription nor a counter needs the node. The patterns that
    /// it matches are found again if it comes back.
    pub(crate) fn is_empty(&self) -> bool {
        let counted = self.more().is_some_and(|more| more.counters.is_some());
        self.has_no_feeds() && !counted
    }

    pub(crate) fn has_no_feeds(&self) -> bool {
        self.open.is_empty()
            && self
                .more
                .as_ref()
                .and_then(|more| more.filtered.as_ref())
                .is_none_or(|index| index.is_empty())
    }
}

/// The feeds of one selector in one node: nearly always one.
#[derive(Default)]
pub(crate) enum Feeds {
    #[default]
    None,
    /// None, and never any more: the node is out of its table.
    Gone,
    One(Arc<Outlet>),
    /// Boxed twice over so that a `Feeds` stays two words.
    #[allow(clippy::box_collection)]
    Many(Box<Vec<Arc<Outlet>>>),
}

impl Feeds {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Feeds::None | Feeds::Gone)
    }

    pub(crate) fn as_slice(&self) -> &[Arc<Outlet>] {
        match self {
            Feeds::None | Feeds::Gone => &[],
            Feeds::One(outlet) => std::slice::from_ref(outlet),
            Feeds::Many(outlets) => outlets,
        }
    }

    pub(crate) fn push(&mut self, outlet: Arc<Outlet>) {
        *self = match std::mem::take(self) {
            Feeds::None | Feeds::Gone => Feeds::One(outlet),
            Feeds::One(first) => Feeds::Many(Box::new(vec![first, outlet])),
            Feeds::Many(mut outlets) => {
                outlets.push(outlet);
                Feeds::Many(outlets)
            }
        };
    }

    /// Takes a feed out. O(feeds of this selector), which differ in limits only.
    pub(crate) fn remove(&mut self, outlet: &Arc<Outlet>) -> bool {
        match self {
            Feeds::One(one) if Arc::ptr_eq(one, outlet) => {
                *self = Feeds::None;
                true
            }
            Feeds::Many(outlets) => {
                let Some(at) = outlets.iter().position(|o| Arc::ptr_eq(o, outlet)) else {
                    return false;
                };
                outlets.swap_remove(at);
                if outlets.len() == 1 {
                    *self = outlets.pop().map_or(Feeds::None, Feeds::One);
                }
                true
            }
            _ => false,
        }
    }
}
