//! What the parts of a hub share.

use hashbrown::HashMap;

use super::{
    herald::Herald,
    history::Rule,
    node::Node,
    outlet::{Context, Outlet},
    patterns::Patterns,
    pressure::Pressure,
    reaper::Reaper,
    room::Room,
    table::Table,
};
use crate::{
    backplane::{Backplane, Bell, End, Inlet, Name, Notes},
    clock::Clock,
    event::Position,
    feed::{Ending, Limits, Losses, Shed},
    metrics::{Gauge, Meters},
    selector::Selector,
    sync::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, StdArc},
    topic::Topic,
    wake::contained,
};

pub(crate) struct Core {
    pub(crate) clock: Clock,
    /// Names this hub's counting of offsets.
    pub(crate) epoch: u64,
    pub(crate) table: Table,
    pub(crate) patterns: Patterns,
    /// Selectors of several names, so that equal ones share a feed.
    pub(crate) registry: Mutex<HashMap<(Selector, Limits), Arc<Outlet>, ahash::RandomState>>,
    /// One allocation per distinct set of limits.
    contexts: Mutex<Contexts>,
    pub(crate) default_limits: Limits,
    pub(crate) rules: Vec<Rule>,
    /// Live subscriptions.
    pub(crate) live: AtomicU64,
    pub(crate) meters: Meters,
    /// Bytes of events.
    pub(crate) gauge: Arc<Gauge>,
    /// Bytes of the logs that hold them.
    pub(crate) log_gauge: Gauge,
    pub(crate) pressure: Pressure,
    pub(crate) reaper: Reaper,
    pub(crate) herald: Herald,
    pub(crate) room: Room,
    pub(crate) max_topic_counters: usize,
    pub(crate) strict_filters: bool,
    /// Topics that are counted by themselves.
    pub(crate) counted: Mutex<HashMap<Topic, Arc<Node>, ahash::RandomState>>,
    /// What joins it with other machines, if anything does.
    pub(crate) backplane: Option<Box<dyn Backplane>>,
    /// Names that may have come or gone; for the backplane.
    pub(crate) interest: Notes<Name>,
    /// Rings for those who wait for changes of the backplane's health.
    pub(crate) health_bell: StdArc<Bell>,
    closed: AtomicBool,
    pub(crate) end: End,
}

#[derive(Default)]
struct Contexts {
    /// Of subscriptions that ask for nothing special.
    default: Option<Context>,
    others: HashMap<Limits, Context, ahash::RandomState>,
}

/// What a builder decides.
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) bytes: u64,
    pub(crate) shards: usize,
    pub(crate) rules: Vec<Rule>,
    pub(crate) waking: super::Waking,
    pub(crate) max_topic_counters: usize,
    pub(crate) strict_filters: bool,
    pub(crate) backplane: Option<Box<dyn Backplane>>,
}

impl Core {
    pub(crate) fn new(settings: Settings) -> StdArc<Self> {
        let clock = Clock::start();
        let core = StdArc::new(Core {
            clock,
            // Random, and never 0: two hubs do not take each other's positions.
            epoch: ahash::RandomState::new().hash_one(clock.now()) | 1,
            table: Table::new(settings.shards),
            patterns: Patterns::default(),
            registry: Mutex::default(),
            contexts: Mutex::default(),
            default_limits: settings.limits,
            rules: settings.rules,
            live: AtomicU64::new(0),
            meters: Meters::default(),
            gauge: Arc::new(Gauge::default()),
            log_gauge: Gauge::default(),
            pressure: Pressure::new(settings.bytes),
            reaper: Reaper::new(),
            herald: Herald::new(settings.waking),
            room: Room::default(),
            max_topic_counters: settings.max_topic_counters,
            strict_filters: settings.strict_filters,
            counted: Mutex::default(),
            backplane: settings.backplane,
            interest: Notes::new(),
            health_bell: StdArc::default(),
            closed: AtomicBool::new(false),
            end: End::new(),
        });
        if let Some(backplane) = &core.backplane {
            backplane.attach(Inlet::new(&core));
        }
        core
    }

    /// Where a topic that keeps history stands.
    pub(crate) fn position(&self, topic: &Topic) -> Option<Position> {
        let ruled = |rule: &Rule| rule.topics.matches(topic.as_str());
        if !self.rules.iter().any(ruled) {
            return None;
        }
        let node = self.topic_node(topic);
        let next = *node.order.lock();
        // Perhaps made for this look alone: its count is remembered, as of any topic that goes.
        self.forget_node(node);
        Some(Position {
            epoch: self.epoch,
            offset: next - 1,
        })
    }

    /// What feeds with these limits share.
    pub(crate) fn context(self: &StdArc<Self>, limits: Limits) -> Context {
        let Contexts { default, others } = &mut *self.contexts.lock();
        if limits == self.default_limits {
            return default
                .get_or_insert_with(|| Context::new(limits, self))
                .clone();
        }
        if others.len() > 1_024 {
            // Limits made up per subscription: forget those that nobody uses any more.
            others.retain(|_, context| !context.is_unused());
        }
        let context = others.entry(limits);
        context
            .or_insert_with(|| Context::new(limits, self))
            .clone()
    }

    /// Forgets what feeds share: it holds the hub, as the hub holds it.
    pub(crate) fn forget_contexts(&self) {
        let contexts = std::mem::take(&mut *self.contexts.lock());
        drop(contexts);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Accounts for what a log gave up. The events themselves are dropped with `shed`,
    /// which is why no lock may be held here.
    #[inline]
    pub(crate) fn account(&self, shed: &mut Shed) {
        if !shed.events.is_empty() || shed.grown != 0 || shed.losses.any() {
            self.account_for(shed);
        }
    }

    fn account_for(&self, shed: &mut Shed) {
        self.log_gauge.shift(std::mem::take(&mut shed.grown));
        let losses = std::mem::take(&mut shed.losses);
        if losses != Losses::default() {
            self.meters.lost(losses);
        }
        self.room.made();
        // A payload may be anybody's buffer, with a destructor that panics.
        for event in shed.events.drain(..) {
            contained(|| drop(event));
        }
    }

    /// Ends everything: subscriptions get what is left in their feeds, then the end. What
    /// the backplane has yet to do it does by itself: see [`End`].
    pub(crate) fn close(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.end.begin(self.backplane.as_deref());
        let mut outlets = Vec::new();
        let mut collect = |node: &Arc<Node>| {
            let mut admissions = node.admissions().lock();
            admissions.take_outlets(&mut outlets);
        };
        self.table.for_each(&mut collect);
        self.patterns.for_each(&mut collect);
        self.table.clear();
        self.patterns.clear();
        self.registry.lock().clear();
        self.forget_contexts();
        self.counted.lock().clear();
        self.pressure.clear();
        for outlet in outlets {
            outlet.feed.close(Ending::HubClosed);
            drop(outlet.take_links(usize::MAX));
        }
        self.reaper.clear();
        self.herald.stop();
        self.room.made();
    }
}
