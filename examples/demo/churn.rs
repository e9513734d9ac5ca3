//! Connections that come and go: as many leave as join, at an even pace, from a
//! thread of their own.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use distributary::Selector;

use super::{
    Failure,
    lanes::{Entrance, Seat},
    rng::Rng,
};

/// One leaves and one joins this often: 4,000 of each in a second.
const PACE: Duration = Duration::from_micros(250);

/// How many events have gone out in the stage.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Whose publish has begun.
    pub(crate) begun: AtomicU64,
    /// Whose publish has returned.
    pub(crate) returned: AtomicU64,
}

/// What a thread that churns is given.
pub(crate) struct Churn<'a> {
    pub(crate) entrance: &'a Entrance,
    /// What those who join ask for.
    pub(crate) selector: &'a Selector,
    pub(crate) outgoing: &'a Outgoing,
    /// How many have left so far.
    pub(crate) done: &'a AtomicUsize,
    /// How many are to leave, and to join.
    pub(crate) count: usize,
    /// The number of the first who joins.
    pub(crate) first: usize,
}

/// One who joined while events went out.
pub(crate) struct Joined {
    pub(crate) seat: Seat,
    /// Events that were out before it asked: it gets none of them.
    pub(crate) not_before: u64,
    /// Events that had begun when it was in: it gets all that began later.
    pub(crate) all_after: u64,
}

/// What came of it.
pub(crate) struct Churned {
    /// How long each unsubscribe took to return.
    pub(crate) leaves: Vec<Duration>,
    pub(crate) joined: Vec<Joined>,
}

impl Churn<'_> {
    /// Lets some of `seats` leave, drawn at random, and as many others join.
    pub(crate) fn run(&self, seats: &mut Vec<Seat>, rng: &mut Rng) -> Result<Churned, Failure> {
        let mut churned = Churned {
            leaves: Vec::with_capacity(self.count),
            joined: Vec::with_capacity(self.count),
        };
        let start = Instant::now();
        for number in 0..self.count {
            // By the clock from the start: who is late does not wait.
            let due = PACE * number as u32;
            if let Some(early) = due.checked_sub(start.elapsed()) {
                thread::sleep(early);
            }
            let seat = seats.swap_remove(rng.below(seats.len()));
            churned.leaves.push(self.entrance.leave(seat));
            let not_before = self.outgoing.returned.load(SeqCst);
            let selector = self.selector.clone();
            let seat = self.entrance.join(self.first + number, selector)?;
            let all_after = self.outgoing.begun.load(SeqCst);
            churned.joined.push(Joined {
                seat,
                not_before,
                all_after,
            });
            self.done.fetch_add(1, SeqCst);
        }
        Ok(churned)
    }
}
