//! Plain events that two ears of a cluster bring are one event.
//!
//! Every node brings everything, each in its own time: what the old ear has brought may
//! come once more by the new one, if that node lags. Envelopes tell by their numbers, plain
//! payloads by nothing but themselves. So the hashes of what the ear has brought lately are
//! kept, and each lets go of one equal payload that its successor brings.
//!
//! The other way round, the new ear may lead: what it has brought while it was mute, and the
//! old one has not, is held. The old one's copy takes it; what is left when the new one is
//! listened to is delivered then.
//!
//! Shard channels have one owner each, and move with their slots: what the former owner has
//! brought may come once more by the next. [`Shards`] keeps who has brought what.
//!
//! # Invariants
//!
//! - Nothing is let go unless one ear succeeds another, nor [`LAG`] after the old one's last.
//! - An event never takes one of its own ear: what is published twice is delivered twice.
//! - At most [`MOST`] hashes are kept while one ear is there, the newest; and at most
//!   [`HELD`] events and [`HELD_BYTES`] of a new ear, the newest.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use ahash::RandomState;
use bytes::Bytes;
use hashbrown::HashMap;

use crate::redis::{
    arrival::Stamp,
    inbox::Via,
    migration::{Side, Twins},
    topology::LinkId,
};

/// How far one node may lag behind another. Not more than is needed: equal payloads that
/// are published within it are taken for one, if the new ear came too late for the first.
const LAG: Duration = Duration::from_secs(1);

/// The most that is kept of what an ear has brought.
const MOST: usize = 1 << 14;

/// The most that is held of what a new ear has brought before the old one did.
const HELD: usize = 1 << 14;
const HELD_BYTES: usize = 8 * 1024 * 1024;

/// A plain event, as a link brings it.
pub(super) struct Brought<'a> {
    pub(super) via: Via,
    pub(super) topic: &'a str,
    pub(super) payload: &'a [u8],
    pub(super) at: Stamp,
}

/// One that is held.
pub(super) struct Held {
    hash: u64,
    pub(super) via: Via,
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) at: Stamp,
}

/// What ears have brought, and who succeeds whom.
pub(super) struct Handover {
    hasher: RandomState,
    /// Oldest first.
    recent: VecDeque<(Instant, u64)>,
    passing: Option<Passing>,
}

/// One ear succeeds another.
struct Passing {
    to: LinkId,
    twins: Twins,
    /// When the old one brought anything last, or the new one was named.
    last: Instant,
    /// By the new one alone, while it was mute. Oldest first.
    held: VecDeque<Held>,
    held_bytes: usize,
}

impl Passing {
    fn hold(&mut self, hash: u64, event: &Brought<'_>) {
        self.held_bytes += event.payload.len();
        self.held.push_back(Held {
            hash,
            via: event.via,
            topic: event.topic.to_owned(),
            payload: Bytes::copy_from_slice(event.payload),
            at: event.at,
        });
        while self.held.len() > HELD || self.held_bytes > HELD_BYTES {
            let Some(oldest) = self.held.pop_front() else {
                break;
            };
            self.held_bytes -= oldest.payload.len();
        }
    }

    /// The old one has brought it as well.
    fn brought(&mut self, hash: u64) {
        // Both bring the same in nearly the same order: it is one of the first.
        if let Some(at) = self.held.iter().position(|held| held.hash == hash)
            && let Some(held) = self.held.remove(at)
        {
            self.held_bytes -= held.payload.len();
        }
    }
}

impl Handover {
    pub(super) fn new() -> Self {
        Handover {
            hasher: RandomState::new(),
            recent: VecDeque::new(),
            passing: None,
        }
    }

    /// From here on this link succeeds whoever was heard.
    pub(super) fn begin(&mut self, to: LinkId, now: Instant) {
        let mut twins = Twins::new(LAG);
        for (since, hash) in &self.recent {
            twins.sent(Side::Old, *hash, *since);
        }
        self.passing = Some(Passing {
            to,
            twins,
            last: now,
            held: VecDeque::new(),
            held_bytes: 0,
        });
    }

    /// This link is listened to from here on: what it brought before anybody else.
    pub(super) fn release(&mut self, link: LinkId) -> VecDeque<Held> {
        let passing = self.passing.as_mut().filter(|passing| passing.to == link);
        let held = passing.map_or_else(VecDeque::new, |passing| {
            passing.held_bytes = 0;
            std::mem::take(&mut passing.held)
        });
        for event in &held {
            self.remember(event.hash, event.at.instant);
        }
        held
    }

