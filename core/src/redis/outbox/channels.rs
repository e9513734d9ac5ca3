//! What a publisher remembers of the topics it has numbered.
//!
//! # Invariants
//!
//! - Serials of a topic are dense, from 1, per publisher's number. A topic that was
//!   forgotten begins again at 1 under another number of the same hub: the upper sixteen
//!   bits count how often topics have been forgotten.
//! - A topic is not forgotten while an event with one of its numbers may still be sent.
//! - `kept` is the newest serial that the log said it has; `tip` the newest that is in the
//!   log or on its way there before anything that departs now.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use ahash::AHashMap as HashMap;

use super::parcel::Parcel;
use crate::{redis::log::keys::Keys, topic::Topic};

/// The part of a publisher's number that names the hub.
pub(crate) const HUB: u64 = u64::MAX >> 16;
/// One more in the other part.
const GENERATION: u64 = HUB + 1;

/// How long a topic is remembered after the last that was sent of it.
const IDLE: Duration = Duration::from_secs(600);

/// How often topics are looked through, if there are few.
const SWEEP: Duration = Duration::from_secs(60);

/// How many topics are remembered. Topics of one use come by the thousand a second: of more
/// than this and an eighth, those that were idle for longest are forgotten.
const MOST: usize = 1 << 17;

/// How often at most topics are looked through.
const RESWEEP: Duration = Duration::from_secs(1);

/// The number of a publisher's hub.
pub(crate) fn hub_of(publisher: u64) -> u64 {
    publisher & HUB
}

/// Whether a publisher's number is one of the hub that has `ours`.
pub(crate) fn is_ours(ours: u64, publisher: u64) -> bool {
    hub_of(ours) == hub_of(publisher)
}

/// One topic.
struct Channel<L> {
    publisher: u64,
    serial: u64,
    kept: u64,
    tip: u64,
    /// Of its log, if it has one.
    keys: Option<Keys>,
    /// Where its events depart.
    link: L,
    touched: Instant,
    /// Shared with events that have one of its numbers.
    alive: Rc<()>,
}

impl<L> Channel<L> {
    fn is_alive(&self) -> bool {
        Rc::strong_count(&self.alive) > 1
    }
}

/// What a departing event is given.
pub(super) struct Ticket<'a> {
    pub(super) publisher: u64,
    /// The serial that the log must have first.
    pub(super) after: u64,
    pub(super) keys: Option<&'a Keys>,
}

pub(super) struct Channels<L> {
    known: HashMap<Topic, Channel<L>>,
    /// The hub's number for topics that are first published to now.
    publisher: u64,
    swept: Option<Instant>,
}

impl<L: Copy + Eq> Channels<L> {
    pub(super) fn new(publisher: u64) -> Self {
        Channels {
            known: HashMap::new(),
            publisher: publisher & HUB,
            swept: None,
        }
    }

