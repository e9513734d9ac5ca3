//! Why a migration cannot begin, or a stage cannot be entered.

use std::{fmt, time::Duration};

use super::{
    roll::Peer,
    stage::{Side, Stage},
};
use crate::{
    redis::{Finding, RedisError, names::RESERVED},
    topic::TopicError,
};

/// Why a [`Migration`](super::Migration) cannot go where it was asked to. Nothing has
/// changed then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationError {
    /// A name of the course is none.
    Topic(TopicError),
    /// A name of the course is the backplane's own.
    Reserved {
        /// The name.
        name: String,
    },
    /// The course ends where it begins.
    Nowhere,
    /// By the rules of the two servers, or of the two names, events would be promised
    /// something else on the new side than on the old one, or look different there.
    Modes {
        /// What the topic is called on the old side.
        topic: String,
        /// How its events travel there: `live`, `live in an envelope`, `replay` or `durable`.
        old: &'static str,
        /// What it is called on the new side.
        name: String,
        /// How its events would travel there.
        new: &'static str,
    },
    /// One of its names belongs to another migration, or is listened to by itself.
    Taken {
        /// The name.
        topic: String,
    },
    /// The stages are no neighbours: they are entered one after the other.
    NotNext {
        /// Where it is.
        from: Stage,
        /// Where it was to go.
        to: Stage,
    },
    /// Another thread is entering a stage of this migration.
    Busy,
    /// These hubs read the other side alone, or are about to, and would miss what is written
    /// from now on.
    Readers(Vec<Peer>),
    /// So many connections listen to the other side and are no hubs that take part.
    Strangers {
        /// How many.
        connections: u64,
        /// Where they listen.
        side: Side,
    },
    /// These hubs write to the side that is to be given up, or are about to.
    Writers(Vec<Peer>),
    /// No hub that takes part writes to the side that is to be given up any more, but it was
    /// written to just now: by one that has just left it, or by somebody who takes no part.
    StillWritten {
        /// The side.
        side: Side,
        /// How long ago its last event came.
        ago: Duration,
        /// The hub that published it, if the event says so: one in an envelope does. By this
        /// number [`Peer::hub`] knows it on the first server, and in `CLIENT LIST` it is
        /// `distributary-` and the number, unless it was given a name.
        by: Option<u64>,
    },
    /// So many hubs that take part did not answer.
    Silent {
        /// How many.
        hubs: u64,
    },
    /// The side that is to be written to is not well enough.
    Unhealthy(Vec<Finding>),
    /// The side that is to be heard could not be joined, or the server could not be asked,
    /// before the deadline.
    NotReached {
        /// Where the server is.
        server: String,
    },
    /// The server does not let this hub hear the topic on the side that is to be heard, or
    /// where hubs tell each other their stages.
    NotHeard {
        /// The name.
        name: String,
        /// The side.
        side: Side,
    },
    /// The hub was closed.
    Closed,
    /// The server of the course cannot be as it was asked for, or the heartbeat's thread cannot
    /// be started.
    Redis(RedisError),
}

impl fmt::Display for MigrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MigrationError::Topic(error) => error.fmt(f),
            MigrationError::Reserved { name } => write!(f, "{name:?} {RESERVED}"),
            MigrationError::Modes {
                topic,
                old,
                name,
                new,
            } => write!(
                f,
                "events of {topic:?} travel {old} on the old side, and by the rules of the new side {name:?} would travel {new}: give the server of the new side rules for that name, the same in every hub"
            ),
            MigrationError::Nowhere => f.write_str(
                "the course ends where it begins: give it another name or another server",
            ),
            MigrationError::Taken { topic } => write!(
                f,
                "{topic:?} belongs to another migration or is listened to by itself: end that first"
            ),
            MigrationError::NotNext { from, to } => write!(
                f,
                "{to} does not follow {from}: enter the stages one after the other"
            ),
            MigrationError::Busy => f.write_str("another thread is entering a stage"),
            MigrationError::Readers(peers) => {
                f.write_str("these hubs would miss what is written from now on: ")?;
                list(f, peers)?;
                f.write_str(": let them read both sides first")
            }
            MigrationError::Strangers { connections, side } => write!(
                f,
                "{connections} connections listen to the {side} side and take no part in the migration: move or end them first; hubs that left just now are gone within seconds"
            ),
            MigrationError::Writers(peers) => {
                write!(f, "these hubs write to the side that would be given up: ")?;
                list(f, peers)?;
                f.write_str(": let them write to the other first")
            }
            MigrationError::StillWritten { side, ago, by } => {
                match by {
                    Some(hub) => write!(f, "hub {hub:016x}")?,
                    None => f.write_str("somebody")?,
                }
                write!(
                    f,
                    " wrote to the {side} side {} ms ago: try again if that is a hub which has just left it, and move it first if it takes no part",
                    ago.as_millis()
                )
            }
            MigrationError::Silent { hubs } => write!(
                f,
                "{hubs} hubs take part and do not answer: wait for them or end them"
            ),
            MigrationError::Unhealthy(findings) => {
                f.write_str("the side that would be written to is not well")?;
                for finding in findings {
                    write!(f, "; {}: {}", finding.code, finding.text)?;
                }
                Ok(())
            }
            MigrationError::NotReached { server } => write!(
                f,
                "{server} did not answer in time: see the hub's health, and try again"
            ),
            MigrationError::NotHeard { name, side } => write!(
                f,
                "the server of the {side} side does not let this hub hear {name:?}: grant it to its user"
            ),
            MigrationError::Closed => f.write_str("the hub was closed"),
            MigrationError::Redis(error) => error.fmt(f),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, peers: &[Peer]) -> fmt::Result {
    for (at, peer) in peers.iter().enumerate() {
        let between = if at == 0 { "" } else { ", " };
        write!(f, "{between}{:016x} ({}", peer.hub, peer.stage)?;
        if let Some(stage) = peer.entering {
            write!(f, ", about to enter {stage}")?;
        }
        f.write_str(")")?;
    }
    Ok(())
}

impl std::error::Error for MigrationError {}

impl From<TopicError> for MigrationError {
    fn from(error: TopicError) -> Self {
        MigrationError::Topic(error)
    }
}
