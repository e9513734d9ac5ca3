//! What feeds with the same limits share, one of it per distinct set of limits.
//!
//! Most subscriptions have the hub's own limits. Others may have made up theirs, each its
//! own (clients of a gateway do): those are forgotten once nobody uses them, by sweeps.
//!
//! # Invariants
//!
//! - A sweep walks all of them under the lock, and one is due only when there are twice as
//!   many as the one before left: over time, a new set of limits pays for a constant number
//!   of steps, however many are in use.
//! - There are at most twice as many as were in use at the last sweep, or `FEW`.

use hashbrown::HashMap;

use super::outlet::Context;
use crate::{feed::Limits, sync::Mutex};

/// As many are not worth a sweep.
const FEW: usize = 1_024;

pub(crate) struct Contexts {
    usual: Limits,
    known: Mutex<Known>,
}

struct Known {
    /// Of subscriptions that ask for nothing special.
    usual: Option<Context>,
    others: HashMap<Limits, Context, ahash::RandomState>,
    /// As soon as there are as many, the next sweep is due.
    due: usize,
}

impl Default for Known {
    fn default() -> Self {
        Known {
            usual: None,
            others: HashMap::default(),
            due: FEW,
        }
    }
}

impl Known {
    fn sweep_if_due(&mut self) {
        if self.others.len() >= self.due {
            self.others.retain(|_, context| !context.is_unused());
            self.due = FEW.max(2 * self.others.len());
        }
    }
}

impl Contexts {
    /// None yet; most will ask for these limits.
    pub(crate) fn new(usual: Limits) -> Self {
        Contexts {
            usual,
            known: Mutex::default(),
        }
    }

    /// What feeds with these limits share.
    pub(crate) fn get(&self, limits: Limits, make: impl FnOnce() -> Context) -> Context {
        let mut known = self.known.lock();
        if limits == self.usual {
            return known.usual.get_or_insert_with(make).clone();
        }
        if let Some(context) = known.others.get(&limits) {
            return context.clone();
        }
        known.sweep_if_due();
        known.others.entry(limits).or_insert_with(make).clone()
    }

    /// Forgets them all: each holds the hub, as the hub holds them.
    pub(crate) fn forget(&self) {
        let known = std::mem::take(&mut *self.known.lock());
        drop(known);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{
        feed::{Budget, Overflow},
        hub::Hub,
    };

    /// Asks for so many distinct limits; how often all were walked for it.
    fn ask(hub: &Hub, first: usize, count: usize, held: &mut Vec<Context>) -> usize {
        let contexts = &hub.core().contexts;
        let mut sweeps = 0;
        for events in first..first + count {
            let limits = Limits {
                overflow: Overflow::DropOldest,
                budget: Budget::default().events(events).unwrap(),
            };
            let (due, len) = {
                let known = contexts.known.lock();
                (known.due, known.others.len())
            };
            held.push(contexts.get(limits, || Context::new(limits, hub.core())));
            let known = contexts.known.lock();
            // It changed what is due next, or left less than it found.
            sweeps += usize::from(known.due != due || known.others.len() <= len);
        }
        sweeps
    }

    #[test]
    fn limits_in_use_are_walked_when_they_have_doubled() {
        let hub = Hub::new();
        let mut held = Vec::new();
        // At 1,024, 2,048, 4,096 and 8,192.
        assert_eq!(ask(&hub, 2_000, 10_000, &mut held), 4);
        let again = held.clone();
        for (context, limits) in again.iter().zip(2_000..) {
            assert_eq!(context.limits().budget.events, limits);
        }
        // In use still, and known: nothing to walk for.
        drop(again);
        let known = hub.core().contexts.known.lock().others.len();
        assert_eq!(known, 10_000);
    }

    #[test]
    fn limits_that_nobody_uses_are_forgotten() {
        let hub = Hub::new();
        let mut held = Vec::new();
        for round in 0..100 {
            let sweeps = ask(&hub, 2_000 + 300 * round, 300, &mut held);
            held.clear();
            assert!(sweeps <= 1);
            let known = hub.core().contexts.known.lock().others.len();
            assert!(known <= FEW, "{known}");
        }
    }
}
