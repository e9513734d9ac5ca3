//! How a backplane is, in words and numbers that do not depend on the engine behind it.

use std::{fmt, time::Duration};

use super::node::Node;

/// How a backplane is, as of when it was asked: by [`Hub::health`](crate::Hub::health).
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Health {
    /// The worst of what the reasons say.
    pub condition: Condition,
    /// Everything that is not as it should be, the worst first. Empty when all is well.
    pub reasons: Vec<Reason>,
    /// From publish to arrival over the whole path and back to this hub, as its probes saw
    /// it lately.
    pub lag: Lag,
    /// Since the hub was made.
    pub counts: Counts,
    /// Bytes that wait to be sent.
    pub queued_bytes: u64,
    /// Names that are wanted, and not yet heard.
    pub joining: u64,
    /// The servers behind it, one by one, as far as they tell.
    pub nodes: Vec<Node>,
    /// Counts changes of the condition and of the codes of its reasons.
    pub revision: u64,
}

impl Health {
    /// Whether there is a reason of this code.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Condition {
    /// As it should be, or there is no backplane.
    #[default]
    Ok,
    /// It works, and something is not as it should be.
    Degraded,
    /// Nothing comes and nothing goes; this hub's own events reach its own subscribers.
    Away,
}

impl Condition {
    /// The word: `ok`, `degraded` or `away`.
    pub fn as_str(self) -> &'static str {
        match self {
            Condition::Ok => "ok",
            Condition::Degraded => "degraded",
            Condition::Away => "away",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word for programs, such as `resync_loop`.
    pub code: &'static str,
    /// What it does to the whole. [`Condition::Ok`] when it only limits what can be known.
    pub condition: Condition,
    /// What was seen and what to do, for people.
    pub text: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// How late probes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Lag {
    /// Half of the probes were at most this late.
    pub p50: Duration,
    /// All but one in a hundred were.
    pub p99: Duration,
    /// The latest of them.
    pub max: Duration,
    /// Probes and numbered events that came later than 900 ms, since the hub was made.
    pub late: u64,
    /// How many probes these figures are made of.
    pub probes: u64,
}

/// What has been counted since the hub was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Events that came from other hubs and were handed on.
    pub arrived: u64,
    /// Events that the server confirmed.
    pub sent: u64,
    /// Events that were refused, expired or stayed unconfirmed.
    pub failed: u64,
    /// Events that were acknowledged, and that the log of a server which took over may lack:
    /// it refused them, or could not be given them in time.
    pub voided: u64,
    /// Stretches that were found missing, and could not be repaired.
    pub gaps: u64,
    /// Events in them, where they could be counted.
    pub lost: u64,
    /// Events that were missing and were read from a log.
    pub repaired: u64,
    /// Events that came a second time and were let go.
    pub duplicates: u64,
    /// Messages, and entries of logs, that could not be read: of a later version, damaged, or
    /// of somebody else. What is lost by it is in the figures above as well.
    pub unreadable: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// Those that succeeded.
    pub connections: u64,
}
