//! Redis and Valkey as the backplane (feature `redis`): hubs on many machines act as one.
//!
//! Begin with [`Redis::at`], [`Redis::sentinel`] or [`Redis::cluster`], and give what
//! [`RedisBuilder::build`] makes to [`HubBuilder::backplane`](crate::HubBuilder::backplane).
//! Servers from Redis 6.2 on are understood, and Valkey; the README names those that it is
//! tested with. Some are different in what a user sees:
//!
//! - Redis 6.2 has no shard channels: [`RedisBuilder::sharded`] is for later ones.
//! - Valkey 9.1 does not count events of 16 KB and more towards the limit of what may wait
//!   for a subscriber. A process that stands still is not cut off for them, and what waits
//!   for it, in the server's memory, is not seen by `output_buffer` below.
//!
//! # Three promises
//!
//! A topic has a [`Mode`]; rules of patterns say which, and what no rule names is live.
//!
//! | mode | between machines | costs |
//! |---|---|---|
//! | [`Live`](Mode::Live) | at most once; what can be counted of a gap is counted | a `PUBLISH` |
//! | [`Replay`](Mode::Replay) | exactly once per hub after any break, as far back as the log goes; what it no longer has is told with its size | a script with an `XADD`, memory for the log |
//! | [`Durable`](Mode::Durable) | the same, acknowledged only once a replica has it | a `WAIT` more |
//!
//! Live events are the bare payload on the topic's own channel, for readers and from
//! writers that know nothing of us. The other modes, and live topics by
//! [`RedisBuilder::envelope`], put an envelope around it.
//!
//! # What happens when the server does not
//!
//! Who listens in this process is served by its own publishes, whatever the server's
//! state. What is to go out waits, within a budget of bytes and a deadline, and then fails
//! with a typed error. What a server has no memory for in its logs it refuses, and nobody
//! elsewhere hears it. The connection is watched end to end, made again by a pace that
//! spreads a fleet, and repaired from the logs. [`Hub::health`](crate::Hub::health) says
//! what is not as it should be, in words.
//!
#![doc = include_str!("watch/codes.md")]
#![doc = include_str!("rights.md")]
//! # The parts
//!
//! One thread per hub drives everything, with a runtime of its own; one connection per
//! server serves both ways. Decisions are pure, and the `conductor` around them does what
//! they say:
//!
//! | part | decides |
//! |---|---|
//! | `target`, `builder`, `options` | what was asked for, checked |
//! | `topology` | which servers there are, and which name belongs to which |
//! | `link` | when to connect, and what to do then |
//! | `socket` | nothing: bytes, requests, replies, pushes |
//! | `names` | which channels are the backplane's own |
//! | `interest` | which names to ask a server for, in which batches |
//! | `heard` | whether the history of a topic is whole |
//! | `inbox`, `wire` | what an arriving message means |
//! | `outbox`, `modes`, `log` | what goes out, in which shape, and what became of it |
//! | `watch` | how it all is, and whether it is safe to switch |
//! | `migration` | how a topic moves to another name or server |

mod arrival;
mod builder;
mod conductor;
mod error;
mod figures;
#[cfg(any(test, feature = "fuzzing"))]
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
pub(crate) mod fuzzing;
mod heard;
mod inbox;
mod interest;
mod link;
mod log;
pub mod migration;
mod modes;
mod names;
mod options;
mod outbox;
mod plane;
mod socket;
mod target;
mod thread;
mod topology;
mod watch;
mod wire;

pub use builder::RedisBuilder;
pub use error::{RedisError, RedisErrorKind};
pub use modes::{Mode, ModeError};
pub use options::{DemandsOptions, RedisOptions};
pub use plane::Redis;
pub use watch::{Demands, Finding, Verdict};
