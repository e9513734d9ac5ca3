//! Hooking a selector into the routes.
//!
//! When a call here returns, the feed is hooked in everywhere it belongs and the new
//! reader stands at a cursor: an event whose publish starts later is in the feed at
//! or after it.

use std::fmt;

use super::{
    core::Core,
    history::{Backlog, Resume, ResumeError, ResumeErrorKind},
    node::Node,
    outlet::{Context, Outlet},
};
use crate::{
    feed::{BudgetError, BudgetOptions, Limits, Overflow, Shed},
    predicate::Filter,
    selector::{Selector, SelectorError},
    subscription::CloseReason,
    sync::{Arc, Ordering, StdArc},
    topic::Topic,
};

/// How a subscription is served, where it differs from the hub's default.
///
/// ```
/// use distributary::{Budget, Hub, Overflow, SubscribeOptions};
///
/// let hub = Hub::new();
/// let options = SubscribeOptions::new()
///     .overflow(Overflow::KeepLatest)
///     .budget(Budget::default().events(64)?);
/// let prices = hub.subscribe_with("prices", options)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct SubscribeOptions {
    overflow: Option<Overflow>,
    budget: BudgetOptions,
    resume: Option<Resume>,
}

impl SubscribeOptions {
    /// The hub's defaults.
    pub fn new() -> Self {
        SubscribeOptions::default()
    }

    /// What gives way when the subscription does not keep up.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = Some(overflow);
        self
    }

    /// How much may wait for the subscription: a [`Budget`](crate::Budget), or
    /// [`BudgetOptions`] whose parts that are not said are the hub's.
    pub fn budget(mut self, budget: impl Into<BudgetOptions>) -> Self {
        self.budget = budget.into();
        self
    }

    /// Takes the positions out again: without them it starts now.
    #[cfg(feature = "gateway")]
    pub(crate) fn take_resume(&mut self) -> Option<Resume> {
        self.resume.take()
    }

    /// Starts after these positions instead of now.
    pub fn resume(mut self, resume: Resume) -> Self {
        self.resume = Some(resume);
        self
    }
}

/// Why a subscription was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The selector is malformed.
    Selector(SelectorError),
    /// A budget admits nothing.
    Budget(BudgetError),
    /// The positions cannot be resumed from.
    Resume(ResumeError),
    /// The hub refuses filters that would be scanned, and this one would be.
    Unindexed {
        /// How the filter would be filed.
        explanation: String,
    },
    /// The backplane cannot hear these names from other machines.
    NotCarried {
        /// What it says.
        reason: String,
    },
    /// The lane that was to take the member in is gone.
    LaneGone,
    /// The lane has no such member: it has left or was closed, or it is another lane's.
    NoMember,
    /// The subscription that was to be changed has ended.
    Ended(CloseReason),
    /// The hub has been closed.
    Closed,
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubscribeError::Selector(error) => error.fmt(f),
            SubscribeError::Budget(error) => error.fmt(f),
            SubscribeError::Resume(error) => error.fmt(f),
            SubscribeError::Unindexed { explanation } => write!(
                f,
                "the filter cannot be indexed and this hub takes no others: add an equality, range or prefix that every match must meet ({explanation})"
            ),
            SubscribeError::NotCarried { reason } => f.write_str(reason),
            SubscribeError::LaneGone => {
                f.write_str("the lane is gone: make a new one and subscribe there")
            }
            SubscribeError::NoMember => f.write_str(
                "the lane has no such member: it has left, or its name is another lane's; subscribe anew",
            ),
            SubscribeError::Ended(reason) => {
                write!(f, "the subscription has ended ({reason}): subscribe anew")
            }
            SubscribeError::Closed => f.write_str("the hub is closed: make a new one"),
        }
    }
}

