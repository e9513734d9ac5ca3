//! Which of a few copies of a counter a thread writes.
//!
//! A counter that every publish touches must not travel between cores, so each is
//! kept a few times, a cache line apart, and each thread writes one copy. Reading
//! sums the copies: exact once the writers are quiet, never torn.

use std::cell::Cell;

use crate::sync::counters::{AtomicU32, Ordering};

/// Copies kept of each counter. More threads than that share them.
pub(crate) const STRIPES: usize = 16;

static NEXT: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static MINE: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// The stripe of the calling thread, given out in turn.
pub(crate) fn mine() -> usize {
    // A thread on its way out has lost its locals; any stripe serves it.
    MINE.try_with(|mine| {
        if mine.get() == u32::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES as u32);
        }
        mine.get() as usize
    })
    .unwrap_or(0)
}
