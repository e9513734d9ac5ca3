//! Step one of an event's way: which feeds admit it.
//!
//! The locks taken here cover look-ups only. Fields are pulled out of the payload
//! between two of them; if a filter that names a new path came in meanwhile, the
//! event is looked at once more.

use std::cell::RefCell;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    core::Core,
    node::{Admissions, Feeds, Node},
    outlet::Outlet,
    projection::{self, Indexes, View},
};
use crate::{
    fields::{Attributes, Fields},
    index::{FilterIndex, Scratch},
    metrics::TopicMeters,
    sync::{Arc, StdArc},
};

/// The feeds that admit an event, each once.
#[derive(Default)]
pub(crate) struct Hits {
    pub(crate) outlets: SmallVec<[Arc<Outlet>; 8]>,
    /// The topic is counted by itself here.
    pub(crate) counters: Option<Arc<TopicMeters>>,
    /// Some filter wanted to look into a payload that is not JSON.
    pub(crate) unreadable: bool,
}

impl Hits {
    fn add(&mut self, feeds: &Feeds) {
        let live = feeds
            .as_slice()
            .iter()
            .filter(|outlet| outlet.feed.live() > 0);
        self.outlets.extend(live.cloned());
    }

    fn add_all(&mut self, admissions: &Admissions) {
        self.add(&admissions.open);
        if let Some(index) = admissions.filtered() {
            index.values().for_each(|feeds| self.add(feeds));
        }
    }

    /// Removes feeds that two nodes led to.
    fn unite(&mut self) {
        if self
            .outlets
            .iter()
            .filter(|outlet| outlet.may_repeat())
            .count()
            > 1
        {
            self.outlets.sort_unstable_by_key(Arc::as_ptr);
            self.outlets.dedup_by(|a, b| Arc::ptr_eq(a, b));
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
}

impl Core {
    /// The feeds that admit an event of this topic. The caller holds the topic's order.
    ///
    /// `None` when the topic is out of its table: then it is to be looked up again.
    pub(crate) fn route(
        &self,
        topic: &Arc<Node>,
        payload: &Bytes,
        attributes: &Attributes,
    ) -> Option<Hits> {
        let mut hits = Hits::default();
        let (indexes, view) = {
            let mut admissions = topic.admissions().lock();
            if admissions.is_gone() {
                return None;
            }
            self.patterns.sync(topic.as_str(), &mut admissions);
            hits.add(&admissions.open);
            let Some(more) = admissions.more() else {
                return Some(hits);
            };
            hits.counters = more.counters.clone();
            if more.patterns.is_empty() {
                if more.filtered.is_none() {
                    return Some(hits);
                }
                if !attributes.is_empty() {
                    if let Some(index) = admissions.filtered_mut() {
                        match_attributes(index, attributes, &mut hits);
                    }
                    return Some(hits);
                }
            }
            let mut indexes = Indexes::new();
            indexes.push(Arc::clone(topic));
            indexes.extend(more.patterns.iter().cloned());
            (indexes, more.view.clone())
        };
        for pattern in &indexes[1..] {
            hits.add(&pattern.admissions().lock().open);
        }
        self.route_filtered(topic, indexes, view, payload, attributes, &mut hits);
        hits.unite();
        Some(hits)
    }

    /// The feeds that any event of this topic may be admitted to. The caller holds the
    /// topic's order. `None` as for [`route`](Core::route).
    pub(crate) fn route_any(&self, topic: &Arc<Node>) -> Option<Hits> {
        let mut hits = Hits::default();
        let patterns = {
            let mut admissions = topic.admissions().lock();
            if admissions.is_gone() {
                return None;
            }
            self.patterns.sync(topic.as_str(), &mut admissions);
            hits.add_all(&admissions);
            admissions.more().map(|more| more.patterns.clone())
        };
        for pattern in patterns.iter().flatten() {
            hits.add_all(&pattern.admissions().lock());
        }
        hits.unite();
        Some(hits)
    }

    fn route_filtered(
        &self,
        topic: &Arc<Node>,
        indexes: Indexes,
        view: Option<View>,
        payload: &Bytes,
        attributes: &Attributes,
        hits: &mut Hits,
    ) {
        let mut current = view;
        loop {
            let view = match current.take() {
                Some(view) if view.versions == projection::versions(&indexes) => view,
                _ => {
                    let view = projection::view(&indexes);
                    topic.admissions().lock().more_mut().view = Some(view.clone());
                    view
                }
            };
            if view.versions.iter().all(|version| *version == 0) {
                return;
            }
            let mut fields = Fields::new();
            hits.unreadable = false;
            if !attributes.is_empty() {
                view.projection.from_attributes(attributes, &mut fields);
            } else if !view.projection.is_empty() {
                hits.unreadable = view.projection.from_json(payload, &mut fields).is_err();
            }
            let before = hits.outlets.len();
            let stale = indexes.iter().zip(&view.versions).any(|(node, version)| {
                let admissions = node.admissions().lock();
                let Some(index) = admissions.filtered() else {
                    return false;
                };
                if index.paths_version() + 1 != *version {
                    return true;
                }
                if hits.unreadable {
                    index.matches_nothing_known(|feeds| hits.add(feeds));
                } else {
                    matches(index, &fields, hits);
                }
                false
            });
            if !stale {
                return;
            }
            hits.outlets.truncate(before);
        }
    }
}

/// Attributes are so quickly looked at that the node's lock is kept meanwhile.
fn match_attributes(index: &mut FilterIndex<Feeds>, attributes: &Attributes, hits: &mut Hits) {
    let projection = StdArc::clone(index.projection());
    let mut fields = Fields::new();
    projection.from_attributes(attributes, &mut fields);
    matches(index, &fields, hits);
}

fn matches(index: &FilterIndex<Feeds>, fields: &Fields<'_>, hits: &mut Hits) {
    SCRATCH.with_borrow_mut(|scratch| index.matches(fields, scratch, |feeds| hits.add(feeds)));
}
