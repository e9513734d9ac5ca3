//! What a publisher remembers of the topics it has numbered.
//!
//! # Invariants
//!
//! - Serials of a topic are dense, from 1, per publisher's number. A topic that was
//!   forgotten begins again at 1 under another number of the same hub: the upper sixteen
//!   bits count how often topics have been forgotten.
//! - `kept` is the newest serial that the log said it has; `tip` the newest that is in the
//!   log or on its way there before anything that departs now.

use std::time::{Duration, Instant};

use ahash::AHashMap as HashMap;

use super::{Limits, parcel::Parcel};
use crate::{redis::log::keys::Keys, topic::Topic};

/// The part of a publisher's number that names the hub.
const HUB: u64 = u64::MAX >> 16;
/// One more in the other part.
const GENERATION: u64 = HUB + 1;

/// How long a topic is remembered after the last that can still be sent of it.
const IDLE: Duration = Duration::from_secs(600);

/// How often topics are looked through.
const SWEEP: Duration = Duration::from_secs(60);

/// Whether a publisher's number is one of the hub that has `ours`.
pub(crate) fn is_ours(ours: u64, publisher: u64) -> bool {
    ours & HUB == publisher & HUB
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

    /// Lets go of topics that nothing was published to for long.
    pub(super) fn sweep(&mut self, now: Instant, limits: &Limits) {
        if self.swept.is_some_and(|swept| now < swept + SWEEP) {
            return;
        }
        self.swept = Some(now);
        let idle = limits.deadline + limits.window_age + IDLE;
        let before = self.known.len();
        self.known.retain(|_, channel| now < channel.touched + idle);
        if self.known.len() < before {
            self.publisher = self.publisher.wrapping_add(GENERATION);
        }
    }
}
