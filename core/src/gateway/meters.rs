//! What a gateway counts, beside what its hub counts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crossbeam::utils::CachePadded;

use super::{ended::Ended, front::Refused, tally::Tally};
use crate::{
    event::Event,
    metrics::{DurationHistogram, Durations, STRIPES, ShareHistogram, Stripe},
};

/// Written by lanes and the front; relaxed, they hand nothing over.
#[derive(Default)]
pub(super) struct Meters {
    /// Sockets that lanes own now.
    pub(super) open: AtomicI64,
    /// Of these, sockets that take no more at the moment.
    pub(super) stalled: AtomicI64,
    /// Of these, sockets that have been told goodbye.
    pub(super) closing: AtomicI64,
    pub(super) opened: AtomicU64,
    pub(super) ended: [AtomicU64; Ended::ALL.len()],
    pub(super) written: Written,
    /// Frames made; each once per event and kind, however many sockets it goes to.
    pub(super) frames_made: AtomicU64,
    pub(super) messages_read: AtomicU64,
    /// Clients told, or closed for it, that they missed events.
    pub(super) lag_told: AtomicU64,
    /// Attempts to write to a socket that had been closed. Stays 0.
    pub(super) closed_writes: AtomicU64,
    /// The share of open connections that single events were sent to.
    pub(super) share: Tally,
    /// How long what clients sent may have waited until a lane looked: the time since
    /// it looked before.
    pub(super) read_wait: Durations,
    /// From the posting of a command to a lane until it was carried out.
    pub(super) command_wait: Durations,
    pub(super) front: FrontMeters,
}

/// Counted with each delivery, so each lane has a copy to itself.
pub(super) struct Written([CachePadded<Writes>; STRIPES]);

#[derive(Default)]
struct Writes {
    count: AtomicU64,
    /// That the system took for sockets, headers of frames included.
    bytes: AtomicU64,
}

impl Default for Written {
    fn default() -> Self {
        Written(std::array::from_fn(|_| CachePadded::default()))
    }
}

impl Written {
    fn add(&self, bytes: u64) {
        let mine = Stripe::mine();
        let writes = &self.0[mine.index()];
        mine.add(&writes.count, 1);
        mine.add(&writes.bytes, bytes);
    }

    fn sum(&self, counter: impl Fn(&Writes) -> &AtomicU64) -> u64 {
        let copies = self.0.iter().map(|writes| counter(writes));
        copies.map(|counter| counter.load(Ordering::Relaxed)).sum()
    }
}

/// Written before a lane has a connection.
#[derive(Default)]
pub(super) struct FrontMeters {
    /// Handshakes under way.
    pub(super) handshaking: AtomicI64,
    pub(super) accepted: AtomicU64,
    pub(super) accept_errors: AtomicU64,
    /// Clients that came in with a ticket, without a call of `authorize`.
    pub(super) returned: AtomicU64,
    pub(super) refused: [AtomicU64; Refused::ALL.len()],
    /// Of these, connections dropped without an answer.
    pub(super) unanswered: AtomicU64,
}

impl FrontMeters {
    pub(super) fn refused(&self, why: Refused) {
        self.refused[why.index()].fetch_add(1, Ordering::Relaxed);
    }
}

/// A snapshot of a gateway's counters. Counts run from its start.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GatewayStats {
    /// Connections that are served now.
    pub open: u64,
    /// Of these, connections that take no more at the moment.
    pub stalled: u64,
    /// Of these, connections that have been told goodbye.
    pub closing: u64,
    /// Connections let in so far.
    pub opened: u64,
    /// Bytes that the system took for sockets.
    pub bytes_written: u64,
    /// How often something was written to a socket.
    pub writes: u64,
    /// Frames made.
    pub frames_made: u64,
    /// Messages that clients sent.
    pub messages_read: u64,
    /// Clients told, or closed for it, that they missed events.
    pub lag_told: u64,
    /// Attempts to write to a socket that had been closed. Stays 0.
    pub closed_writes: u64,
    /// The share of open connections that single events were sent to.
    pub share: ShareHistogram,
    /// How long what clients sent may have waited until a lane looked at it, at most.
    pub read_wait: DurationHistogram,
    /// From the posting of a command to a lane until it was carried out.
    pub command_wait: DurationHistogram,
    /// Connections accepted from the listening socket.
    pub accepted: u64,
    /// Errors of the listening socket, such as having no descriptor left.
    pub accept_errors: u64,
    /// Handshakes under way.
    pub handshaking: u64,
    /// Clients let in by a [ticket](super::Accept::ticket), without a call of
    /// `authorize`.
    pub returned: u64,
    /// Connections turned away that got no answer, because too many others were just
    /// being answered.
    pub unanswered: u64,
    ended: [u64; Ended::ALL.len()],
    refused: [u64; Refused::ALL.len()],
}

impl GatewayStats {
    /// How many connections have ended for each reason.
    pub fn ended(&self) -> impl Iterator<Item = (Ended, u64)> + '_ {
        Ended::ALL.into_iter().zip(self.ended.iter().copied())
    }

    /// How many connections were turned away for each reason.
    pub fn refused(&self) -> impl Iterator<Item = (Refused, u64)> + '_ {
        Refused::ALL.into_iter().zip(self.refused.iter().copied())
    }
}

impl Meters {
    pub(super) fn frame_made(&self) {
        self.frames_made.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn wrote(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.written.add(bytes);
    }

    pub(super) fn stalled_one(&self) {
        self.stalled.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn unstalled(&self) {
        self.stalled.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn told_lag(&self) {
        self.lag_told.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read_one(&self) {
        self.messages_read.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn ended_one(&self, ended: Ended) {
        self.ended[ended.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// An event was sent to so many connections more.
    pub(super) fn event_sent(&self, event: &Event, connections: u64) {
        let open = self.open.load(Ordering::Relaxed).max(0) as u64;
        self.share.add(event, connections, open);
    }

    pub(super) fn snapshot(&self) -> GatewayStats {
        let now = |gauge: &AtomicI64| gauge.load(Ordering::Relaxed).max(0) as u64;
        let sum = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GatewayStats {
            open: now(&self.open),
            stalled: now(&self.stalled),
            closing: now(&self.closing),
            opened: sum(&self.opened),
            bytes_written: self.written.sum(|writes| &writes.bytes),
            writes: self.written.sum(|writes| &writes.count),
            frames_made: sum(&self.frames_made),
            messages_read: sum(&self.messages_read),
            lag_told: sum(&self.lag_told),
            closed_writes: sum(&self.closed_writes),
            share: self.share.snapshot(),
            read_wait: self.read_wait.snapshot(),
            command_wait: self.command_wait.snapshot(),
            accepted: sum(&self.front.accepted),
            accept_errors: sum(&self.front.accept_errors),
            handshaking: now(&self.front.handshaking),
            returned: sum(&self.front.returned),
            unanswered: sum(&self.front.unanswered),
            ended: self.ended.each_ref().map(sum),
            refused: self.front.refused.each_ref().map(sum),
        }
    }
}
