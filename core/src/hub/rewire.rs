//! Adding and removing names of a subscription that lives, any number in one change: it is
//! planned as a whole, and refused as a whole, before anything is done.
//!
//! A subscription that changes its names leaves the feed that it shared for one of
//! its own, once. Nothing may be lost or doubled on the way, though publishers are at
//! work:
//!
//! 1. the new feed is hooked in everywhere, so events go into both;
//! 2. each topic's order is taken and given back once, so that no publisher is left
//!    that has seen only the old routes;
//! 3. what is unread in the old feed is looked up, and the orders are taken once more,
//!    so that whoever was between the two feeds has been to both;
//! 4. what was unread is put in front of what the new feed has got, each event once.
//!    Until then the new feed keeps everything, whatever its budget.
//!
//! The same wait makes removal exact: when it returns, nothing of the name will come,
//! and what was waiting unread is gone.

use smallvec::SmallVec;

use super::{
    core::Core,
    history::Backlog,
    node::{Name, Node},
    outlet::Outlet,
    subscribe::SubscribeError,
};
use crate::{
    event::Event,
    feed::{Ending, NO_SLOT, Next, Shed},
    names::Names,
    pattern::Pattern,
    selector::{MAX_NAMES, Selector, SelectorError},
    sync::{Arc, StdArc},
    topic::Topic,
};

/// Names to be added or removed.
pub(crate) enum Change {
    Add(Names),
    Remove(Names),
}

impl Change {
    pub(crate) fn topic(name: impl AsRef<str>, adds: bool) -> Result<Self, SelectorError> {
        Ok(Change::of(Topic::new(name)?.into(), adds))
    }

    pub(crate) fn pattern(text: impl AsRef<str>, adds: bool) -> Result<Self, SelectorError> {
        Ok(Change::of(Pattern::new(text.as_ref())?.into(), adds))
    }

    fn of(names: Names, adds: bool) -> Self {
        match adds {
            true => Change::Add(names),
            false => Change::Remove(names),
        }
    }
}

/// A change of a certain selector that can be made, and alters it.
pub(crate) struct Rewiring {
    /// What was not there and is to be, or the other way round.
    names: Selector,
    adds: bool,
    /// What the selector becomes.
    becomes: Selector,
}

impl Rewiring {
    /// How many names come or go.
    pub(crate) fn len(&self) -> usize {
        self.names.names()
    }
}

impl Core {
    /// What a change comes to; `None` if the selector stays as it is.
    pub(crate) fn rewiring(
        &self,
        outlet: &Outlet,
        change: &Change,
    ) -> Result<Option<Rewiring>, SubscribeError> {
        let mut becomes = self.selector_of(outlet);
        let (names, adds) = match change {
            Change::Add(names) => (becomes.insert(&names.0), true),
            Change::Remove(names) => (becomes.remove(&names.0), false),
        };
        match becomes.names() {
            _ if names.names() == 0 => return Ok(None),
            0 => return Err(SelectorError::Empty.into()),
            given if adds && given > MAX_NAMES => {
                return Err(SelectorError::TooManyNames { given }.into());
            }
            _ => self.check_carried(&becomes)?,
        }
        Ok(Some(Rewiring {
            names,
            adds,
            becomes,
        }))
    }

    /// Changes the names of a reader that is counted at `cursor`, as
    /// [`rewiring`](Self::rewiring) has planned it. Its feed and cursor change if the feed
    /// was shared.
    pub(crate) fn rewire(
        self: &StdArc<Self>,
        outlet: &mut Arc<Outlet>,
        cursor: &mut u64,
        backlog: Option<&mut Backlog>,
        rewiring: Rewiring,
    ) {
        let Rewiring {
            names,
            adds,
            becomes,
        } = rewiring;
        self.make_private(outlet, cursor);
        if let Some(backlog) = backlog {
            backlog.keep(|topic| becomes.covers(topic));
        }
        match adds {
            true => self.hook_names(outlet, &names, becomes.filter.as_ref()),
            false => self.drop_names(outlet, cursor, &names, &becomes),
        }
        outlet.set_selector(becomes);
        self.tell_interest();
        self.close_if_late(outlet);
    }

    /// Ends a feed that was hooked in while the hub closed, which may have missed it.
    fn close_if_late(&self, outlet: &Outlet) {
        if self.is_closed() {
            outlet.feed.close(Ending::HubClosed);
        }
    }

