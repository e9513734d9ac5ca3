//! How long the readers of a loop may keep it, and how many are woken at a time.
//!
//! A reader that always finds something never gives the loop back by itself, and one whose
//! handling is slow keeps it longer than another. So both are measured: a reader stops when
//! the slice is over, and a turn wakes as many as the last ones needed half a slice for.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// Sleepers woken in the first turn, before anything is measured.
const START: usize = 32;
/// Sleepers woken in one turn at most. More would not spare any more turns worth counting.
const MOST: usize = 512;

/// The clock of one lane. Only its loop's thread writes.
pub(crate) struct Slice {
    born: Instant,
    length: Duration,
    /// When the turn began, in nanoseconds after `born`.
    began: AtomicU64,
    over: AtomicBool,
    /// How many the next turn wakes.
    batch: AtomicUsize,
}

impl Slice {
    pub(crate) fn new(length: Duration) -> Self {
        Slice {
            born: Instant::now(),
            length,
            began: AtomicU64::new(0),
            over: AtomicBool::new(false),
            batch: AtomicUsize::new(START),
        }
    }

    fn spent(&self) -> Duration {
        let began = Duration::from_nanos(self.began.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(began)
    }

    /// Whether it is used up.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || {
            let over = self.spent() > self.length;
            self.over.store(over, Ordering::Relaxed);
            over
        }
    }

    /// Begins a turn. `full`: the one before woke as many as it might, and this one follows
    /// at once. How many it may wake.
    pub(crate) fn begin(&self, full: bool) -> usize {
        let mut batch = self.batch.load(Ordering::Relaxed);
        if full {
            let spent = self.spent();
            if spent > self.length {
                batch = (batch / 2).max(1);
            } else if spent < self.length / 2 {
                batch = (batch * 2).min(MOST);
            }
            self.batch.store(batch, Ordering::Relaxed);
        }
        let now = self.born.elapsed().as_nanos() as u64;
        self.began.store(now, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
        batch
    }
}
