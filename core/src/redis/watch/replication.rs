//! Whether a server's replicas follow it, seen from the server's side alone.
//!
//! A master keeps, for each replica, what it has not sent yet, up to a limit; past it the
//! replica is cut off. It comes back within a second and asks to go on where it was; the
//! master's backlog is too short for that by then, so it gets a copy of everything. If the
//! way to it is too thin for the stream, it falls behind again, and so for ever: the
//! *resync loop*. Its parts show in `INFO` within two or three seconds, long before the
//! replica's link counts as down:
//!
//! | seen | meaning |
//! |---|---|
//! | a replica that was online is gone, or waits for a copy | cut off |
//! | with much unconfirmed, or back within seconds, and `sync_partial_err` and `sync_full` rise | it knew this history, could not go on, begins anew |
//! | a replica that was being copied to is gone, and `sync_full` rises | the copy itself did not get through |
//! | the same replica begins anew for the second time in two minutes | whatever the reason |
//!
//! A replica that is new, or was restarted, asks for a copy without knowing the history:
//! `sync_partial_err` does not rise, and it is no loop.
//!
//! The counters are not told in every look. What they say is compared with what they said
//! last, and with all that was seen to begin since then.
//!
//! # What lag is
//!
//! Replicas confirm once a second. Under load "offset minus confirmed offset" goes up to a
//! second's worth of writes and back, and says nothing. So a replica is *behind* by what
//! the master had written [`CONFIRMED`] ago and it has not confirmed now.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    Reasons, code,
    info::{Seat, Seen, Stats},
    megabytes,
};
use crate::backplane::{Replica, Replication, Role};

/// Behind by so many bytes, a replica does not keep up.
pub(crate) const FAR: u64 = 1 << 20;

/// With so many bytes unconfirmed, a replica that goes was not idle.
const SOME: u64 = 64 << 10;

/// One that is back so soon was neither restarted nor long away: what it missed meanwhile
/// was more than the backlog holds.
const SOON: Duration = Duration::from_secs(5);

/// A replica has confirmed what is this old, if it keeps up.
const CONFIRMED: Duration = Duration::from_millis(1_500);

/// An online replica that has confirmed nothing for so long hangs.
const MUTE: Duration = Duration::from_secs(5);

/// How long parts of a loop are put together.
const TOGETHER: Duration = Duration::from_secs(60);

/// How long a replica's beginnings are remembered.
const MEMORY: Duration = Duration::from_secs(120);

/// A loop is over when everybody has kept up for so long.
const CALM: Duration = Duration::from_secs(30);

/// For how long a replica that has gone is missed.
const MISSED: Duration = Duration::from_secs(60);

/// One server and its followers over time.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    /// Since when it has been looked at without a break.
    since: Option<Instant>,
    seen: Option<Seen>,
    stats: Option<Stats>,
    /// The server tells its counters, though not in every look.
    counts: bool,
    /// How often a replica began anew since they were told last.
    begun: u64,
    /// What had been written, and when: a few seconds of it.
    offsets: VecDeque<(Instant, u64)>,
    tracks: Vec<Track>,
    /// When somebody last came, went or changed.
    changed: Option<Instant>,
    /// When a copy was last begun.
    copied: Option<Instant>,
    /// How old the youngest connection of a replica was, and when.
    youngest: Option<(Instant, Duration)>,
    /// A replica that was cut off, and when: half of a loop.
    cut: Option<(Instant, Cut)>,
    looping: Option<Loop>,
}

/// A replica, present or lately gone.
#[derive(Debug)]
struct Track {
    seat: Seat,
    /// When it was last there.
    there: Instant,
    present: bool,
    unconfirmed: u64,
    behind: u64,
    /// When it began anew.
    begun: Vec<Instant>,
}

#[derive(Debug, Clone)]
struct Cut {
    address: String,
    /// It was being sent a copy.
    copying: bool,
    unconfirmed: u64,
}

