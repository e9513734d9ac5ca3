//! Which copy of a counter a thread writes.
//!
//! A counter that every publish touches must not travel between cores, and even an
//! uncontended locked addition costs more than the delivery it counts. So each counter
//! is kept in copies, and a thread that has a copy to itself adds by a load and a
//! store. Copies are given out to threads for as long as they live; threads beyond
//! [`OWNED`] share the last one and add with a locked instruction. Reading sums the
//! copies: exact once the writers are quiet, never torn.

use std::cell::Cell;

use crate::sync::counters::{AtomicI64, AtomicU64, Mutex, Ordering};

/// Copies that one thread has to itself.
const OWNED: usize = 32;

/// Copies kept of each counter.
pub(crate) const STRIPES: usize = OWNED + 1;

/// Copies whose thread has ended, and the first that has never been given out.
static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

/// A copy of a counter, in the hands of the calling thread.
#[derive(Clone, Copy)]
pub(crate) struct Stripe(usize);

thread_local! {
    static MINE: Owned = Owned::take();
    /// The same number where it costs no look at a destructor's state.
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Gives the copy back when its thread ends.
struct Owned(usize);

impl Owned {
    fn take() -> Self {
        let (free, next) = &mut *FREE.lock();
        Owned(free.pop().unwrap_or_else(|| {
            let number = (*next).min(OWNED);
            *next = number + 1;
            number
        }))
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // What still runs on this thread counts in the shared copy.
        NUMBER.set(OWNED);
        if self.0 < OWNED {
            FREE.lock().0.push(self.0);
        }
    }
}

impl Stripe {
    /// The calling thread's.
    #[inline]
    pub(crate) fn mine() -> Self {
        match NUMBER.get() {
            usize::MAX => Stripe::first(),
            number => Stripe(number),
        }
    }

    #[cold]
    fn first() -> Self {
        let number = MINE.try_with(|owned| owned.0).unwrap_or(OWNED);
        NUMBER.set(number);
        Stripe(number)
    }

    pub(crate) fn index(self) -> usize {
        self.0
    }

    /// Adds to this thread's copy of a counter.
    #[inline]
    pub(crate) fn add(self, counter: &AtomicU64, n: u64) {
        if self.0 < OWNED {
            let sum = counter.load(Ordering::Relaxed) + n;
            counter.store(sum, Ordering::Relaxed);
        } else {
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Adds to this thread's copy of a sum that may fall; the new value.
    #[inline]
    pub(crate) fn shift(self, counter: &AtomicI64, by: i64) -> i64 {
        if self.0 < OWNED {
            let sum = counter.load(Ordering::Relaxed) + by;
            counter.store(sum, Ordering::Relaxed);
            sum
        } else {
            counter.fetch_add(by, Ordering::Relaxed) + by
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn no_two_threads_own_one_copy() {
        let barrier = Barrier::new(OWNED + 8);
        let numbers = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..OWNED + 8)
                .map(|_| {
                    scope.spawn(|| {
                        let number = Stripe::mine().index();
                        // Nobody gives a copy back before all have one.
                        barrier.wait();
                        number
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|t| t.join().unwrap())
                .collect::<Vec<_>>()
        });
        let mut owned: Vec<_> = numbers.into_iter().filter(|n| *n < OWNED).collect();
        let all = owned.len();
        owned.sort_unstable();
        owned.dedup();
        assert_eq!(owned.len(), all);
    }

    #[test]
    fn nothing_is_lost_however_many_threads_count() {
        let counters: Vec<AtomicU64> = (0..STRIPES).map(|_| AtomicU64::new(0)).collect();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..OWNED * 2 {
                    scope.spawn(|| {
                        for _ in 0..1_000 {
                            let stripe = Stripe::mine();
                            stripe.add(&counters[stripe.index()], 1);
                        }
                    });
                }
            });
        }
        let sum: u64 = counters.iter().map(|c| c.load(Ordering::Relaxed)).sum();
        assert_eq!(sum, 3 * 2 * OWNED as u64 * 1_000);
    }
}
