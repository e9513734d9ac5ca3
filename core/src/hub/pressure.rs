//! The hub-wide byte budget: who holds events, and who gives them up.
//!
//! Feeds and histories that hold something stand in a register. When the hub is over
//! its budget, they are asked in turn to give up the older half of what they hold,
//! until the sum fits: no feed is emptied while others keep everything, and each
//! event given up was paid for by its append. Those who lose are told as in any
//! other overflow.

use super::{
    core::Core,
    node::Node,
    outlet::{Outlet, UNREGISTERED},
};
use crate::{
    feed::Shed,
    metrics::Gauge,
    sync::{Arc, AtomicU32, Mutex, Ordering},
};

pub(crate) struct Pressure {
    /// Bytes.
    budget: u64,
    register: Mutex<Register>,
}

#[derive(Default)]
struct Register {
    holders: Vec<Option<Holder>>,
    free: Vec<u32>,
    /// Whose turn it is.
    turn: usize,
}

#[derive(Clone)]
enum Holder {
    Feed(Arc<Outlet>),
    History(Arc<Node>),
}

impl Holder {
    fn place(&self) -> Option<&AtomicU32> {
        match self {
            Holder::Feed(outlet) => Some(&outlet.registered),
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
        if outlet.registered.load(Ordering::Relaxed) == UNREGISTERED {
            self.enter(Holder::Feed(Arc::clone(outlet)));
        }
    }

    /// Enters a topic whose history has got an event.
    pub(crate) fn history_holds(&self, node: &Arc<Node>) {
        let place = node.history.as_ref().map(|history| &history.registered);
        if place.is_some_and(|place| place.load(Ordering::Relaxed) == UNREGISTERED) {
            self.enter(Holder::History(Arc::clone(node)));
        }
    }

    fn enter(&self, holder: Holder) {
        let mut register = self.register.lock();
        let Some(place) = holder.place() else { return };
        if place.load(Ordering::Relaxed) != UNREGISTERED {
            return;
        }
        let at = register.free.pop();
        let at = at.unwrap_or(register.holders.len() as u32);
        place.store(at, Ordering::Relaxed);
        match register.holders.get_mut(at as usize) {
            Some(empty) => *empty = Some(holder),
            None => register.holders.push(Some(holder)),
        }
    }

    /// Strikes a feed off. The reference is dropped outside the lock.
    pub(crate) fn leave(&self, outlet: &Outlet) {
        self.strike(&outlet.registered);
    }

    fn strike(&self, place: &AtomicU32) {
        if place.load(Ordering::Relaxed) == UNREGISTERED {
            return;
        }
        let mut register = self.register.lock();
        let at = place.swap(UNREGISTERED, Ordering::Relaxed);
        if at == UNREGISTERED {
            return;
        }
        let holder = register.holders[at as usize].take();
        register.free.push(at);
        if register.free.len() == register.holders.len() {
            *register = Register::default();
        }
        drop(register);
        drop(holder);
    }

    pub(crate) fn clear(&self) {
        let mut register = self.register.lock();
        let holders = std::mem::take(&mut *register).holders;
        let places = holders.iter().flatten().filter_map(Holder::place);
        places.for_each(|place| place.store(UNREGISTERED, Ordering::Relaxed));
        drop(register);
        drop(holders);
    }
}

impl Register {
    /// The next holder in turn.
    fn next(&mut self) -> Option<Holder> {
        let places = self.holders.len();
        for _ in 0..places {
            self.turn = (self.turn + 1) % places;
            if let Some(holder) = &self.holders[self.turn] {
                return Some(holder.clone());
            }
        }
        None
    }
}

impl Core {
    /// Makes sure that `weight` more bytes fit into the hub's budget, as far as the
    /// hub's own logs can see to it. One load in the usual case. No lock may be held.
    pub(crate) fn make_room(&self, weight: usize) {
        let budget = self.pressure.budget;
        let weight = weight as u64;
        if self.gauge.estimate() + Gauge::ERROR + weight <= budget {
            return;
        }
        let mut idle = 0;
        while self.gauge.total() + weight > budget {
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
                if let Some(place) = holder.place() {
                    self.pressure.strike(place);
                }
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
            let nodes = register
                .holders
                .iter()
                .flatten()
                .filter_map(|holder| match holder {
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
                self.pressure.strike(&history.registered);
                self.table.forget(&node, true);
            }
            self.account(&mut shed);
        }
    }
}
