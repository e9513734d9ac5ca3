//! What the backplane counts: written by its thread, but for what is refused at the call;
//! read by any.

use crate::{
    backplane::Counts,
    sync::counters::{AtomicU64, Ordering},
};

/// One number.
#[derive(Debug, Default)]
pub(crate) struct Figure(AtomicU64);

impl Figure {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of them; what each counts says [`Counts`].
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) arrived: Figure,
    pub(crate) sent: Figure,
    /// Of those that were queued.
    pub(crate) failed: Figure,
    /// Those that were not even queued.
    pub(crate) refused: Figure,
    pub(crate) voided: Figure,
    pub(crate) gaps: Figure,
    pub(crate) lost: Figure,
    pub(crate) repaired: Figure,
    pub(crate) duplicates: Figure,
    pub(crate) unreadable: Figure,
    /// Numbered events later than 900 ms.
    pub(crate) late: Figure,
    pub(crate) attempts: Figure,
    pub(crate) connections: Figure,
    /// Probes later than 900 ms.
    pub(crate) late_probes: Figure,
    /// Names that are wanted, and not yet heard.
    pub(crate) joining: Figure,
    /// Panics of what is called out to, and of our own.
    pub(crate) panics: Figure,
}

impl Figures {
    /// Probes and numbered events later than 900 ms.
    pub(crate) fn all_late(&self) -> u64 {
        self.late.get() + self.late_probes.get()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            arrived: self.arrived.get(),
            sent: self.sent.get(),
            failed: self.failed.get() + self.refused.get(),
            voided: self.voided.get(),
            gaps: self.gaps.get(),
            lost: self.lost.get(),
            repaired: self.repaired.get(),
            duplicates: self.duplicates.get(),
            unreadable: self.unreadable.get(),
            attempts: self.attempts.get(),
            connections: self.connections.get(),
        }
    }
}
