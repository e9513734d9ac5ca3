//! One connection to one server: bytes below, requests and pushes above.
//!
//! | file | its job |
//! |---|---|
//! | `frames` | RESP3: what a reply and a push are, and how they are read out of a buffer |
//! | `extent` | how far a frame reaches, and that it is not nested too deep |
//! | `session` | requests matched to replies, pushes called back, one order on the wire |
//! | `dial` | TCP and TLS |
//!
//! Nothing here knows what a hub is, and nothing here tries again: a connection that
//! broke is over.

mod dial;
mod extent;
mod frames;
mod session;
#[cfg(test)]
mod tests;

pub(crate) use dial::{Tls, dial};
pub(crate) use frames::{Kind, Push, Reply};
pub(crate) use session::{Broken, Commands, Listener, Session, Stream};