#[derive(Debug)]
struct Loop {
    address: String,
    /// It lost the copy itself.
    copying: bool,
    /// What it had not confirmed when it was cut off.
    unconfirmed: u64,
    /// The latest part of it.
    latest: Instant,
    /// Since when everybody keeps up.
    calm: Option<Instant>,
}

impl Followers {
    /// The connection broke: what comes next is not next to what was seen.
    pub(crate) fn broken(&mut self) {
        let looping = self.looping.take();
        *self = Followers::default();
        // A loop does not end because we looked away.
        self.looping = looping;
    }

    /// What the server says now. `stats` is what its counters say, if it was asked and
    /// tells.
    pub(crate) fn look(&mut self, seen: &Seen, stats: Option<&Stats>, now: Instant) {
        let other = |old: &Seen| old.lineage != seen.lineage || old.master != seen.master;
        let fell = |old: &Stats| stats.is_some_and(|new| new.full_syncs < old.full_syncs);
        if self.seen.as_ref().is_some_and(other) || self.stats.as_ref().is_some_and(fell) {
            // Another history, or another start of the server: nothing can be compared.
            *self = Followers {
                counts: self.counts,
                ..Followers::default()
            };
        }
        let first = self.since.is_none();
        self.since.get_or_insert(now);
        let rose = |of: fn(&Stats) -> u64| match (&self.stats, stats) {
            (Some(old), Some(new)) => of(new).saturating_sub(of(old)),
            _ => 0,
        };
        let copies = rose(|stats| stats.full_syncs);
        let failed = rose(|stats| stats.failed_resumes);
        if copies > 0 {
            self.copied = Some(now);
        }
        self.note_offset(seen.offset, now);
        let begun = self.follow(seen, first, now);
        self.begun += begun;
        if stats.is_some() {
            self.counts = true;
            if copies > self.begun {
                self.begin_unseen(now);
            }
            self.begun = 0;
        }
        // Where there are no counters, a beginning is what shows of a copy.
        let (copies, failed) = match self.counts {
            true => (copies > 0, failed > 0),
            false => (begun > 0, begun > 0),
        };
        if copies {
            self.find_loop(failed, now);
        }
        self.calm_down(now);
        let together = |at: Instant| now.saturating_duration_since(at) < TOGETHER;
        self.cut.take_if(|(at, _)| !together(*at));
        self.seen = Some(seen.clone());
        if let Some(stats) = stats {
            self.stats = Some(stats.clone());
        }
    }

    /// The youngest connection of a replica is this old.
    pub(crate) fn youngest(&mut self, age: Duration, now: Instant) {
        self.youngest = Some((now, age));
    }

