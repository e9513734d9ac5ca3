//! The Python objects of events that were just read, for the next reader of the same event.
//!
//! Bounded by number, and by time: who reads an event that others read as well does so soon.
//! The owner sweeps now and then for as long as there is anything; what no reader asked for
//! between two sweeps goes.

use pyo3::prelude::*;

use distributary as engine;

use crate::event::Event;

/// Events that are kept at most; a power of two.
const MOST: usize = 1024;

#[derive(Default)]
pub(crate) struct Cache {
    /// By a hash of what tells events apart. Empty or of `MOST` slots.
    slots: Vec<Option<Kept>>,
}

struct Kept {
    event: Py<Event>,
    /// Asked for since the last sweep.
    used: bool,
}

fn slot(event: &engine::Event) -> usize {
    // Offsets count by topic; times tell topics apart, mostly.
    let since = event.published_at().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.map_or(0, |since| since.as_nanos() as u64);
    let mixed = (nanos ^ event.position().offset).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - MOST.trailing_zeros())) as usize
}

impl Cache {
    /// The object of an event, if it is here.
    pub(crate) fn get(&mut self, py: Python<'_>, event: &engine::Event) -> Option<Py<Event>> {
        let kept = self.slots.get_mut(slot(event))?.as_mut()?;
        kept.event.get().is(event).then(|| {
            kept.used = true;
            kept.event.clone_ref(py)
        })
    }

    /// Keeps an object. What had its slot is to be dropped outside of locks.
    pub(crate) fn put(&mut self, event: Py<Event>) -> Option<Py<Event>> {
        if self.slots.is_empty() {
            self.slots.resize_with(MOST, || None);
        }
        let slot = slot(event.get().event());
        let kept = Kept { event, used: true };
        self.slots[slot].replace(kept).map(|before| before.event)
    }

    /// Takes out what nobody asked for since the last sweep. The rest stays for one more.
    pub(crate) fn sweep(&mut self, gone: &mut Vec<Py<Event>>) -> bool {
        let mut stays = false;
        for slot in &mut self.slots {
            if let Some(kept) = slot {
                if std::mem::take(&mut kept.used) {
                    stays = true;
                } else {
                    gone.extend(slot.take().map(|kept| kept.event));
                }
            }
        }
        if !stays {
            self.slots = Vec::new();
        }
        stays
    }
}