    /// Takes a feed of its own out of some names, and what waits unread for those names
    /// alone out of the feed; `left` is what remains.
    fn drop_names(
        self: &StdArc<Self>,
        outlet: &Arc<Outlet>,
        cursor: &mut u64,
        names: &Selector,
        left: &Selector,
    ) {
        let links = outlet.take_links_if(|node| match &node.name {
            Name::Topic(topic) => names.has_topic(topic),
            Name::Pattern(pattern) => names.has_pattern(pattern),
        });
        for link in links {
            let mut admissions = link.node.admissions().lock();
            let dropped = admissions.remove(link.entry, outlet);
            let empty = admissions.has_no_feeds();
            drop(admissions);
            drop(dropped);
            if empty {
                self.note_interest(&link.node);
                self.forget_node(link.node);
            }
        }
        self.settle(names);
        let mut shed = Shed::default();
        *cursor = outlet.feed.with_log(|log, limits| {
            let keep = |event: &Event| left.covers(event.topic());
            log.retain_unread(*cursor, limits, keep, &mut shed)
        });
        self.account(&mut shed);
    }

    /// Moves a subscription from a shared feed to one of its own.
    fn make_private(self: &StdArc<Self>, outlet: &mut Arc<Outlet>, cursor: &mut u64) {
        if outlet
            .several_names()
            .is_some_and(|several| several.private)
        {
            return;
        }
        let selector = self.selector_of(outlet);
        outlet.feed.with_log(|log, _| log.grow());
        let own = self.hook_growing(selector.clone(), outlet.feed.context());
        let mut own_cursor = own.feed.join();
        self.settle(&selector);

        let (missed, unread) = self.unread(outlet, *cursor);
        let mut shed = Shed::default();
        outlet
            .feed
            .with_log(|log, limits| log.stop_growing(limits, &mut shed));
        self.account(&mut shed);
        // A publisher that put one of these into the old feed has by now put it into the
        // new one as well, where it is recognised.
        self.settle(&selector);
        let mut shed = Shed::default();
        own.feed.with_log(|log, limits| {
            let newer: Vec<Event> = log
                .from(own_cursor)
                .map(|(_, event)| event.clone())
                .collect();
            let newer = newer
                .into_iter()
                .filter(|event| !unread.iter().any(|old| old.is_same(event)));
            let all: Vec<Event> = unread.iter().cloned().chain(newer).collect();
            own_cursor = log.refill(all, missed, limits, &mut shed);
        });
        let old = std::mem::replace(outlet, own);
        let old_cursor = std::mem::replace(cursor, own_cursor);
        // Live counts one subscription, not two: the old place is given up for the new.
        self.live.fetch_add(1, crate::sync::Ordering::Relaxed);
        self.leave(&old, old_cursor, NO_SLOT);
        self.account(&mut shed);
    }

    /// What a reader at `cursor` has missed and has before it.
    fn unread(&self, outlet: &Arc<Outlet>, cursor: u64) -> (u64, SmallVec<[Event; 8]>) {
        outlet.feed.with_log(|log, limits| {
            let mut missed = 0;
            let mut at = cursor;
            let mut events = SmallVec::new();
            loop {
                match log.next(at, limits) {
                    Next::Nothing => return (missed, events),
                    Next::Missed {
                        missed: more,
                        cursor,
                    } => {
                        missed += more;
                        at = cursor;
                    }
                    Next::At(index) => match log.read(index) {
                        Some((event, next)) => {
                            events.push(event);
                            at = next;
                        }
                        None => return (missed, events),
                    },
                }
            }
        })
    }

    /// Waits until no publisher is at work that has looked at the routes of these
    /// names before now.
    fn settle(&self, names: &Selector) {
        for topic in &names.topics {
            if let Some(node) = self.table.find(topic.as_str()) {
                drop(node.order.lock());
            }
        }
        if names.patterns.is_empty() {
            return;
        }
        let matches = |node: &Arc<Node>| names.patterns.iter().any(|p| p.matches(node.as_str()));
        self.table.for_each(|node| {
            if matches(node) {
                drop(node.order.lock());
            }
        });
    }

    /// The selector that a feed stands for.
    pub(crate) fn selector_of(&self, outlet: &Outlet) -> Selector {
        outlet.selector(|node, entry| {
            let admissions = node.admissions().lock();
            Some(admissions.filtered()?.filter(entry?).clone())
        })
    }
}