impl std::error::Error for SubscribeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Printed as they are, so the chain goes on behind them.
            SubscribeError::Selector(error) => std::error::Error::source(error),
            SubscribeError::Budget(error) => std::error::Error::source(error),
            SubscribeError::Resume(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<SelectorError> for SubscribeError {
    fn from(error: SelectorError) -> Self {
        SubscribeError::Selector(error)
    }
}

impl From<BudgetError> for SubscribeError {
    fn from(error: BudgetError) -> Self {
        SubscribeError::Budget(error)
    }
}

impl From<ResumeError> for SubscribeError {
    fn from(error: ResumeError) -> Self {
        SubscribeError::Resume(error)
    }
}

/// A selector that has been hooked in: what a subscription is made of.
pub(crate) struct Entered {
    pub(crate) outlet: Arc<Outlet>,
    /// What is to be read before the feed.
    pub(crate) backlog: Option<Box<Backlog>>,
}

impl Core {
    /// Hooks a selector in and counts a subscription. `start` makes it a reader of the
    /// feed; it runs at the one moment that splits past from future for all topics
    /// that are resumed.
    pub(crate) fn enter<C>(
        self: &StdArc<Self>,
        selector: Selector,
        options: SubscribeOptions,
        start: impl FnOnce(&Arc<Outlet>) -> C,
    ) -> Result<(Entered, C), SubscribeError> {
        if self.is_closed() {
            return Err(SubscribeError::Closed);
        }
        if self.strict_filters
            && let Some(filter) = &selector.filter
            && !filter.is_indexed()
        {
            return Err(SubscribeError::Unindexed {
                explanation: filter.explain().to_string(),
            });
        }
        self.check_carried(&selector)?;
        let context = self.context_of(&options)?;
        let Some(resume) = options.resume else {
            let outlet = self.hook(selector, &context);
            let started = start(&outlet);
            return Ok((self.entered(outlet, None), started));
        };
        self.enter_from(selector, resume, &context, start)
    }

    /// Refuses names that the backplane cannot hear.
    pub(crate) fn check_carried(&self, selector: &Selector) -> Result<(), SubscribeError> {
        let refused = self
            .backplane
            .as_ref()
            .and_then(|backplane| backplane.refuses(selector));
        refused.map_or(Ok(()), |reason| Err(SubscribeError::NotCarried { reason }))
    }

    fn context_of(self: &StdArc<Self>, options: &SubscribeOptions) -> Result<Context, BudgetError> {
        let default = self.default_limits;
        let limits = Limits {
            overflow: options.overflow.unwrap_or(default.overflow),
            budget: options.budget.over(default.budget)?,
        };
        Ok(self.contexts.get(limits, || Context::new(limits, self)))
    }

    fn entered(&self, outlet: Arc<Outlet>, backlog: Option<Box<Backlog>>) -> Entered {
        self.live.fetch_add(1, Ordering::Relaxed);
        self.tell_interest();
        self.reap(true);
        if self.is_closed() {
            // The hub closed while this was being hooked in and may have missed it.
            outlet.feed.close(crate::feed::Ending::HubClosed);
            self.contexts.forget();
        }
        Entered { outlet, backlog }
    }

    /// With publishers of the resumed topics held off, so that each event is either in
    /// the backlog or in the feed.
    fn enter_from<C>(
        self: &StdArc<Self>,
        selector: Selector,
        resume: Resume,
        context: &Context,
        start: impl FnOnce(&Arc<Outlet>) -> C,
    ) -> Result<(Entered, C), SubscribeError> {
        let mut positions = resume.topics;
        if let Some(only) = resume.only {
            match (&selector.topics[..], selector.names()) {
                ([topic], 1) => positions.push((topic.clone(), only)),
                (topics, _) => {
                    let topic = topics.first().cloned();
                    let topic = topic.or_else(|| Topic::new(selector.patterns[0].as_str()).ok());
                    let kind = ResumeErrorKind::NotSelected;
                    return Err(match topic {
                        Some(topic) => ResumeError::new(topic, only, kind).into(),
                        None => SelectorError::Empty.into(),
                    });
                }
            }
        }
        // One order for everybody who holds several: by name.
        positions.sort_by(|(a, _), (b, _)| a.cmp(b));
        positions.dedup_by(|(a, _), (b, _)| a == b);
        if let Some((topic, position)) = positions.iter().find(|(topic, _)| !selector.covers(topic))
        {
            let kind = ResumeErrorKind::NotSelected;
            return Err(ResumeError::new(topic.clone(), *position, kind).into());
        }
        // Asked before anything is locked: should one be given up meanwhile, that is a loss of
        // its own.
        let is_heard = |(topic, _): &(Topic, _)| {
            let backplane = self.backplane.as_ref();
            backplane.is_none_or(|backplane| backplane.hears(topic))
        };
        let heard: Vec<bool> = positions.iter().map(is_heard).collect();
        let mut shed = Shed::default();
        loop {
            let nodes = positions.iter().map(|(topic, _)| self.topic_node(topic));
            let nodes: Vec<Arc<Node>> = nodes.collect();
            let mut orders: Vec<_> = nodes.iter().map(|node| node.order.lock()).collect();
            if nodes.iter().any(|node| node.admissions().lock().is_gone()) {
                // Taken out of the table between the two lines above.
                continue;
            }
            let mut backlog = Backlog::new();
            let mut resumed = positions.iter().zip(&nodes).zip(&heard).zip(&mut orders);
            let collected = resumed.try_for_each(|(((position, node), is_heard), order)| {
                backlog.collect(self, node, position, order, *is_heard, &mut shed)
            });
            if let Err(error) = collected {
                drop(orders);
                self.account(&mut shed);
                // Some may have been made for this look alone.
                nodes.into_iter().for_each(|node| self.forget_node(node));
                return Err(error.into());
            }
            let filter = selector.filter.clone();
            let outlet = self.hook(selector, context);
            let started = start(&outlet);
            drop(orders);
            self.account(&mut shed);
            let backlog = backlog.settle(filter.as_ref());
            return Ok((self.entered(outlet, backlog), started));
        }
    }

    /// The feed of a selector, hooked in, with one subscription more.
    fn hook(self: &StdArc<Self>, selector: Selector, context: &Context) -> Arc<Outlet> {
        let private = context.limits().overflow == Overflow::DropNewest;
        if private {
            return self.hook_private(selector, context);
        }
        match (&selector.topics[..], &selector.patterns[..]) {
            ([topic], []) => {
                self.hook_shared(|| self.topic_node(topic), selector.filter.as_ref(), context)
            }
            ([], [pattern]) => self.hook_shared(
                || self.patterns.find_or_insert(pattern),
                selector.filter.as_ref(),
                context,
            ),
            _ => self.hook_several(selector, context),
        }
    }

    pub(crate) fn topic_node(&self, topic: &Topic) -> Arc<Node> {
        self.table
            .find_or_insert(topic, false, |count| self.new_topic(topic.clone(), count))
    }

    /// A selector of one name: equal ones find each other in the node itself.
    fn hook_shared(
        self: &StdArc<Self>,
        node: impl Fn() -> Arc<Node>,
        filter: Option<&Filter>,
        context: &Context,
    ) -> Arc<Outlet> {
        loop {
            let node = node();
            let mut admissions = node.admissions().lock();
            if admissions.is_gone() {
                // Being taken out of its table right now: the next look finds another.
                drop(admissions);
                std::thread::yield_now();
                continue;
            }
            let (feeds, entry) = admissions.feeds_mut(filter);
            let mut feeds_here = feeds.as_slice().iter();
            if let Some(outlet) =
                feeds_here.find(|outlet| outlet.is_shared_by(context) && outlet.feed.enter())
            {
                return Arc::clone(outlet);
            }
            let outlet = Outlet::shared(context, &node);
            outlet.hooked(&node, entry);
            feeds.push(Arc::clone(&outlet));
            drop(admissions);
            self.note_interest(&node);
            return outlet;
        }
    }

    /// A selector of several names: equal ones find each other in the registry.
    fn hook_several(&self, selector: Selector, context: &Context) -> Arc<Outlet> {
        let key = (selector, *context.limits());
        if let Some(outlet) = self.registered(&key) {
            return outlet;
        }
        // Hooked in without the registry: it may be into thousands of places.
        let outlet = Outlet::several(context, key.0.clone(), false);
        self.hook_everywhere(&outlet, &key.0);
        let mut registry = self.registry.lock();
        if let Some(other) = registry.get(&key)
            && other.feed.enter()
        {
            // Somebody was quicker. This one has no reader and never gets one.
            let other = Arc::clone(other);
            drop(registry);
            self.abandon(&outlet);
            return other;
        }
        let replaced = registry.insert(key, Arc::clone(&outlet));
        drop(registry);
        drop(replaced);
        outlet
    }

    fn registered(&self, key: &(Selector, Limits)) -> Option<Arc<Outlet>> {
        let registry = self.registry.lock();
        let outlet = registry.get(key)?;
        outlet.feed.enter().then(|| Arc::clone(outlet))
    }

    /// A feed for one subscription alone.
    fn hook_private(&self, selector: Selector, context: &Context) -> Arc<Outlet> {
        let outlet = Outlet::several(context, selector.clone(), true);
        self.hook_everywhere(&outlet, &selector);
        outlet
    }

    /// The same, and it keeps everything until it is refilled.
    pub(crate) fn hook_growing(&self, selector: Selector, context: &Context) -> Arc<Outlet> {
        let outlet = Outlet::several(context, selector.clone(), true);
        outlet.feed.with_log(|log, _| log.grow());
        self.hook_everywhere(&outlet, &selector);
        outlet
    }

    fn hook_everywhere(&self, outlet: &Arc<Outlet>, selector: &Selector) {
        self.hook_names(outlet, selector, selector.filter.as_ref());
    }

    /// Hooks a feed in at each of these names, with this filter whatever theirs is.
    pub(crate) fn hook_names(
        &self,
        outlet: &Arc<Outlet>,
        names: &Selector,
        filter: Option<&Filter>,
    ) {
        for topic in &names.topics {
            self.hook_in(outlet, || self.topic_node(topic), filter);
        }
        for pattern in &names.patterns {
            self.hook_in(outlet, || self.patterns.find_or_insert(pattern), filter);
        }
    }

    fn hook_in(&self, outlet: &Arc<Outlet>, node: impl Fn() -> Arc<Node>, filter: Option<&Filter>) {
        loop {
            let node = node();
            let mut admissions = node.admissions().lock();
            if admissions.is_gone() {
                drop(admissions);
                std::thread::yield_now();
                continue;
            }
            let (feeds, entry) = admissions.feeds_mut(filter);
            feeds.push(Arc::clone(outlet));
            outlet.hooked(&node, entry);
            drop(admissions);
            self.note_interest(&node);
            return;
        }
    }

    /// Strikes a dead feed of several names out of the registry. False when the registry
    /// is busy and `wait` is not wanted.
    #[must_use]
    pub(crate) fn unregister(&self, outlet: &Arc<Outlet>, wait: bool) -> bool {
        let Some(several) = outlet.several_names() else {
            return true;
        };
        if several.private {
            return true;
        }
        let key = (several.selector.lock().clone(), *outlet.feed.limits());
        let Some(mut registry) = (match wait {
            true => Some(self.registry.lock()),
            false => self.registry.try_lock(),
        }) else {
            return false;
        };
        // A newcomer may have replaced the dead one already.
        let found = registry.get(&key).is_some_and(|o| Arc::ptr_eq(o, outlet));
        let struck = found.then(|| registry.remove(&key));
        drop(registry);
        drop(struck);
        true
    }
}
