//! How many subscribers a server has, and when it had but so many left.

use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use crate::clock::now;

#[derive(Default)]
pub(super) struct Audience(Mutex<Seats>);

#[derive(Default)]
struct Seats {
    taken: usize,
    watchers: Vec<(usize, mpsc::Sender<u64>)>,
}

impl Audience {
    pub(super) fn join(&self) {
        self.seats().taken += 1;
    }

    pub(super) fn leave(&self) {
        let mut seats = self.seats();
        seats.taken -= 1;
        let taken = seats.taken;
        seats.watchers.retain(|(left, tell)| {
            if taken > *left {
                return true;
            }
            // Fails when the one who asked has gone.
            let _ = tell.send(now());
            false
        });
    }

    /// The time when no more than so many are left.
    pub(super) fn watch(&self, left: usize) -> mpsc::Receiver<u64> {
        let (tell, told) = mpsc::channel();
        let mut seats = self.seats();
        match seats.taken > left {
            true => seats.watchers.push((left, tell)),
            false => {
                let _ = tell.send(now());
            }
        }
        told
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
