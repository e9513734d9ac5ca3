//! Sending everybody away at an even pace, so that they do not come back at once.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{millis, shard::Shard, stream::Transport};

/// A drain that is under way.
pub(super) struct Drain {
    /// Places and generations of those who have not been sent away yet.
    left: Vec<(u32, u32)>,
    total: usize,
    began: u64,
    over: u64,
    done: Vec<oneshot::Sender<()>>,
}

impl Drain {
    /// How many should be left at this time.
    fn pace(&self, now: u64) -> usize {
        let passed = now.saturating_sub(self.began).min(self.over);
        if passed == self.over {
            return 0;
        }
        let gone = self.total as u128 * u128::from(passed) / u128::from(self.over);
        self.total - gone as usize
    }

    /// Milliseconds until the next one goes.
    pub(super) fn next(&self, now: u64) -> Option<u64> {
        if self.left.is_empty() {
            return None;
        }
        let gone = (self.total - self.left.len() + 1) as u128;
        let due = (gone * u128::from(self.over)).div_ceil(self.total as u128) as u64;
        Some(self.began.saturating_add(due).saturating_sub(now))
    }
}

impl<T: Transport> Shard<T> {
    pub(super) fn begin_drain(&mut self, over: Duration, done: oneshot::Sender<()>) {
        let now = self.berths.now;
        let taken: Vec<u32> = self.berths.taken().collect();
        let left: Vec<_> = taken
            .into_iter()
            .map(|place| (place, self.berths.generation(place)))
            .collect();
        let before = self.drain.take();
        // A second one may hurry, but whoever waits for the first waits no longer for it.
        let end = before
            .as_ref()
            .map(|drain| drain.began.saturating_add(drain.over));
        let over = end.map_or(millis(over), |end| {
            millis(over).min(end.saturating_sub(now))
        });
        let mut waiting = before.map_or_else(Vec::new, |drain| drain.done);
        waiting.push(done);
        self.drain = Some(Drain {
            total: left.len(),
            left,
            began: now,
            over,
            done: waiting,
        });
        self.go_on_draining();
    }

    /// Sends away whose time has come.
    pub(super) fn go_on_draining(&mut self) {
        let now = self.berths.now;
        while let Some(drain) = &mut self.drain
            && drain.left.len() > drain.pace(now)
        {
            let Some((place, generation)) = drain.left.pop() else {
                break;
            };
            if self.berths.find(place, generation).is_some() {
                self.send_away(place);
            }
        }
        let over = self
            .drain
            .as_ref()
            .is_some_and(|drain| drain.left.is_empty());
        if over {
            // Those whose handshake was under way when it began.
            let late: Vec<u32> = self.berths.taken().collect();
            for place in late {
                self.send_away(place);
            }
        }
        self.drained();
    }

    /// Says so once nobody is left, be it because they left by themselves.
    pub(super) fn drained(&mut self) {
        if self.berths.is_empty()
            && let Some(drain) = self.drain.as_mut()
        {
            drain.left.clear();
            for done in drain.done.drain(..) {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_even() {
        let mut drain = Drain {
            left: (0..100).map(|place| (place, 0)).collect(),
            total: 100,
            began: 1_000,
            over: 10_000,
            done: Vec::new(),
        };
        let mut now = 1_000;
        let mut gone = Vec::new();
        while let Some(wait) = drain.next(now) {
            now += wait;
            assert!(
                drain.left.len() > drain.pace(now),
                "woken for nothing at {now}"
            );
            while drain.left.len() > drain.pace(now) {
                drain.left.pop();
                gone.push(now);
            }
        }
        let expected: Vec<u64> = (1..=100).map(|i| 1_000 + i * 100).collect();
        assert_eq!(gone, expected);
    }

    #[test]
    fn no_time_at_all_is_at_once() {
        let drain = Drain {
            left: vec![(0, 0)],
            total: 1,
            began: 5,
            over: 0,
            done: Vec::new(),
        };
        assert_eq!((drain.pace(5), drain.next(5)), (0, Some(0)));
    }
}
