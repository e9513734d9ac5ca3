//! One connection, once it stands: requests and their replies, pushes to a listener.
//!
//! Requests go out in the order of the calls, whether or not their futures are awaited;
//! replies come back in that order. A subscription is answered by pushes, one per name,
//! or by one error: it counts as one reply here, `Nil` once all its names are confirmed.

use std::{fmt, future::Future, rc::Rc};

use bytes::BytesMut;

use super::frames::{Kind, Push, Reply};
use crate::redis::arrival::Stamp;

/// Commands under construction, sent in one write.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    bytes: BytesMut,
    wants: Vec<Want>,
}

/// What answers a command, or several alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// So many replies.
    Replies(usize),
    /// So many confirmations, or one error.
    Confirmations {
        kind: Kind,
        joined: bool,
        names: usize,
    },
}

impl Commands {
    /// Adds one command; it has one reply.
    pub(crate) fn command(&mut self, parts: &[&[u8]]) -> &mut Self {
        let _ = parts;
        self
    }

    /// Adds a subscription or its end; it has one reply: `Nil` or an error.
    pub(crate) fn listen<'a>(
        &mut self,
        kind: Kind,
        joined: bool,
        names: impl IntoIterator<Item = &'a [u8]>,
    ) -> &mut Self {
        let _ = (kind, joined, names.into_iter().count());
        self
    }

    /// How many replies they will have.
    pub(crate) fn replies(&self) -> usize {
        self.wants.len()
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }
}

/// Hears what a connection pushes, in stream order, on the connection's thread. `now` is
/// taken once per read.
pub(crate) trait Listener {
    fn push(&mut self, push: Push<'_>, now: Stamp);
}

/// Why a connection is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(Rc<()>);

impl Session {
    /// Sends the commands at once, before anything that is requested later; the future has
    /// one reply per command. Dropping it drops the replies alone.
    pub(crate) fn request(
        &self,
        commands: Commands,
    ) -> impl Future<Output = Result<Vec<Reply>, Broken>> + use<> {
        let _ = commands;
        std::future::pending()
    }

    /// Ready once the connection is no more.
    pub(crate) fn closed(&self) -> impl Future<Output = Broken> + use<> {
        std::future::pending()
    }

    /// Ends it.
    pub(crate) fn close(&self, why: &str) {
        let _ = (why, Rc::strong_count(&self.0));
    }
}
