//! The two sources, interleaved on one clock.

use std::collections::VecDeque;

use serde::Serialize;

use crate::clock::START_MS;
use crate::mastodon::{Delete, Notification, Status, Timeline};
use crate::rng::Rng;
use crate::wikimedia::{RecentChange, RecentChanges};

/// One line of the file.
#[derive(Serialize)]
pub(crate) struct Line {
    pub(crate) topic: String,
    pub(crate) event: Event,
}

/// What is published: the entity itself, without a tag of ours around it.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Event {
    Status(Box<Status>),
    Delete(Delete),
    Notification(Box<Notification>),
    RecentChange(Box<RecentChange>),
}

/// An endless iterator over the lines of one seed.
pub(crate) struct Stream {
    rng: Rng,
    now_ms: u64,
    timeline: Timeline,
    changes: RecentChanges,
    /// One post goes out on several topics: lines made, not yet handed out.
    ready: VecDeque<Line>,
}

impl Stream {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed, "stream"),
            now_ms: START_MS,
            timeline: Timeline::new(seed),
            changes: RecentChanges::new(seed),
            ready: VecDeque::new(),
        }
    }
}

impl Iterator for Stream {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        while self.ready.is_empty() {
            self.now_ms += self.rng.range(5, 120);
            // A post makes about two lines, so that each source has its half.
            if self.rng.percent(64) {
                self.ready.push_back(self.changes.next(self.now_ms));
            } else {
                self.ready.extend(self.timeline.next(self.now_ms));
            }
        }
        self.ready.pop_front()
    }
}
