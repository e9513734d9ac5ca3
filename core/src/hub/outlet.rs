//! A feed together with where it hangs in the routes.
//!
//! Subscriptions and lanes hold an [`Outlet`]; nodes hold it too, until the last
//! subscription has gone and it has been unhooked.

use std::borrow::Borrow;

use smallvec::SmallVec;

use super::{
    core::Core,
    node::{Name, Node},
};
use crate::{
    feed::{Feed, Limits},
    index::EntryId,
    predicate::Filter,
    selector::Selector,
    subscription::CloseReason,
    sync::{Arc, AtomicU32, Mutex, Ordering, StdArc},
};

pub(crate) struct Outlet {
    pub(crate) feed: Feed<Context>,
    hook: Hook,
}

/// What all feeds with equal limits share: the limits, and the hub. One word.
#[derive(Clone)]
pub(crate) struct Context(Arc<(Limits, StdArc<Core>)>);

impl Context {
    pub(crate) fn new(limits: Limits, core: &StdArc<Core>) -> Self {
        Context(Arc::new((limits, StdArc::clone(core))))
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.0
    }

    /// Whether nobody else holds it.
    pub(crate) fn is_unused(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn is_same(&self, other: &Context) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Borrow<Limits> for Context {
    fn borrow(&self) -> &Limits {
        self.limits()
    }
}

/// Where a feed is hooked in.
enum Hook {
    /// A selector of one name.
    One { node: Arc<Node>, entry: AtomicU32 },
    /// A selector of several names, or a subscription of its own.
    Several(Box<Several>),
}

pub(crate) struct Several {
    pub(crate) selector: Mutex<Selector>,
    pub(crate) links: Mutex<Vec<Link>>,
    /// Not shared with other subscriptions, equal selector or not.
    pub(crate) private: bool,
}

/// One place in one node.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) node: Arc<Node>,
    /// `None` among the unfiltered ones.
    pub(crate) entry: Option<EntryId>,
}

/// Some places of a feed; nearly always one.
pub(crate) type Links = SmallVec<[Link; 1]>;

/// The entry number that stands for "unfiltered".
const OPEN: u32 = u32::MAX;

impl Outlet {
    /// A feed that equal selectors of one name share.
    pub(crate) fn shared(context: &Context, node: &Arc<Node>) -> Arc<Self> {
        let hook = Hook::One {
            node: Arc::clone(node),
            entry: AtomicU32::new(OPEN),
        };
        Outlet::new(context, hook)
    }

    /// A feed of several names, or one that is not shared.
    pub(crate) fn several(context: &Context, selector: Selector, private: bool) -> Arc<Self> {
        let hook = Hook::Several(Box::new(Several {
            selector: Mutex::new(selector),
            links: Mutex::default(),
            private,
        }));
        Outlet::new(context, hook)
    }

    fn new(context: &Context, hook: Hook) -> Arc<Self> {
        Arc::new(Outlet {
            feed: Feed::new(context.clone(), 0),
            hook,
        })
    }

    /// The hub.
    pub(crate) fn core(&self) -> &StdArc<Core> {
        &self.feed.context().0.1
    }

    /// Why a subscription is disconnected that stood at `cursor` and has missed something.
    pub(crate) fn why_ended(&self, cursor: u64) -> CloseReason {
        match self.feed.has_overrun(cursor) {
            true => CloseReason::SlowConsumer,
            false => CloseReason::Lost,
        }
    }

    /// Whether a subscription with an equal selector of one name may join.
    pub(crate) fn is_shared_by(&self, context: &Context) -> bool {
        matches!(self.hook, Hook::One { .. }) && self.feed.context().is_same(context)
    }

    /// Whether an event may reach this feed by more than one node.
    pub(crate) fn may_repeat(&self) -> bool {
        matches!(self.hook, Hook::Several(_))
    }

    pub(crate) fn several_names(&self) -> Option<&Several> {
        match &self.hook {
            Hook::One { .. } => None,
            Hook::Several(several) => Some(several),
        }
    }

    /// Remembers where it was hooked in.
    pub(crate) fn hooked(&self, node: &Arc<Node>, entry: Option<EntryId>) {
        match &self.hook {
            Hook::One { entry: place, .. } => {
                let number = entry.map_or(OPEN, |entry| entry.to_u32());
                place.store(number, Ordering::Release);
            }
            Hook::Several(several) => several.links.lock().push(Link {
                node: Arc::clone(node),
                entry,
            }),
        }
    }

    /// Takes up to `max` of its places off the list, to be unhooked by the caller.
    pub(crate) fn take_links(&self, max: usize) -> Links {
        match &self.hook {
            Hook::One { node, entry } => {
                let number = entry.load(Ordering::Acquire);
                let entry = (number != OPEN).then(|| EntryId::from_u32(number));
                let node = Arc::clone(node);
                Links::from([Link { node, entry }])
            }
            Hook::Several(several) => {
                let mut links = several.links.lock();
                let keep = links.len().saturating_sub(max);
                links.drain(keep..).collect()
            }
        }
    }

    /// Puts places back that could not be unhooked yet. A feed of one name never
    /// forgets its place.
    pub(crate) fn put_links_back(&self, links: Links) {
        if let Hook::Several(several) = &self.hook {
            several.links.lock().extend(links);
        }
    }

    /// Whether there are places left to be unhooked from, for a feed of several names.
    pub(crate) fn has_links(&self) -> bool {
        match &self.hook {
            Hook::One { .. } => false,
            Hook::Several(several) => !several.links.lock().is_empty(),
        }
    }

    /// Takes the places in certain nodes off the list.
    pub(crate) fn take_links_if(&self, mut which: impl FnMut(&Node) -> bool) -> Vec<Link> {
        match &self.hook {
            Hook::One { .. } => Vec::new(),
            Hook::Several(several) => {
                let mut links = several.links.lock();
                let (taken, kept) = links.drain(..).partition(|link| which(&link.node));
                *links = kept;
                taken
            }
        }
    }

    /// How many places it is hooked into.
    pub(crate) fn places(&self) -> usize {
        match &self.hook {
            Hook::One { .. } => 1,
            Hook::Several(several) => several.links.lock().len(),
        }
    }

    /// The selector, as it stands now; `filter` looks up the filter of a place.
    pub(crate) fn selector(
        &self,
        filter: impl FnOnce(&Node, Option<EntryId>) -> Option<Filter>,
    ) -> Selector {
        match &self.hook {
            Hook::One { node, entry } => {
                let number = entry.load(Ordering::Acquire);
                let entry = (number != OPEN).then(|| EntryId::from_u32(number));
                let mut selector = match &node.name {
                    Name::Topic(topic) => Selector::from(topic.clone()),
                    Name::Pattern(pattern) => Selector::from(pattern.clone()),
                };
                selector.filter = filter(node, entry);
                selector
            }
            Hook::Several(several) => several.selector.lock().clone(),
        }
    }

    /// Notes that the subscription's names have changed.
    pub(crate) fn set_selector(&self, selector: Selector) {
        if let Hook::Several(several) = &self.hook {
            let before = std::mem::replace(&mut *several.selector.lock(), selector);
            drop(before);
        }
    }
}
