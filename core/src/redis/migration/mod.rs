//! Moving topics to other names and other servers while they are in use.
//!
//! A topic that everybody shares becomes a topic for each document; a server that is too
//! small gives way to a cluster. Whoever does it all at once loses what was published
//! while some listened here and others wrote there. So it goes in stages, each of which
//! can be left backwards as well:
//!
//! | [`Stage`] | reads | writes | what for |
//! |---|---|---|---|
//! | `Old` | old | old | |
//! | `DualRead` | both | old | rolled out until no hub reads the old side alone |
//! | `NewWrite` | both | new | the flip |
//! | `New` | new | new | once nobody writes to the old side any more |
//!
//! In the program nothing changes: a hub's topic keeps its name, its subscriptions hear
//! every event once. [`Moving`] stands between the hub and its servers, translates names,
//! and lets the second of two equal events go that came by both sides within a window.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//! use distributary::{Hub, redis::{Redis, migration::{Course, Moving, Stage}}};
//!
//! let moving = Moving::on(Redis::at("redis://old.example")?.build()?);
//! let hub = Hub::builder().backplane(moving.clone()).build()?;
//!
//! // From the configuration: what moves, and the stage that the fleet has reached.
//! let cluster = Redis::at("redis://new.example")?.build()?;
//! let course = Course::of("documents")?.to("documents.v2")?.onto(cluster);
//! let migration = moving.begin(course, Stage::Old)?;
//!
//! let soon = || Instant::now() + Duration::from_secs(10);
//! migration.enter(Stage::DualRead, soon())?;
//! // On one hub after the other, once all of them read both sides:
//! if let Err(in_the_way) = migration.enter(Stage::NewWrite, soon()) {
//!     eprintln!("not yet: {in_the_way}");
//! }
//! println!("{:?}", migration.counts());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is checked
//!
//! Hubs tell each other their stages on `distributary:migration:<topic>` of the first
//! server, every second, and at once when one of them calls. A change of the write side
//! is refused while
//!
//! - a hub reads the other side alone or is about to, or one that takes part does not
//!   answer,
//! - more connections listen to the other side than hubs have subscriptions there: they
//!   are somebody's who takes no part, and would hear nothing any more; at the master, at all
//!   nodes of a cluster, and at the replicas that the master names and that let this hub in,
//! - the side that is to be written to does not meet the [`Demands`](super::Demands), of
//!   which the health of replication is one. Probes speak against it only when many of the
//!   last ten seconds were slow: a single stall does not.
//!
//! A side is given up only when no hub writes to it or is about to, and nobody else did for
//! a while. Of two hubs that go opposite ways at once one arrives; the other is refused.
//! [`Migration::force`] does it all the same.
//!
//! A process that was killed said no goodbye: for 30 seconds it counts as one that takes part
//! and bars a change where its stage would. Have patience for so long, or use force if you
//! know that it is gone.
//!
//! Modes and envelopes follow the name and the server: a course whose two ends have other
//! rules is refused as [`MigrationError::Modes`], since whoever was promised a log would
//! lose it on the way. Give the new name its rules first, in every hub.
//!
//! # What is not promised
//!
//! Order across the flip holds on one server. Between two servers an event that was
//! written to the old one may arrive after one that was written later to the new one.
//! Who listens by a pattern is not seen, and in nobody's way: a server tells how many
//! patterns a connection has, not which. Most are monitors that hear both sides. Whether a
//! reader is among them shows `CLIENT LIST TYPE pubsub` on each server of the old side: those
//! with `psub` above 0, and a name that does not begin with `distributary-`, are none of the
//! hubs. Nor are those seen who listen at a replica that cannot be reached from here at the
//! address which its master has for it, or whose passwords are others.
//! A payload that is published twice within the window, by two publishers on different
//! sides, counts as one: give the [`Course`] a window of zero where nobody writes to both
//! sides.
//!
//! | file | its job |
//! |---|---|
//! | `stage` | stages as data, and the rule of what bars a change; pure |
//! | `twins` | one event that comes by both sides; pure |
//! | `roll` | which hubs take part, where each is and where it goes; pure |
//! | `course`, `counts`, `error` | what is moved, what was carried, what was in the way |
//! | `moved` | one migration, shared by all threads |
//! | `moving` | the backplane between the hub and the servers; `moving/face` is what the hub sees of it |
//! | `entering` | entering stages |
//! | `heartbeat`, `metrics` | telling other hubs, telling Prometheus |
//! | `waiters` | who waits for a change of any server's health |

mod counts;
mod course;
mod entering;
mod error;
mod heartbeat;
mod metrics;
mod moved;
mod moving;
mod roll;
mod stage;
mod twins;
mod waiters;

pub(crate) use moved::is_channel;

pub use counts::{SideCounts, Sides};
pub use course::{Course, CourseOptions};
pub use entering::Migration;
pub use error::MigrationError;
pub use moving::Moving;
pub use roll::Peer;
pub use stage::{Side, Stage};
pub(crate) use twins::Twins;
