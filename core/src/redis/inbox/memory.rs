//! What the inbox forgets, so that it stays bounded: what has been silent for long, and of
//! what patterns bring the half that matters least.

use smol_str::SmolStr;

use super::{Inbox, track::Track};
use crate::redis::arrival::{Deliver, Stamp};

/// Topics that are followed because a pattern brought them.
pub(super) const MOST_ROAMING: usize = 65_536;
/// Seconds after which what is silent is forgotten.
pub(super) const SILENT: u32 = 600;

impl Inbox {
    /// Forgets what has been silent for long. Now and then.
    pub(crate) fn sweep(&mut self, now: Stamp) {
        self.shared.tick(now);
        let before = self.shared.second.saturating_sub(SILENT);
        for track in self.tracks.values_mut() {
            track.forget_before(before);
        }
        self.retain(|_, track| {
            let is_needed = track.is_exact || track.is_cut();
            !track.is_idle_since(before) || (is_needed && !track.is_blank())
        });
    }

    /// Forgets a half of what patterns brought, should it be too much: what was silent the
    /// longest, and what is to be read last of all. That is a loss.
    pub(super) fn make_room(&mut self, out: &mut impl Deliver) {
        if self.roaming <= MOST_ROAMING {
            return;
        }
        let rank = |track: &Track| (track.is_behind(), track.heard);
        let mut ranks: Vec<(bool, u32)> = self
            .tracks
            .values()
            .filter(|track| !track.is_exact)
            .map(rank)
            .collect();
        let middle = ranks.len() / 2;
        if middle == 0 {
            return;
        }
        // Those below the last that goes all go, and of its equals as many as are left.
        let (below, last, _) = ranks.select_nth_unstable(middle - 1);
        let last = *last;
        let mut equals = 1 + below.iter().filter(|rank| **rank == last).count();
        let mut behind: Vec<SmolStr> = Vec::new();
        self.retain(|topic, track| {
            let rank = rank(track);
            let goes = !track.is_exact && (rank < last || (rank == last && equals > 0));
            equals -= usize::from(goes && rank == last);
            if goes && track.is_behind() {
                behind.push(topic.into());
            }
            !goes
        });
        for topic in behind {
            self.shared.lost_some(&topic, out);
        }
    }

    pub(super) fn remove(&mut self, topic: &str) {
        if let Some(mut track) = self.tracks.remove(topic) {
            self.roaming -= usize::from(!track.is_exact);
            track.cut(&mut self.shared);
        }
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&str, &Track) -> bool) {
        let Inbox {
            tracks,
            shared,
            roaming,
            ..
        } = self;
        tracks.retain(|topic, track| {
            let stays = stays(topic, track);
            if !stays {
                *roaming -= usize::from(!track.is_exact);
                track.cut(shared);
            }
            stays
        });
    }
}
