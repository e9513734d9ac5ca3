//! Who waits for a change of the health of several servers.
//!
//! Each server tells once, when it is asked; so there is one question open at each, however
//! many wait and however often they ask. The whole has a revision that rises with each
//! server's.
//!
//! # Invariants
//!
//! - Who has seen the latest revision is called by the next, or once no server has any more
//!   to tell.
//! - Nobody is called under the lock.

use crate::sync::Mutex;

/// To be called once.
pub(super) type Told = Box<dyn FnOnce() + Send>;

/// Those who wait, and the revision that each has seen.
#[derive(Default)]
pub(super) struct Waiters(Mutex<Vec<(u64, Told)>>);

impl Waiters {
    pub(super) fn add(&self, seen: u64, told: Told) {
        self.0.lock().push((seen, told));
    }

    /// Those who are to be called at this revision; everybody if it is the last.
    pub(super) fn take(&self, revision: u64, last: bool) -> Vec<Told> {
        let mut waiting = self.0.lock();
        let called = waiting.extract_if(.., |(seen, _)| last || *seen < revision);
        called.map(|(_, told)| told).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// Whether a server is asked for its next change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Asked {
    #[default]
    No,
    Yes,
    /// It has no more to tell.
    Over,
}
