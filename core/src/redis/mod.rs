//! Redis and Valkey as the backplane (feature `redis`).

#[allow(dead_code)]
mod arrival;
mod error;
#[allow(dead_code, unused_imports)]
mod interest;
#[allow(dead_code, unused_imports)]
mod socket;
#[allow(dead_code)]
mod target;
#[allow(dead_code, unused_imports)]
mod topology;
#[allow(dead_code)]
mod wire;

pub use error::{RedisError, RedisErrorKind};
pub use modes::{Mode, ModeError};

#[allow(dead_code)]
mod log;
#[allow(dead_code)]
mod modes;
#[allow(dead_code, unused_imports)]
mod outbox;
