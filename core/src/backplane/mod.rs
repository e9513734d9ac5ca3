//! What joins the hubs of several machines: the interface, and the hub's side of it.
//!
//! A hub without a backplane is whole. With one, two things cross: what is published here
//! goes out, and what is published elsewhere comes in, as far as somebody here listens.
//! The interface is small so that another engine can stand behind it; `redis` is one.
//!
//! ```text
//!             publish ──▶ Backplane::forward ──▶ ┄┄ other machines
//! Hub         listeners come and go ──▶ Backplane::interest_changed
//!             events, losses  ◀── Inlet ◀── ┄┄ other machines
//! ```
//!
//! # Invariants
//!
//! - Local first: who listens here is served before anything is forwarded, and whatever
//!   the backplane's state. An event never comes back to the hub that published it.
//! - Interest is a level, not a count: a changed name is looked up when the backplane asks,
//!   so that it does not matter how often it changed in between.
//! - No call into a backplane is made under a lock of the engine, and none waits.

mod awaited;
#[cfg(feature = "redis")]
mod board;
mod changes;
mod closing;
mod health;
mod inlet;
mod interest;
mod joined;
mod metrics;
mod node;
mod notes;
mod receipt;

use std::fmt;

#[cfg(feature = "redis")]
pub(crate) use board::Board;
pub(crate) use changes::Bell;
pub use changes::HealthChanges;
pub use closing::Closing;
pub(crate) use closing::End;
#[cfg(feature = "redis")]
pub(crate) use closing::on_a_backplane;
pub use health::{Condition, Counts, Health, Lag, Reason};
pub use inlet::{Inlet, Together};
#[cfg(feature = "redis")]
pub(crate) use inlet::{Origin, Upstream};
pub use interest::{Change, Name};
pub use joined::{JoinError, Joined, Joining};
pub use node::{Memory, Node, Output, Replica, Replication, Role};
pub(crate) use notes::Notes;
pub use receipt::{Acknowledge, Acknowledged, ForwardError, ForwardErrorKind, Receipt};

use crate::{event::Publication, selector::Selector, topic::Topic};

/// What joins hubs on several machines. A hub calls, from whichever thread is at work;
/// no call may wait or panic.
pub trait Backplane: Send + Sync + 'static {
    /// Once, before any other call: where to ask for interest, and where arrivals go. The
    /// inlet does not keep the hub alive.
    fn attach(&self, inlet: Inlet);

    /// Names have come or gone. [`Inlet::next_change`] says which, until it has no more;
    /// then, and only then, this is called again.
    fn interest_changed(&self);

    /// Why names of this selector cannot be heard from other machines, if so: the
    /// subscription is then refused with these words.
    fn refuses(&self, selector: &Selector) -> Option<String>;

    /// Whether what other hubs publish on a topic has come here, or was told as
    /// [lost](Inlet::lost), since [`Inlet::unheard`] was called last, and goes on to: whether
    /// the topic's history is whole. A backplane that brings everything need not say so.
    fn hears(&self, topic: &Topic) -> bool {
        let _ = topic;
        true
    }

    /// Brings an event to the other hubs. `acknowledge` learns what became of it; without
    /// one, failures are only counted.
    ///
    /// Events of one thread go out in the order of these calls.
    ///
    /// # Errors
    /// What can be said at once: there is no room to keep it until it can be sent, or it
    /// cannot be carried. The acknowledgement comes back unused.
    fn forward(
        &self,
        event: Publication,
        acknowledge: Option<Acknowledge>,
    ) -> Result<(), (ForwardError, Option<Acknowledge>)>;

    /// How it is.
    fn health(&self) -> Health;

    /// Whether [`Health::revision`] is another one than this. `told` is called once, as soon
    /// as that is so. Called while it still is this one, or let go of uncalled, it says that
    /// no change will come any more.
    fn when_health_changes(&self, seen: u64, told: Box<dyn FnOnce() + Send>);

    /// What it has counted, in Prometheus' text format; empty if nothing.
    fn prometheus(&self) -> String;

    /// Whether everything that was of interest when the question was asked is heard by now.
    /// `joining` is told as soon as that is so, with the names that this hub is not allowed to
    /// hear. Let go of untold, it says that the hub was closed before.
    fn when_joined(&self, joining: Joining);

    /// The hub closes. From here on it sends what is queued as far as it can within a
    /// moment, leaves, and stops; `told` is called once that is done, or let go of.
    fn close(&self, told: Box<dyn FnOnce() + Send>);
}

/// What became of the part of a publish that concerns other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Forwarding {
    /// There is no backplane.
    #[default]
    None,
    /// It is on its way, or waits for its turn.
    Queued,
    /// It reached this hub's subscribers and nobody else, for this reason.
    Refused(ForwardErrorKind),
}

impl fmt::Debug for dyn Backplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Backplane")
    }
}
