//! What becomes of an event that was to reach other machines.
//!
//! A [`Receipt`] is the publisher's half, a future and a thing that a thread can wait for;
//! [`Acknowledge`] is the backplane's. Dropping the latter says that the event was given
//! up with the backplane.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use super::awaited::{Awaited, Teller};
use crate::hub::Delivery;

/// An event that reached the backplane, as safely as its mode asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Acknowledged {
    /// Listeners that the backplane's server counted, where it counts them: connections
    /// of other machines, of one node alone in a cluster. As of the moment in which it went
    /// out: who was cut off then and comes back later is not among them.
    pub heard: u64,
    /// Its number in the log of its topic, in the modes that keep one.
    pub number: Option<u64>,
}

/// Why an event did not reach the other machines, or may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardError {
    kind: ForwardErrorKind,
    detail: Option<String>,
}

/// The kinds of [`ForwardError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ForwardErrorKind {
    /// As many bytes wait to be sent as may wait.
    Full,
    /// It waited for its deadline and could not be sent.
    Expired,
    /// It was sent and the connection broke before the answer: it may have arrived.
    Unconfirmed,
    /// The server refused it.
    Rejected,
    /// The server cannot keep it, for want of memory, and so did not publish it either:
    /// nobody elsewhere has it. Published again once there is room, it is heard once. It is
    /// the same where the server wants a replica or a disk that works before it writes.
    NotKept,
    /// No replica confirmed it in time. The log has it.
    NotReplicated,
    /// The name or the content cannot be carried in the topic's mode.
    Unsupported,
    /// The hub was closed.
    Closed,
}

impl ForwardError {
    /// An error of this kind.
    pub fn new(kind: ForwardErrorKind) -> Self {
        ForwardError { kind, detail: None }
    }

    /// The same, with what the server or the check said.
    #[must_use]
    pub fn because(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The kind.
    pub fn kind(&self) -> ForwardErrorKind {
        self.kind
    }
}

impl fmt::Display for ForwardErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ForwardErrorKind::Full => {
                "the queue to the backplane has no room for the event: publish less, or raise its budget"
            }
            ForwardErrorKind::Expired => {
                "the backplane could not be reached before the event's deadline: publish it again once the hub's health is well"
            }
            ForwardErrorKind::Unconfirmed => {
                "the connection broke before the server answered: the event may have arrived; replay mode would have sent it again safely"
            }
            ForwardErrorKind::Rejected => "the server refused the event",
            ForwardErrorKind::NotKept => {
                "the server cannot keep the event now and refused it, so nobody elsewhere has it: publish it again later"
            }
            ForwardErrorKind::NotReplicated => {
                "the event is in the log, but no replica confirmed it in time: it is lost if the master is lost now"
            }
            ForwardErrorKind::Unsupported => "the event cannot be carried as its topic is",
            ForwardErrorKind::Closed => "the hub was closed before the event was sent",
        })
    }
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match &self.detail {
            Some(detail) => write!(f, " ({detail})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ForwardError {}

type Outcome = Result<Acknowledged, ForwardError>;

/// What becomes of a published event on its way to other machines: a future, and
/// something that a thread can [`wait`](Receipt::wait) for. Dropping it changes nothing.
#[must_use = "a receipt says whether the event arrived"]
pub struct Receipt {
    delivery: Delivery,
    awaited: Awaited<Outcome>,
}

impl Receipt {
    pub(crate) fn pair() -> (Acknowledge, impl FnOnce(Delivery) -> Receipt) {
        let closed = Err(ForwardError::new(ForwardErrorKind::Closed));
        let (teller, awaited) = Awaited::pair(closed);
        (Acknowledge(teller), |delivery| Receipt {
            delivery,
            awaited,
        })
    }

    /// What became of it in this hub.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// The outcome, if it is known.
    pub fn outcome(&self) -> Option<Result<Acknowledged, ForwardError>> {
        self.awaited.outcome()
    }

    /// Blocks the thread until the outcome is known, at most until `deadline`; `None`
    /// after it.
    pub fn wait(&self, deadline: Instant) -> Option<Result<Acknowledged, ForwardError>> {
        self.awaited.wait(deadline)
    }
}

impl Future for Receipt {
    type Output = Result<Acknowledged, ForwardError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.awaited.poll(cx)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("delivery", &self.delivery)
            .field("outcome", &self.outcome())
            .finish()
    }
}

/// The backplane's half of a [`Receipt`].
#[must_use = "dropping it tells the publisher that the hub was closed"]
pub struct Acknowledge(Teller<Outcome>);

impl Acknowledge {
    /// Tells the publisher what became of the event.
    pub fn tell(self, outcome: Result<Acknowledged, ForwardError>) {
        self.0.tell(outcome);
    }
}

impl fmt::Debug for Acknowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acknowledge")
    }
}