    fn note_offset(&mut self, offset: u64, now: Instant) {
        self.offsets.push_back((now, offset));
        // One that is old enough is kept, and nothing before it.
        while self
            .offsets
            .get(1)
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= CONFIRMED)
        {
            self.offsets.pop_front();
        }
    }

    /// What had been written when whoever keeps up must have got it.
    fn due(&self, now: Instant) -> u64 {
        match self.offsets.front() {
            Some((at, offset)) if now.saturating_duration_since(*at) >= CONFIRMED => *offset,
            _ => 0,
        }
    }

    /// Compares who is there with who was. How many began anew.
    fn follow(&mut self, seen: &Seen, first: bool, now: Instant) -> u64 {
        let due = self.due(now);
        let mut begun = 0;
        let mut changed = false;
        for track in &mut self.tracks {
            let new = seen.seats.iter().find(|s| s.address == track.seat.address);
            let before = track.present.then_some(track.seat.online);
            let after = new.map(|seat| seat.online);
            changed |= before != after;
            if before.is_some() && after.is_none() || before == Some(true) && after == Some(false) {
                self.cut = Some((now, track.cut(before == Some(false))));
            }
            if before != Some(false) && after == Some(false) {
                track.begun.push(now);
                begun += 1;
            }
            track.present = new.is_some();
            if let Some(seat) = new {
                track.stand(seat, seen.offset, due, now);
            }
        }
        for seat in &seen.seats {
            if self.tracks.iter().any(|t| t.seat.address == seat.address) {
                continue;
            }
            let mut track = Track::new(seat, now);
            track.stand(seat, seen.offset, due, now);
            self.tracks.push(track);
            changed |= !first;
            begun += u64::from(!seat.online);
        }
        let passed = |at: Instant| now.saturating_duration_since(at);
        self.tracks.retain_mut(|track| {
            track.begun.retain(|at| passed(*at) < MEMORY);
            passed(track.there) < MEMORY
        });
        if changed {
            self.changed = Some(now);
        }
        begun
    }

    /// More copies than beginnings: one was broken off and begun between two looks.
    fn begin_unseen(&mut self, now: Instant) {
        if let Some(track) = self.tracks.iter_mut().find(|t| t.copied_before(now)) {
            track.begun.push(now);
            self.cut = Some((now, track.cut(true)));
        }
    }

    /// A copy was begun: whether it is a part of a loop.
    fn find_loop(&mut self, failed: bool, now: Instant) {
        let within = |at: Instant, time| now.saturating_duration_since(at) < time;
        let cut = self.cut.take_if(|(at, cut)| {
            let soon = cut.unconfirmed >= SOME || within(*at, SOON);
            within(*at, TOGETHER) && (cut.copying || failed && soon)
        });
        let again = || {
            let track = self.tracks.iter().find(|track| track.begun.len() >= 2);
            track.map(|track| track.cut(false))
        };
        let Some(cut) = cut.map(|(_, cut)| cut).or_else(again) else {
            return;
        };
        self.looping = Some(Loop {
            address: cut.address,
            copying: cut.copying,
            unconfirmed: cut.unconfirmed,
            latest: now,
            calm: None,
        });
    }

    /// Ends the loop when everybody has kept up for a while.
    fn calm_down(&mut self, now: Instant) {
        let Some(looping) = &mut self.looping else {
            return;
        };
        let mut there = self.tracks.iter().filter(|track| track.present);
        if !there.all(|track| track.seat.online && track.behind < FAR) {
            looping.calm = None;
        } else if looping.calm.is_none() {
            looping.calm = Some(now);
        }
        let long = |at: Instant| now.saturating_duration_since(at) >= CALM;
        if looping.calm.is_some_and(long) && long(looping.latest) {
            self.looping = None;
        }
    }

    /// Whether somebody should look again soon.
    pub(crate) fn is_odd(&self) -> bool {
        self.looping.is_some()
            || self.cut.is_some()
            || self
                .tracks
                .iter()
                .any(|track| !track.present || !track.seat.online || track.unconfirmed >= FAR)
    }

    /// For a snapshot; `None` until it has told. `uptime` is the server's.
    pub(crate) fn view(&self, uptime: Option<Duration>, now: Instant) -> Option<Replication> {
        let seen = self.seen.as_ref()?;
        let passed = |at: Instant| now.saturating_duration_since(at);
        let present = self.tracks.iter().filter(|track| track.present);
        let observed = self.since.map_or(Duration::ZERO, passed);
        // No replica's connection is younger than this, so none came back since.
        let connected = match self.youngest {
            Some((at, age)) if self.changed.is_none_or(|changed| changed <= at) => age + passed(at),
            _ => Duration::ZERO,
        };
        let count = present.clone().count() as u64;
        let copies = self.stats.as_ref().map(|stats| stats.full_syncs);
        let never = |stats: &Stats| stats.full_syncs + stats.resumes == 0;
        let stable = match (self.changed, uptime) {
            // Nobody has ever followed it: that is so since its start.
            (None, Some(uptime)) if count == 0 && self.stats.as_ref().is_some_and(never) => uptime,
            (changed, _) => changed.map_or(observed.max(connected), passed),
        };
        let steady = match (self.copied, copies, uptime) {
            // Nobody has been copied to more than once: all there was, was joining.
            (None, Some(copies), Some(uptime)) if copies <= count => uptime,
            (copied, _, _) => copied.map_or(observed, passed).max(connected),
        };
        Some(Replication {
            role: if seen.master {
                Role::Master
            } else {
                Role::Replica
            },
            replicas: present.map(Track::view).collect(),
            full_syncs: copies,
            stable,
            steady,
            resync_loop: self.looping.is_some(),
            lineage: seen.lineage.clone(),
            offset: seen.offset,
        })
    }

    /// What is wrong with it.
    pub(crate) fn reasons(&self, address: &str, now: Instant, reasons: &mut Reasons) {
        let Some(seen) = &self.seen else {
            return;
        };
        if !seen.master {
            let link = match (seen.copying, seen.link_up) {
                (true, _) => ", and is being sent a copy",
                (false, true) => "",
                (false, false) => ", and has lost its master",
            };
            reasons.degraded(
                code::NOT_MASTER,
                format!("{address} is a replica{link}: what is published there reaches its own listeners alone"),
            );
        }
        if seen.handing_over {
            reasons.degraded(
                code::FAILOVER,
                format!("{address} is handing over to a replica"),
            );
        }
        if let Some(looping) = &self.looping {
            reasons.degraded(code::RESYNC_LOOP, looping.text(address));
        }
        for track in self
            .tracks
            .iter()
            .filter(|track| track.seat.online && track.present)
        {
            let (replica, behind) = (&track.seat.address, track.behind);
            if behind >= FAR {
                reasons.degraded(
                    code::REPLICA_BEHIND,
                    format!("replica {replica} of {address} is {} behind: what it has not got is lost if the master is lost now", megabytes(behind)),
                );
            } else if track.seat.silent >= MUTE {
                reasons.degraded(
                    code::REPLICA_MUTE,
                    format!(
                        "replica {replica} of {address} has confirmed nothing for {} s",
                        track.seat.silent.as_secs()
                    ),
                );
            }
        }
        for track in &self.tracks {
            let replica = &track.seat.address;
            if !track.present && now.saturating_duration_since(track.there) < MISSED {
                reasons.note(
                    code::REPLICA_LOST,
                    format!("replica {replica} of {address} has gone"),
                );
            } else if track.present && !track.seat.online {
                reasons.note(
                    code::REPLICA_SYNCING,
                    format!("replica {replica} of {address} has no copy yet, and cannot take over"),
                );
            }
        }
    }
}

