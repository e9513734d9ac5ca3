//! The hub-wide byte budget: who holds events, and who gives them up.
//!
//! Feeds and histories that hold something stand in a register. When the hub is over
//! its budget, they are asked in turn to give up the older half of what they hold,
//! until the sum fits: no feed is emptied while others keep everything, and each
//! event given up was paid for by its append. Those who lose are told as in any
//! other overflow.

use indexmap::IndexMap;

use super::{core::Core, node::Node, outlet::Outlet};
use crate::{
    feed::Shed,
    metrics::Gauge,
    sync::{Arc, AtomicBool, Mutex, Ordering, fence},
};

pub(crate) struct Pressure {
    /// Bytes.
    budget: u64,
    register: Mutex<Register>,
}

#[derive(Default)]
struct Register {
    /// By the address of what each holder keeps alive.
    holders: IndexMap<usize, Holder, ahash::RandomState>,
    /// Whose turn it is.
    turn: usize,
}

#[derive(Clone)]
enum Holder {
    Feed(Arc<Outlet>),
    History(Arc<Node>),
}

impl Holder {
    fn address(&self) -> usize {
        match self {
            Holder::Feed(outlet) => Arc::as_ptr(outlet).addr(),
            Holder::History(node) => Arc::as_ptr(node).addr(),
        }
    }

    /// The mark that says that it stands in the register.
    fn mark(&self) -> Option<&AtomicBool> {
        match self {
            Holder::Feed(outlet) => Some(&outlet.feed.registered),
            Holder::History(node) => node.history.as_ref().map(|history| &history.registered),
        }
    }

    fn holds(&self) -> bool {
        match self {
            Holder::Feed(outlet) => outlet.feed.live() > 0 && outlet.feed.holds(),
            Holder::History(node) => node.keeps_history(),
        }
    }

    fn press(&self, shed: &mut Shed) -> bool {
        match self {
            Holder::Feed(outlet) => outlet.feed.press(shed),
            Holder::History(node) => node.history.as_ref().is_some_and(|h| h.press(shed)),
        }
    }
}

impl Pressure {
    pub(crate) fn new(budget: u64) -> Self {
        Pressure {
            budget,
            register: Mutex::default(),
        }
    }

    pub(crate) fn budget(&self) -> u64 {
        self.budget
    }

    /// Enters a feed that has got an event; one load when it stands there already.
    pub(crate) fn feed_holds(&self, outlet: &Arc<Outlet>) {
        if !outlet.feed.registered.load(Ordering::Relaxed) {
            self.enter(Holder::Feed(Arc::clone(outlet)));
            // The last reader may have left after this feed was routed to, and found
            // nothing to strike off: one of the two sees the other.
            fence(Ordering::SeqCst);
            if outlet.feed.live() == 0 {
                self.strike(&Holder::Feed(Arc::clone(outlet)));
            }
        }
    }

    /// Enters a topic whose history has got an event.
    pub(crate) fn history_holds(&self, node: &Arc<Node>) {
        let history = node.history.as_ref();
        if history.is_some_and(|history| !history.registered.load(Ordering::Relaxed)) {
            self.enter(Holder::History(Arc::clone(node)));
        }
    }

    fn enter(&self, holder: Holder) {
        let mut register = self.register.lock();
        if let Some(mark) = holder.mark() {
            mark.store(true, Ordering::Relaxed);
        }
        let before = register.holders.insert(holder.address(), holder);
        drop(register);
        drop(before);
    }

    /// Strikes a feed off that has no reader any more.
    pub(crate) fn leave(&self, outlet: &Arc<Outlet>) {
        fence(Ordering::SeqCst);
        if outlet.feed.registered.load(Ordering::Relaxed) {
            self.strike(&Holder::Feed(Arc::clone(outlet)));
        }
    }

    /// Strikes a holder off; the reference in the register is dropped outside the lock.
    fn strike(&self, holder: &Holder) {
        let mut register = self.register.lock();
        if let Some(mark) = holder.mark() {
            mark.store(false, Ordering::Relaxed);
        }
        let struck = register.holders.swap_remove(&holder.address());
        let (len, room) = (register.holders.len(), register.holders.capacity());
        if room > 64 && len * 8 < room {
            register.holders.shrink_to(len * 2);
        }
        drop(register);
        drop(struck);
    }

    pub(crate) fn clear(&self) {
        let register = std::mem::take(&mut *self.register.lock());
        for mark in register.holders.values().filter_map(Holder::mark) {
            mark.store(false, Ordering::Relaxed);
        }
        drop(register);
    }
}

impl Register {
    /// The next holder in turn.
    fn next(&mut self) -> Option<Holder> {
        self.turn += 1;
        if self.turn >= self.holders.len() {
            self.turn = 0;
        }
        let (_, holder) = self.holders.get_index(self.turn)?;
        Some(holder.clone())
    }
}

impl Core {
    /// Whether `weight` more bytes would exceed the hub's budget. Two loads in the usual
    /// case.
    pub(crate) fn is_short_of(&self, weight: usize) -> bool {
        let budget = self.pressure.budget;
        let weight = weight as u64;
        let estimate = self.gauge.estimate() + self.log_gauge.estimate();
        estimate + 2 * Gauge::ERROR + weight > budget
            && self.gauge.total() + self.log_gauge.total() + weight > budget
    }

    /// Makes sure that `weight` more bytes fit into the hub's budget, as far as the
    /// hub's own logs can see to it: what subscribers keep for themselves stays. No lock
    /// may be held.
    pub(crate) fn make_room(&self, weight: usize) {
        let mut idle = 0;
        while self.is_short_of(weight) {
            let (holder, holders) = {
                let mut register = self.pressure.register.lock();
                (register.next(), register.holders.len())
            };
            let Some(holder) = holder else { return };
            let mut shed = Shed::default();
            if holder.press(&mut shed) {
                idle = 0;
            } else {
                idle += 1;
                self.strike_if_idle(&holder);
            }
            self.account(&mut shed);
            if idle > holders {
                // What is left is held by subscribers who keep events, not by the hub.
                return;
            }
        }
    }

    /// Strikes a holder off that was found empty, and forgets the topic of a history.
    ///
    /// A publisher appends first and looks at the mark afterwards, and both go through
    /// the log's lock: one that appended before the second look here is seen by it, one
    /// that appends later sees the mark gone and enters the holder anew.
    fn strike_if_idle(&self, holder: &Holder) {
        self.pressure.strike(holder);
        if holder.holds() {
            self.pressure.enter(holder.clone());
        } else if let Holder::History(node) = holder {
            self.forget_node(Arc::clone(node));
        }
    }

    /// Lets go of what histories hold past its age, and of topics left empty by it.
    pub(crate) fn expire_histories(&self) {
        let holders: Vec<_> = {
            let register = self.pressure.register.lock();
            register.holders.values().cloned().collect()
        };
        holders
            .iter()
            .for_each(|holder| self.expire_history(holder));
    }

    /// The same for whoever is next in turn: what an event of a topic with history does
    /// for the others.
    pub(crate) fn expire_next_history(&self) {
        let holder = self.pressure.register.lock().next();
        if let Some(holder) = holder {
            self.expire_history(&holder);
        }
    }

    fn expire_history(&self, holder: &Holder) {
        let Holder::History(node) = holder else {
            return;
        };
        let Some(history) = &node.history else { return };
        let mut shed = Shed::default();
        if history.expire(self.clock.now(), &mut shed) {
            self.strike_if_idle(holder);
        }
        self.account(&mut shed);
    }
}
