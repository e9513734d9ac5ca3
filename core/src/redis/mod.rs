//! Redis and Valkey as the backplane (feature `redis`).

mod arrival;
mod builder;
mod conductor;
mod error;
mod figures;
#[allow(dead_code)]
mod interest;
mod link;
mod plane;
mod socket;
mod target;
mod thread;

pub use builder::RedisBuilder;
pub use error::{RedisError, RedisErrorKind};
pub use plane::Redis;