    /// Numbers an event, unless it is plain or has its number.
    pub(super) fn depart(
        &mut self,
        parcel: &mut Parcel,
        link: L,
        now: Instant,
    ) -> Option<Ticket<'_>> {
        if parcel.way.is_plain() {
            return None;
        }
        if !self.known.contains_key(parcel.topic()) {
            let topic = parcel.topic();
            let channel = Channel {
                publisher: self.publisher,
                serial: 0,
                kept: 0,
                tip: 0,
                keys: (parcel.way.is_logged()).then(|| Keys::new(topic.as_str(), self.publisher)),
                link,
                touched: now,
                alive: Rc::default(),
            };
            self.known.insert(topic.clone(), channel);
            parcel.serial = 0;
        }
        let channel = self.known.get_mut(parcel.topic())?;
        channel.touched = now;
        channel.link = link;
        if parcel.serial == 0 {
            channel.serial += 1;
            parcel.serial = channel.serial;
            parcel.known = Some(Rc::clone(&channel.alive));
        }
        let after = if channel.tip < parcel.serial {
            channel.tip
        } else {
            0
        };
        channel.tip = parcel.serial;
        Some(Ticket {
            publisher: channel.publisher,
            after,
            keys: channel.keys.as_ref(),
        })
    }

    /// Where a topic's events departed last.
    pub(super) fn link(&self, topic: &Topic) -> Option<L> {
        self.known.get(topic).map(|channel| channel.link)
    }

    /// The log has it.
    pub(super) fn kept(&mut self, parcel: &Parcel) {
        if let Some(channel) = self.known.get_mut(parcel.topic()) {
            channel.kept = channel.kept.max(parcel.serial);
        }
    }

    /// The log will never have it.
    pub(super) fn gone(&mut self, parcel: &Parcel) {
        if let Some(channel) = self.known.get_mut(parcel.topic())
            && channel.tip == parcel.serial
        {
            channel.tip = channel.kept;
        }
    }

    /// The log has up to this serial and no more.
    pub(super) fn behind(&mut self, topic: &Topic, serial: u64) {
        if let Some(channel) = self.known.get_mut(topic) {
            channel.kept = serial;
        }
    }

    /// Whether the log is without this one, as far as is known.
    pub(super) fn lacks(&self, parcel: &Parcel) -> bool {
        let channel = self.known.get(parcel.topic());
        channel.is_some_and(|channel| parcel.serial > channel.kept)
    }

    /// Nothing of these topics is on its way.
    pub(super) fn roll_back<'a>(&mut self, topics: impl Iterator<Item = &'a Topic>) {
        for topic in topics {
            if let Some(channel) = self.known.get_mut(topic) {
                channel.tip = channel.kept;
            }
        }
    }

    /// What the logs of these topics have is not known any more.
    pub(super) fn forget<'a>(&mut self, topics: impl Iterator<Item = &'a Topic>) {
        for topic in topics {
            if let Some(channel) = self.known.get_mut(topic) {
                channel.kept = 0;
                channel.tip = 0;
            }
        }
    }

    /// Lets go of topics that nothing was published to for long, and of the idlest if there
    /// are too many.
    pub(super) fn sweep(&mut self, now: Instant) {
        let before = self.known.len();
        let crowded = before > MOST + MOST / 8;
        let pause = if crowded { RESWEEP } else { SWEEP };
        if self.swept.is_some_and(|swept| now < swept + pause) {
            return;
        }
        self.swept = Some(now);
        let mut idle_since = now.checked_sub(IDLE);
        if crowded {
            let mut touched: Vec<Instant> = self.known.values().map(|one| one.touched).collect();
            let (_, idlest, _) = touched.select_nth_unstable(before - MOST);
            idle_since = idle_since.max(Some(*idlest));
        }
        self.known.retain(|_, channel| {
            channel.is_alive() || idle_since.is_none_or(|since| channel.touched > since)
        });
        if self.known.len() < before {
            self.publisher = self.publisher.wrapping_add(GENERATION);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Publication,
        redis::{modes::Way, outbox::queue::Posted},
    };

    #[test]
    fn topics_of_one_use_are_bounded_by_number() {
        let now = Instant::now();
        let mut channels = Channels::new(7);
        let depart = |channels: &mut Channels<u8>, name: String, now| {
            let posted = Posted {
                event: Publication::new(Topic::new(name).unwrap(), "x"),
                acknowledge: None,
                at: now,
                weight: 1,
            };
            let mut parcel = Parcel::new(posted, Way::Enveloped);
            assert!(channels.depart(&mut parcel, 0, now).is_some());
            parcel
        };
        // The oldest of them is still to be sent again.
        let kept = depart(&mut channels, "kept".into(), now);
        let mut then = now;
        for n in 0..2 * MOST {
            then += Duration::from_micros(100);
            depart(&mut channels, format!("once:{n}"), then);
            channels.sweep(then);
            assert!(channels.known.len() <= MOST + MOST / 8 + 10_001);
        }
        assert!(channels.link(kept.topic()).is_some());
        assert!(channels.link(&Topic::new("once:0").unwrap()).is_none());
        let fresh = format!("once:{}", 2 * MOST - 1);
        assert!(channels.link(&Topic::new(fresh).unwrap()).is_some());
        drop(kept);
        channels.sweep(then + IDLE + SWEEP);
        assert!(channels.known.is_empty());
    }
}