    /// A link brings a plain payload: whether it is to be delivered. What a `mute` link
    /// brings is not, or not yet; its successor's copy of it counts all the same.
    pub(super) fn heard(&mut self, link: LinkId, mute: bool, event: &Brought<'_>) -> bool {
        let now = event.at.instant;
        let hash = self.hasher.hash_one((event.topic, event.payload));
        let is_first = match &mut self.passing {
            Some(passing) if passing.to == link => {
                let is_first = passing.twins.arrived(Side::New, hash, now);
                if is_first && mute {
                    passing.hold(hash, event);
                }
                if !mute && now >= passing.last + LAG {
                    self.passing = None;
                }
                is_first
            }
            Some(passing) if !mute => {
                passing.last = now;
                // Its copy has come already, and was not delivered.
                passing.twins.arrived(Side::Old, hash, now);
                passing.brought(hash);
                true
            }
            _ => true,
        };
        let delivered = is_first && !mute;
        if delivered {
            self.remember(hash, now);
        }
        delivered
    }

    fn remember(&mut self, hash: u64, now: Instant) {
        while let Some((since, _)) = self.recent.front()
            && (*since + LAG <= now || self.recent.len() >= MOST)
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, hash));
    }
}

/// What the links of a sharded cluster have brought lately.
#[derive(Default)]
pub(super) struct Shards {
    hasher: RandomState,
    /// Who has brought it last, and how often without another's copy.
    brought: HashMap<u64, (LinkId, u32), RandomState>,
    /// Oldest first.
    recent: VecDeque<(Instant, u64)>,
}

impl Shards {
    /// A link brings a plain payload: whether no other has brought it just now.
    pub(super) fn heard(
        &mut self,
        link: LinkId,
        topic: &str,
        payload: &[u8],
        now: Instant,
    ) -> bool {
        self.forget_before(now);
        let hash = self.hasher.hash_one((topic, payload));
        let (by, times) = self.brought.entry(hash).or_insert((link, 0));
        if *by != link && *times > 0 {
            *times -= 1;
            return false;
        }
        (*by, *times) = (link, *times + 1);
        self.recent.push_back((now, hash));
        true
    }

    fn forget_before(&mut self, now: Instant) {
        while let Some((since, hash)) = self.recent.front()
            && (*since + LAG <= now || self.recent.len() >= MOST)
        {
            if let Some((_, times)) = self.brought.get_mut(hash) {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    self.brought.remove(hash);
                }
            }
            self.recent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: LinkId = LinkId(1);
    const NEW: LinkId = LinkId(2);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn event(topic: &'static str, payload: &'static [u8], at: Instant) -> Brought<'static> {
        Brought {
            via: Via::Topic,
            topic,
            payload,
            at: Stamp {
                instant: at,
                micros: 0,
            },
        }
    }

    #[test]
    fn what_both_bring_is_one_event() {
        let now = Instant::now();
        let mut ears = Handover::new();
        let brings = |ears: &mut Handover, link, mute, payload, at| {
            ears.heard(link, mute, &event("t", payload, at))
        };
        assert!(brings(&mut ears, OLD, false, b"1", now));
        assert!(brings(&mut ears, OLD, false, b"2", now));
        ears.begin(NEW, now);
        assert!(!brings(&mut ears, NEW, true, b"1", now));
        // By the new one first, while the old one counts.
        assert!(!brings(&mut ears, NEW, true, b"3", now));
        assert!(brings(&mut ears, OLD, false, b"3", now));
        // The new one counts, and lags.
        assert!(ears.release(NEW).is_empty());
        assert!(!brings(&mut ears, NEW, false, b"2", now + ms(10)));
        assert!(!brings(&mut ears, OLD, true, b"4", now + ms(10)));
        assert!(brings(&mut ears, NEW, false, b"4", now + ms(10)));
        // The same payloads once more are other events.
        for payload in [b"1", b"2", b"3", b"4"] {
            assert!(brings(&mut ears, NEW, false, payload, now + ms(20)));
        }
    }

    #[test]
    fn what_the_new_one_alone_has_brought_is_delivered_once_it_is_listened_to() {
        let now = Instant::now();
        let mut ears = Handover::new();
        ears.begin(NEW, now);
        for payload in [b"1", b"2", b"2", b"3"] {
            assert!(!ears.heard(NEW, true, &event("t", payload, now)));
        }
        assert!(ears.heard(OLD, false, &event("t", b"1", now)));
        assert!(ears.heard(OLD, false, &event("t", b"2", now)));
        let held: Vec<Bytes> = ears
            .release(NEW)
            .into_iter()
            .map(|held| held.payload)
            .collect();
        assert_eq!(held, ["2", "3"]);
        // The old one's copies are late.
        for payload in [b"2", b"3"] {
            assert!(!ears.heard(OLD, true, &event("t", payload, now)));
        }
        assert!(ears.release(NEW).is_empty());
        // A third ear knows of them.
        ears.begin(LinkId(3), now);
        assert!(!ears.heard(LinkId(3), true, &event("t", b"3", now)));
        assert!(ears.release(LinkId(3)).is_empty());
    }

