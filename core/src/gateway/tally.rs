//! Which share of the connections single events were sent to.
//!
//! Lanes count what they send event by event, each for itself, and an event is sent
//! again when a slow reader catches up. So the latest events are kept open for a while
//! and whatever comes in about one is added up; what is older is closed and counted
//! once. What comes in about an event that is closed is too little and too late to
//! matter.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::{event::Event, metrics::ShareHistogram, topic::Topic};

/// Events that are kept open.
const OPEN: usize = 256;

#[derive(Default)]
pub(super) struct Tally(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    open: VecDeque<Sent>,
    /// The latest time at which a closed event was published.
    horizon: u64,
    closed: ShareHistogram,
}

struct Sent {
    topic: Topic,
    offset: u64,
    published: u64,
    to: u64,
    /// Connections that there were.
    of: u64,
}

impl Tally {
    /// An event was sent to so many connections more, of so many.
    pub(super) fn add(&self, event: &Event, to: u64, of: u64) {
        let counts = &mut *self.0.lock();
        let (topic, offset) = (event.topic(), event.position().offset);
        let mut known = counts.open.iter_mut().rev();
        if let Some(sent) = known.find(|sent| sent.offset == offset && sent.topic == *topic) {
            sent.to += to;
            return;
        }
        let published = event.published_nanos();
        if published <= counts.horizon {
            return;
        }
        counts.open.push_back(Sent {
            topic: topic.clone(),
            offset,
            published,
            to,
            of,
        });
        if counts.open.len() > OPEN
            && let Some(oldest) = counts.open.pop_front()
        {
            counts.horizon = counts.horizon.max(oldest.published);
            counts.closed.record(oldest.to, oldest.of);
        }
    }

    pub(super) fn snapshot(&self) -> ShareHistogram {
        let counts = self.0.lock();
        let mut shares = counts.closed.clone();
        for sent in &counts.open {
            shares.record(sent.to, sent.of);
        }
        shares
    }
}