impl Loop {
    fn text(&self, address: &str) -> String {
        let how = if self.copying {
            "lost the copy that it was being sent".to_owned()
        } else {
            let unconfirmed = megabytes(self.unconfirmed);
            format!("was cut off with {unconfirmed} or more unconfirmed")
        };
        format!(
            "replica {} of {address} {how} and began anew: the way to it is too thin for what is written. Do not switch to it; write less, widen the way, or raise client-output-buffer-limit replica and repl-backlog-size",
            self.address
        )
    }
}

impl Track {
    fn new(seat: &Seat, now: Instant) -> Self {
        Track {
            seat: seat.clone(),
            there: now,
            present: true,
            unconfirmed: 0,
            behind: 0,
            begun: Vec::new(),
        }
    }

    /// Takes what is seen of it now; `written` is the master's offset, `due` what it was
    /// a while ago.
    fn stand(&mut self, seat: &Seat, written: u64, due: u64, now: Instant) {
        self.there = now;
        self.seat = seat.clone();
        // One that waits for its copy has confirmed nothing, and owes nothing.
        let short = |of: u64| {
            if seat.online {
                of.saturating_sub(seat.offset)
            } else {
                0
            }
        };
        self.unconfirmed = short(written);
        self.behind = short(due);
    }

    /// Waits for a copy that it did not begin to wait for just now.
    fn copied_before(&self, now: Instant) -> bool {
        self.present && !self.seat.online && self.begun.last() != Some(&now)
    }

    fn cut(&self, copying: bool) -> Cut {
        Cut {
            address: self.seat.address.clone(),
            copying,
            unconfirmed: self.unconfirmed,
        }
    }

    fn view(&self) -> Replica {
        Replica {
            address: self.seat.address.clone(),
            online: self.seat.online,
            unconfirmed: self.unconfirmed,
            behind: self.behind,
            silent: self.seat.silent,
        }
    }
}

#[cfg(test)]
mod tests;
