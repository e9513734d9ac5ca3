//! Redis and Valkey as the backplane (feature `redis`).

mod arrival;
mod builder;
mod conductor;
mod error;
mod figures;
mod inbox;
#[allow(dead_code, unused_imports)]
mod interest;
#[allow(dead_code)]
mod link;
#[allow(dead_code)]
mod log;
mod modes;
mod outbox;
mod plane;
#[allow(dead_code, unused_imports)]
mod socket;
#[allow(dead_code)]
mod target;
mod thread;
#[allow(dead_code, unused_imports)]
mod topology;
mod watch;
#[allow(dead_code)]
mod wire;

pub use builder::RedisBuilder;
pub use error::{RedisError, RedisErrorKind};
pub use modes::{Mode, ModeError};
pub use plane::Redis;
pub use watch::{Demands, Finding, Verdict};
