//! Which hubs take part in a migration, and at which stage each is.
//!
//! Every hub says so on the channel `distributary:migration:<topic>` of the old side's
//! server, once a second and whenever it changes, as JSON:
//!
//! ```text
//! {"hub":"00c0ffee00c0ffee","stage":"dual_read","hears":["old","new"],"call":false,"gone":false}
//! ```
//!
//! `hears` names the sides where it has a subscription of the topic, so that the server's
//! count of listeners can be compared; `call` asks all others to answer at once; `gone` is a hub's last word. Who is
//! silent for [`SILENT`] is gone as well.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::stage::{Change, Side, Stage};

/// How often a hub says that it is there.
pub(super) const EVERY: Duration = Duration::from_secs(1);

/// For how long it is believed. Who is cut off is back by then; a hub that crashed says
/// nothing more.
pub(super) const SILENT: Duration = Duration::from_secs(30);

/// Another hub that takes part in a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The number it chose for itself.
    pub hub: u64,
    /// How far it has come.
    pub stage: Stage,
    /// Whether it listens on the old side, and on the new one.
    pub hears: [bool; 2],
}

/// What a hub says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Announcement {
    pub(super) peer: Peer,
    pub(super) call: bool,
    pub(super) gone: bool,
}

impl Announcement {
    pub(super) fn text(&self) -> String {
        let hears: Vec<_> = Side::BOTH
            .into_iter()
            .filter(|side| self.peer.hears[side.index()])
            .map(Side::as_str)
            .collect();
        json!({
            "hub": format!("{:016x}", self.peer.hub),
            "stage": self.peer.stage.as_str(),
            "hears": hears,
            "call": self.call,
            "gone": self.gone,
        })
        .to_string()
    }

    /// `None` for whatever else comes by the channel.
    pub(super) fn parse(text: &[u8]) -> Option<Announcement> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let hears = value["hears"].as_array()?;
        let flag = |name: &str| value[name].as_bool().unwrap_or(false);
        Some(Announcement {
            peer: Peer {
                hub: u64::from_str_radix(value["hub"].as_str()?, 16).ok()?,
                stage: Stage::parse(value["stage"].as_str()?)?,
                hears: Side::BOTH.map(|side| hears.iter().any(|word| *word == side.as_str())),
            },
            call: flag("call"),
            gone: flag("gone"),
        })
    }
}

/// The others.
#[derive(Debug, Default)]
pub(super) struct Roll {
    seen: BTreeMap<u64, (Peer, Instant)>,
}

impl Roll {
    pub(super) fn heard(&mut self, announcement: Announcement, now: Instant) {
        let peer = announcement.peer;
        if announcement.gone {
            self.seen.remove(&peer.hub);
        } else {
            self.seen.insert(peer.hub, (peer, now));
        }
    }

    /// Those who are there.
    pub(super) fn present(&mut self, now: Instant) -> Vec<Peer> {
        self.seen.retain(|_, (_, since)| *since + SILENT > now);
        self.seen.values().map(|(peer, _)| peer.clone()).collect()
    }

    /// How many have said something since.
    pub(super) fn answered(&self, since: Instant) -> usize {
        self.seen.values().filter(|(_, at)| *at >= since).count()
    }
}

/// Those of them who would lose by a change what they ought to hear.
pub(super) fn barring(peers: &[Peer], change: Change) -> Vec<Peer> {
    peers
        .iter()
        .filter(|peer| change.is_barred_by(peer.stage))
        .cloned()
        .collect()
}

/// Listeners of a side that nobody of the roll is.
pub(super) fn strangers(listeners: u64, side: Side, us: &Peer, peers: &[Peer]) -> u64 {
    let known = peers
        .iter()
        .chain([us])
        .filter(|peer| peer.hears[side.index()])
        .count();
    listeners.saturating_sub(known as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(hub: u64, stage: Stage) -> Peer {
        Peer {
            hub,
            stage,
            hears: Side::BOTH.map(|side| stage.reads(side)),
        }
    }

    fn said(peer: Peer, gone: bool) -> Announcement {
        Announcement {
            peer,
            call: true,
            gone,
        }
    }

    #[test]
    fn what_a_hub_says_is_read_as_it_was_said() {
        let one = said(peer(0xc0ffee, Stage::NewWrite), false);
        assert_eq!(Announcement::parse(one.text().as_bytes()), Some(one));
        for foreign in [
            "",
            "{}",
            "null",
            r#"{"hub":"x","stage":"old"}"#,
            r#"{"hub":"1"}"#,
        ] {
            assert_eq!(Announcement::parse(foreign.as_bytes()), None);
        }
    }

    #[test]
    fn who_is_silent_or_said_goodbye_is_gone() {
        let now = Instant::now();
        let mut roll = Roll::default();
        roll.heard(said(peer(1, Stage::Old), false), now);
        roll.heard(said(peer(2, Stage::Old), false), now);
        roll.heard(said(peer(3, Stage::Old), false), now + SILENT / 2);
        roll.heard(said(peer(2, Stage::Old), true), now);
        roll.heard(said(peer(3, Stage::DualRead), false), now + SILENT / 2);
        assert_eq!(roll.answered(now), 2);
        assert_eq!(roll.answered(now + EVERY), 1);
        assert_eq!(roll.present(now + SILENT), [peer(3, Stage::DualRead)]);
    }

    #[test]
    fn listeners_that_nobody_answers_for_are_strangers() {
        let us = peer(1, Stage::DualRead);
        let peers = [peer(2, Stage::DualRead), peer(3, Stage::Old)];
        assert_eq!(strangers(3, Side::Old, &us, &peers), 0);
        assert_eq!(strangers(5, Side::Old, &us, &peers), 2);
        assert_eq!(strangers(2, Side::New, &us, &peers), 0);
        assert_eq!(strangers(1, Side::New, &us, &peers), 0);
        let barring = barring(&peers, Change::Write(Side::New));
        assert_eq!(barring, [peer(3, Stage::Old)]);
    }
}
