//! What one server behind a backplane tells of itself, in words that fit any engine with
//! a leader and followers.
//!
//! Everything that a server may not tell, or that its version does not know, is an
//! `Option`: nothing is made up.

use std::{fmt, time::Duration};

/// One server that a hub is connected to, or would be.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Node {
    /// Where it is.
    pub address: String,
    /// Whether there is a connection that works.
    pub connected: bool,
    /// Name and version, such as `redis 7.0.15`.
    pub version: Option<String>,
    /// For how long it has been running.
    pub uptime: Option<Duration>,
    /// Who follows it, and how closely.
    pub replication: Option<Replication>,
    /// What it holds, and may hold.
    pub memory: Option<Memory>,
    /// What waits in it to be sent to this hub.
    pub output: Option<Output>,
    /// For how long it has been observed without a break.
    pub observed: Duration,
}

/// How a server and its followers stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Replication {
    /// What the server is.
    pub role: Role,
    /// Those that follow it.
    pub replicas: Vec<Replica>,
    /// Times that a follower had to begin anew with a copy of everything, since the
    /// server started.
    pub full_syncs: Option<u64>,
    /// For how long the same followers have been there in the same state, as far as that
    /// is known: it was observed for so long, or their connections are so old.
    pub stable: Duration,
    /// For how long no follower has begun anew, as far as that is known. A first copy is
    /// no new beginning.
    pub steady: Duration,
    /// A follower falls behind, is cut off, begins anew, and falls behind again.
    pub resync_loop: bool,
    /// The history that its offsets count in.
    pub lineage: String,
    /// Bytes written in it.
    pub offset: u64,
}

/// What a server is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// It takes what is published.
    #[default]
    Master,
    /// It follows another one; what is published here reaches its own listeners alone.
    Replica,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Master => "master",
            Role::Replica => "replica",
        })
    }
}

/// A follower, as its master sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Replica {
    /// Where it is.
    pub address: String,
    /// It has a copy, and follows. Otherwise it waits for its copy, or is being sent one.
    pub online: bool,
    /// Bytes that it has not confirmed. Confirmations come once a second, so that this
    /// goes up and down under load.
    pub unconfirmed: u64,
    /// Of these, the bytes that it has had time to confirm: what it really lags.
    pub behind: u64,
    /// Since its last confirmation.
    pub silent: Duration,
}

/// What a server holds, and may hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Memory {
    /// Bytes in use.
    pub used: u64,
    /// Bytes that it may use; `None` without a limit.
    pub limit: Option<u64>,
    /// What it does at the limit: `noeviction`, or the name of the rule by which keys go.
    pub policy: String,
    /// Keys that it threw away to stay below, since it started.
    pub evicted: Option<u64>,
    /// Writes that it refused for want of memory, since it started.
    pub rejected: Option<u64>,
    /// Of the evicted keys and the rejected writes, those that came while it was observed.
    pub pressed: u64,
}

impl Memory {
    /// How full it is, from 0 to 1, if there is a limit.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        self.limit.map(|limit| self.used as f64 / limit as f64)
    }
}

/// What waits in a server to be sent to this hub. A server cuts connections off that let
/// too much wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Output {
    /// Bytes that wait.
    pub waiting: u64,
    /// What the connection takes in all.
    pub total: u64,
}
