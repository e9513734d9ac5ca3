//! How long the readers of a loop may keep it, and how many are woken at a time.
//!
//! A reader that always finds something never gives the loop back by itself, and one whose
//! handling is slow keeps it longer than another. So both are measured: a reader stops when
//! the slice is over, and a turn wakes as many as the last ones needed half a slice for.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// Sleepers woken in the first turn, before anything is measured.
const START: usize = 8;
/// Sleepers woken in one turn at most. More would not spare any more turns worth counting.
const MOST: usize = 512;

/// Reads between two looks at the clock, at most.
const LONGEST: u32 = 32;

/// The clock of one lane. Only its loop's thread writes.
pub(crate) struct Slice {
    born: Instant,
    length: Duration,
    /// When the turn began, in nanoseconds after `born`.
    began: AtomicU64,
    over: AtomicBool,
    /// Reads until the clock is looked at, and how many to wait then.
    reads: AtomicU32,
    stride: AtomicU32,
    /// What was spent at the last look, in nanoseconds.
    looked: AtomicU64,
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
            reads: AtomicU32::new(1),
            stride: AtomicU32::new(1),
            looked: AtomicU64::new(0),
            batch: AtomicUsize::new(START),
        }
    }

    fn spent(&self) -> Duration {
        let began = Duration::from_nanos(self.began.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(began)
    }

    /// Whether it is used up. Asked before each read; a look at the clock costs as much as a
    /// read, so where reads are short only every so many look.
    pub(crate) fn is_over(&self) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return true;
        }
        let reads = self.reads.load(Ordering::Relaxed) - 1;
        if reads > 0 {
            self.reads.store(reads, Ordering::Relaxed);
            return false;
        }
        let spent = self.spent();
        let before = Duration::from_nanos(self.looked.load(Ordering::Relaxed));
        let stride = match spent.saturating_sub(before) < self.length / 32 {
            true => (self.stride.load(Ordering::Relaxed) * 2).min(LONGEST),
            false => 1,
        };
        self.stride.store(stride, Ordering::Relaxed);
        self.reads.store(stride, Ordering::Relaxed);
        self.looked
            .store(spent.as_nanos() as u64, Ordering::Relaxed);
        let over = spent > self.length;
        self.over.store(over, Ordering::Relaxed);
        over
    }

    /// Begins a turn. `full`: the one before woke as many as it might, and this one follows
    /// at once. How many it may wake.
    pub(crate) fn begin(&self, full: bool) -> usize {
        let mut batch = self.batch.load(Ordering::Relaxed);
        if full {
            let spent = self.spent();
            if spent > self.length {
                let fit = self.length.as_secs_f64() / 2.0 / spent.as_secs_f64();
                batch = ((batch as f64 * fit) as usize).max(1);
            } else if spent < self.length / 2 {
                batch = (batch * 2).min(MOST);
            }
            self.batch.store(batch, Ordering::Relaxed);
        }
        let now = self.born.elapsed().as_nanos() as u64;
        self.began.store(now, Ordering::Relaxed);
        self.over.store(false, Ordering::Relaxed);
        self.looked.store(0, Ordering::Relaxed);
        batch
    }
}
