//! One migration, as all threads see it.

use std::time::{Duration, Instant};

use ahash::RandomState;

use super::{
    counts::Counters,
    course::Course,
    roll::Roll,
    stage::{Side, Stage},
    twins::Twins,
};
use crate::{
    backplane::{Name, Origin},
    redis::Demands,
    sync::{AtomicU8, Mutex, Ordering},
    topic::{MAX_TOPIC_BYTES, Topic},
};

/// Events whose publishers are known are one within this, however late a mirror is.
const KNOWN: Duration = Duration::from_secs(60);

/// Which server of a [`Moving`](super::Moving): the first is where nothing has moved.
pub(super) type Server = usize;

/// A topic on its way.
pub(super) struct Moved {
    /// What it is called in this hub, at every stage.
    pub(super) topic: Topic,
    /// Where each side is, and what the topic is called there.
    pub(super) ends: [(Server, Topic); 2],
    /// Where hubs tell each other their stages.
    pub(super) channel: Topic,
    pub(super) quiet: Duration,
    pub(super) demands: Demands,
    pub(super) counters: Counters,
    pub(super) roll: Mutex<Roll>,
    /// Held while a stage is entered.
    pub(super) entering: Mutex<()>,
    /// What others are told of it is in the roll: there a stage counts from when it is
    /// reached.
    stage: AtomicU8,
    /// Of plain events, by their payloads.
    twins: Mutex<Twins>,
    /// Of events whose publishers are known.
    numbered: Mutex<Twins>,
    hasher: RandomState,
}

impl Moved {
    pub(super) fn new(course: &Course, onto: Server, hub: u64, stage: Stage) -> Self {
        Moved {
            ends: [(0, course.topic.clone()), (onto, course.name.clone())],
            channel: channel(&course.topic),
            topic: course.topic.clone(),
            quiet: course.quiet,
            demands: course.demands.clone(),
            counters: Counters::default(),
            roll: Mutex::new(Roll::new(hub, stage)),
            entering: Mutex::new(()),
            stage: AtomicU8::new(stage.index()),
            twins: Mutex::new(Twins::new(course.window)),
            numbered: Mutex::new(Twins::new(KNOWN)),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        Stage::from_index(self.stage.load(Ordering::Acquire))
    }

    pub(super) fn set(&self, stage: Stage) {
        self.stage.store(stage.index(), Ordering::Release);
    }

    /// The name of a side, to be listened to.
    pub(super) fn name(&self, side: Side) -> Name {
        Name::Topic(self.ends[side.index()].1.clone())
    }

    /// An event of a known publisher came by a side: whether it is to be delivered.
    pub(super) fn numbered(&self, side: Side, origin: Origin, now: Instant) -> bool {
        // The time tells events of one number apart that were published on both names.
        let hash = self.hasher.hash_one(origin);
        let first = self.numbered.lock().arrived(side, hash, now);
        self.counters.read(side, first, Some(origin), now);
        first
    }

    /// A plain event came by a side: whether it is to be delivered.
    pub(super) fn arrived(&self, side: Side, payload: &[u8], now: Instant) -> bool {
        let hash = self.hasher.hash_one(payload);
        let first = self.twins.lock().arrived(side, hash, now);
        self.counters.read(side, first, None, now);
        first
    }

    /// An event of this hub goes out, by the side that is returned.
    pub(super) fn sends(&self, payload: &[u8], now: Instant) -> Side {
        let side = self.stage().writes();
        let hash = self.hasher.hash_one(payload);
        self.twins.lock().sent(side, hash, now);
        self.counters.written(side);
        side
    }
}

/// What the channels begin with on which hubs tell each other their stages.
const CHANNELS: &str = "distributary:migration:";

/// Whether hubs tell each other their stages there. It has no mode but live and plain: a
/// log would bring what is not true any more.
pub(crate) fn is_channel(name: &str) -> bool {
    name.starts_with(CHANNELS)
}

/// Where hubs tell each other how far they are with a topic.
fn channel(topic: &Topic) -> Topic {
    let name = format!("{CHANNELS}{topic}");
    // A topic may be as long as a name can be: then its hash stands for it.
    Topic::new(&name).unwrap_or_else(|_| hashed(topic))
}

fn hashed(topic: &Topic) -> Topic {
    // The same on every machine and in every version, and no secret.
    let hash = topic
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let name = format!("{CHANNELS}#{hash:016x}");
    debug_assert!(name.len() <= MAX_TOPIC_BYTES);
    // A few dozen bytes: a topic.
    Topic::new(&name).unwrap_or_else(|_| topic.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_has_a_channel() {
        let short = Topic::new("docs").unwrap();
        assert_eq!(channel(&short).as_str(), "distributary:migration:docs");
        let [one, other] = ["a", "b"].map(|text| Topic::new(text.repeat(MAX_TOPIC_BYTES)).unwrap());
        assert_ne!(channel(&one), channel(&other));
        assert_eq!(channel(&one).as_str(), channel(&one.clone()).as_str());
        assert!(
            channel(&one)
                .as_str()
                .starts_with("distributary:migration:#")
        );
    }
}
