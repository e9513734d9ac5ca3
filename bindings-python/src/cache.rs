//! The Python objects of events that were just read, for the next reader of the same ones.
//!
//! Bounded by number, and by time: who reads an event that others read as well does so soon.
//! The owner sweeps now and then for as long as there is anything; what no reader asked for
//! between two sweeps goes. Where it does not sweep, it is told that there is something again.
//!
//! Batches are kept as a whole too: subscriptions that stand at the same place are lent the
//! same run of events, and get the same tuple of it.

use distributary as engine;
use engine::Batch;
use pyo3::{prelude::*, types::PyTuple};

use crate::event::Event;

/// Events that are kept at most; a power of two.
const EVENTS: usize = 1024;
/// Batches that are kept at most.
const BATCHES: usize = 4;

#[derive(Default)]
pub(crate) struct Cache {
    /// By a hash of what tells events apart. Empty or of `EVENTS` slots.
    slots: Vec<Option<Kept>>,
    batches: Vec<KeptBatch>,
    /// The owner will sweep.
    awaits: bool,
    /// The owner is over and sweeps no more: nothing is kept.
    closed: bool,
}

struct Kept {
    event: Py<Event>,
    /// Asked for since the last sweep.
    used: bool,
}

struct KeptBatch {
    /// Held, so that no other run comes to lie in its place.
    batch: Batch,
    events: Py<PyTuple>,
    used: bool,
}

/// What leaves the cache, to be dropped outside of locks.
#[derive(Default)]
pub(crate) struct Gone {
    _events: Vec<Kept>,
    _batches: Vec<KeptBatch>,
}

fn slot(event: &engine::Event) -> usize {
    // Offsets count by topic. Where an event lies tells it from all others that are held.
    let topic = event.topic().as_str().as_ptr().addr();
    let payload = event.payload().as_ptr().addr();
    let mixed = (topic ^ payload.rotate_left(16)) as u64 ^ event.position().offset;
    let mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (u64::BITS - EVENTS.trailing_zeros())) as usize
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
        if self.closed {
            return Some(event);
        }
        if self.slots.is_empty() {
            self.slots.resize_with(EVENTS, || None);
        }
        let slot = slot(event.get().event());
        let kept = Kept { event, used: true };
        self.slots[slot].replace(kept).map(|before| before.event)
    }

    /// The objects of a batch, if it is here as it is.
    pub(crate) fn batch(&mut self, py: Python<'_>, batch: &Batch) -> Option<Py<PyTuple>> {
        let same = |kept: &&mut KeptBatch| std::ptr::eq::<[engine::Event]>(&*kept.batch, &**batch);
        let kept = self.batches.iter_mut().find(same)?;
        kept.used = true;
        Some(kept.events.clone_ref(py))
    }

    /// Keeps the objects of a batch.
    pub(crate) fn put_batch(&mut self, batch: Batch, events: Py<PyTuple>) -> Gone {
        let mut gone = Gone::default();
        let kept = KeptBatch {
            batch,
            events,
            used: true,
        };
        if self.closed {
            gone._batches.push(kept);
            return gone;
        }
        if self.batches.len() == BATCHES {
            gone._batches.push(self.batches.remove(0));
        }
        self.batches.push(kept);
        gone
    }

    /// Takes out what nobody asked for since the last sweep; the rest stays for one more.
    /// Whether there is a rest.
    pub(crate) fn sweep(&mut self) -> (Gone, bool) {
        let mut gone = Gone::default();
        let mut stays = false;
        for slot in &mut self.slots {
            if let Some(kept) = slot {
                if std::mem::take(&mut kept.used) {
                    stays = true;
                } else {
                    gone._events.extend(slot.take());
                }
            }
        }
        if !stays {
            self.slots = Vec::new();
        }
        let unused = |kept: &mut KeptBatch| !std::mem::take(&mut kept.used);
        gone._batches.extend(self.batches.extract_if(.., unused));
        self.awaits = stays || !self.batches.is_empty();
        (gone, self.awaits)
    }

    /// The owner will sweep. Whether that is news.
    pub(crate) fn await_sweep(&mut self) -> bool {
        !self.closed && !std::mem::replace(&mut self.awaits, true)
    }

    /// Keeps nothing any more. What it had.
    pub(crate) fn close(&mut self) -> Cache {
        let closed = Cache {
            closed: true,
            ..Cache::default()
        };
        std::mem::replace(self, closed)
    }
}
