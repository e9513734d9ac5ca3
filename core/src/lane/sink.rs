//! Where a lane puts events.

use crate::{event::Event, subscription::CloseReason};

/// The place of one subscription in its lane's world: chosen by the owner, handed back
/// with every delivery. An index, a descriptor, a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What a sink says to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// All of it was taken.
    Taken,
    /// Only the first so many events were taken; no more until the lane is told to
    /// [`resume`](super::Lane::resume) the member. What waits costs a cursor.
    Stalled {
        /// How many events were taken.
        taken: usize,
    },
    /// The sink wants no more: the member leaves, without a further call.
    Close,
    /// The sink was closed before this delivery. The member leaves, and the delivery
    /// is counted in [`Stats::closed_writes`](crate::Stats::closed_writes), which a
    /// correct owner keeps at 0.
    AlreadyClosed,
}

/// Takes the deliveries of a lane, on the thread that turns it.
///
/// One sink serves all members of its lane; the [`Token`] says whose turn it is. If it
/// panics, that member is closed with [`CloseReason::Panicked`] and the others are
/// served on.
pub trait Sink {
    /// Events for one member, in order, at least one. They are lent: clone what is to
    /// be kept.
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow;

    /// Exactly so many events of this member's selector are gone.
    fn lagged(&mut self, to: Token, missed: u64) -> Flow;

    /// The member has been taken out for this reason; nothing more comes.
    fn closed(&mut self, to: Token, reason: CloseReason);
}