    #[test]
    fn what_is_held_is_bounded() {
        let now = Instant::now();
        let mut ears = Handover::new();
        ears.begin(NEW, now);
        let bulk: &'static [u8] = &[7; HELD_BYTES / 4];
        for topic in ["1", "2", "3", "4", "5", "6"] {
            assert!(!ears.heard(NEW, true, &event(topic, bulk, now)));
        }
        let held: Vec<String> = ears
            .release(NEW)
            .into_iter()
            .map(|held| held.topic)
            .collect();
        assert_eq!(held, ["3", "4", "5", "6"]);
    }

    #[test]
    fn what_is_published_twice_is_heard_twice() {
        let now = Instant::now();
        let mut ears = Handover::new();
        assert!(ears.heard(OLD, false, &event("t", b"1", now)));
        assert!(ears.heard(OLD, false, &event("t", b"1", now)));
        ears.begin(NEW, now);
        assert!(ears.heard(NEW, false, &event("another", b"1", now)));
        assert!(!ears.heard(NEW, false, &event("t", b"1", now)));
        assert!(!ears.heard(NEW, false, &event("t", b"1", now)));
        assert!(ears.heard(NEW, false, &event("t", b"1", now)));
        assert!(ears.heard(NEW, false, &event("t", b"1", now)));
    }

    #[test]
    fn nothing_is_let_go_when_it_is_over() {
        let now = Instant::now();
        let mut ears = Handover::new();
        assert!(ears.heard(OLD, false, &event("t", b"1", now)));
        ears.begin(NEW, now);
        assert!(ears.heard(NEW, false, &event("t", b"1", now + LAG)));
        assert!(ears.passing.is_none());
        assert_eq!(ears.recent.len(), 1);
    }

    #[test]
    fn a_third_ear_knows_what_the_first_has_brought() {
        let now = Instant::now();
        let third = LinkId(3);
        let mut ears = Handover::new();
        ears.begin(NEW, now);
        assert!(ears.heard(OLD, false, &event("t", b"1", now)));
        ears.begin(third, now);
        assert!(!ears.heard(third, false, &event("t", b"1", now)));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut ears = Handover::new();
        let brings = |ears: &mut Handover, link, n: usize| {
            let mut event = event("t", b"", now);
            let payload = n.to_be_bytes();
            event.payload = &payload;
            ears.heard(link, false, &event)
        };
        for n in 0..2 * MOST {
            assert!(brings(&mut ears, OLD, n));
        }
        assert_eq!(ears.recent.len(), MOST);
        ears.begin(NEW, now);
        assert!(brings(&mut ears, NEW, 0));
        assert!(!brings(&mut ears, NEW, 2 * MOST - 1));
    }

    #[test]
    fn what_both_owners_of_a_slot_bring_is_one_event() {
        let now = Instant::now();
        let mut shards = Shards::default();
        let mut heard = |link, topic, payload: &[u8], at| shards.heard(link, topic, payload, at);
        // Published twice: delivered twice.
        assert!(heard(OLD, "t", b"1", now));
        assert!(heard(OLD, "t", b"1", now));
        assert!(heard(OLD, "t", b"2", now));
        assert!(!heard(NEW, "t", b"1", now + ms(5)));
        assert!(!heard(NEW, "t", b"1", now + ms(5)));
        // Of another topic, or once more: another event.
        assert!(heard(NEW, "another", b"2", now + ms(5)));
        assert!(heard(NEW, "t", b"1", now + ms(6)));
        // After its time it is no copy any more.
        assert!(heard(NEW, "t", b"2", now + LAG));
        assert!(heard(NEW, "t", b"2", now + LAG));
    }

    #[test]
    fn what_owners_have_brought_is_bounded() {
        let now = Instant::now();
        let mut shards = Shards::default();
        for n in 0..2 * MOST {
            assert!(shards.heard(OLD, "t", &n.to_be_bytes(), now));
        }
        assert!(shards.recent.len() <= MOST && shards.brought.len() <= MOST);
        assert!(shards.heard(OLD, "t", b"later", now + LAG));
        assert_eq!((shards.recent.len(), shards.brought.len()), (1, 1));
    }
}
