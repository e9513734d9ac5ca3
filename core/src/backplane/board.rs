//! Where a backplane posts how it is, and who waits for the next change.
//!
//! A change is another condition, or another set of reasons; figures alone are none. Each
//! has a number, so that whoever asks "since" misses none that is still true.
//!
//! # Invariants
//!
//! - Nobody is called under the lock, and everybody who waits is called once: by a change,
//!   or by the end.

use super::health::Health;
use crate::{sync::Mutex, wake::contained};

/// To be called on the next change.
type Told = Box<dyn FnOnce() + Send>;

/// The latest state, for any thread to read.
#[derive(Default)]
pub(crate) struct Board(Mutex<Posted>);

#[derive(Default)]
struct Posted {
    health: Health,
    waiting: Vec<Told>,
    ended: bool,
}

impl Board {
    /// With what is so before anything happens.
    pub(crate) fn new(health: Health) -> Self {
        Board(Mutex::new(Posted {
            health,
            ..Posted::default()
        }))
    }

    /// Posts how it is now.
    pub(crate) fn post(&self, mut health: Health) {
        let waiting = {
            let mut posted = self.0.lock();
            let news = differs(&posted.health, &health);
            health.revision = posted.health.revision + u64::from(news);
            posted.health = health;
            if !news {
                return;
            }
            std::mem::take(&mut posted.waiting)
        };
        tell(waiting);
    }

    /// What was posted last.
    pub(crate) fn latest(&self) -> Health {
        self.0.lock().health.clone()
    }

    /// Calls once the latest is not the one of this revision: at once if so already, or if
    /// there will be no change any more.
    pub(crate) fn when_changed(&self, seen: u64, told: Told) {
        {
            let mut posted = self.0.lock();
            if !posted.ended && posted.health.revision == seen {
                posted.waiting.push(told);
                return;
            }
        }
        told();
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.0.lock().waiting.len()
    }

    /// Nothing will be posted any more.
    pub(crate) fn end(&self) {
        let waiting = {
            let mut posted = self.0.lock();
            posted.ended = true;
            std::mem::take(&mut posted.waiting)
        };
        tell(waiting);
    }
}

/// Who waits is foreign: a fault of one is kept from the others.
fn tell(waiting: Vec<Told>) {
    for told in waiting {
        contained(told);
    }
}

fn differs(old: &Health, new: &Health) -> bool {
    let codes = |health: &Health| {
        let mut codes: Vec<_> = health.reasons.iter().map(|reason| reason.code).collect();
        codes.sort_unstable();
        codes.dedup();
        codes
    };
    old.condition != new.condition || codes(old) != codes(new)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use super::*;
    use crate::backplane::{Condition, Reason};

    fn with(code: &'static str, text: &str) -> Health {
        Health {
            condition: Condition::Degraded,
            reasons: vec![Reason {
                code,
                condition: Condition::Degraded,
                text: text.into(),
            }],
            ..Health::default()
        }
    }

    #[test]
    fn words_and_figures_are_no_change_and_codes_are() {
        let board = Board::default();
        let calls = Arc::new(AtomicU64::new(0));
        let counted = || calls.load(Ordering::Relaxed);
        let wait = |seen| {
            let calls = Arc::clone(&calls);
            let told = move || {
                calls.fetch_add(1, Ordering::Relaxed);
            };
            board.when_changed(seen, Box::new(told));
            counted()
        };
        assert_eq!(wait(0), 0);
        board.post(Health {
            queued_bytes: 7,
            ..Health::default()
        });
        assert_eq!((counted(), board.latest().revision), (0, 0));
        board.post(with("late", "950 ms"));
        assert_eq!((counted(), board.latest().revision), (1, 1));
        // Whoever has not seen that one is called at once; whoever has, waits.
        assert_eq!(wait(0), 2);
        assert_eq!(wait(1), 2);
        board.post(with("late", "990 ms"));
        assert_eq!((counted(), board.latest().revision), (2, 1));
        board.post(with("silent", ""));
        assert_eq!((counted(), board.latest().revision), (3, 2));
        assert_eq!(wait(2), 3);
        board.when_changed(2, Box::new(|| panic!("a fault of who waits")));
        assert_eq!(wait(2), 3);
        board.end();
        assert_eq!(counted(), 5);
        assert_eq!(wait(2), 6);
    }
}
