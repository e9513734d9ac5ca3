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
    /// Makes sure that `weight` more bytes fit into the hub's budget, as far as the
    /// hub's own logs can see to it. One load in the usual case. No lock may be held.
    pub(crate) fn make_room(&self, weight: usize) {
        let budget = self.pressure.budget;
        let weight = weight as u64;
        let estimate = self.gauge.estimate() + self.log_gauge.estimate();
        if estimate + 2 * Gauge::ERROR + weight <= budget {
            return;
        }
        let mut idle = 0;
        while self.gauge.total() + self.log_gauge.total() + weight > budget {
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
                self.pressure.strike(&holder);
                if let Holder::History(node) = &holder {
                    self.table.forget(node, true);
                }
            }
            self.account(&mut shed);
            if idle > holders {
                // What is left is held by subscribers who keep events, not by the hub.
                return;
            }
        }
    }

    /// Lets go of what histories hold past its age, and of topics left empty by it.
    pub(crate) fn expire_histories(&self) {
        let now = self.clock.now();
        let nodes: Vec<_> = {
            let register = self.pressure.register.lock();
            let nodes = register.holders.values().filter_map(|holder| match holder {
                Holder::History(node) => Some(Arc::clone(node)),
                Holder::Feed(_) => None,
            });
            nodes.collect()
        };
        for node in nodes {
            let Some(history) = &node.history else {
                continue;
            };
            let mut shed = Shed::default();
            if history.expire(now, &mut shed) {
                self.pressure.strike(&Holder::History(Arc::clone(&node)));
                self.table.forget(&node, true);
            }
            self.account(&mut shed);
        }
    }
}
