//! RESP3 as it comes in: replies, and pushes between them.
//!
//! Messages are nearly all that ever comes. They are read by hand, without an allocation
//! and without a copy: a [`Push`] borrows from the read buffer. Everything else goes
//! through the codec of `redis-protocol`.
//!
//! # Invariants
//!
//! - The short way takes a frame only when all of it is in the buffer and is exactly what
//!   it looks for; at the slightest doubt the codec decides. Both read the same frames the
//!   same way.
//! - What no RESP3 server sends is an error that ends the connection, never a panic.

use bytes::Bytes;

/// The answer to one command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reply {
    /// A string of any kind.
    Text(Bytes),
    Int(i64),
    Real(f64),
    Bool(bool),
    Nil,
    /// The server's words, its code first: `NOPERM this user has no permissions …`.
    Error(String),
    /// An array or a set.
    List(Vec<Reply>),
    /// Pairs, in no order.
    Map(Vec<(Reply, Reply)>),
}

impl Reply {
    /// The text, if it is one and is UTF-8.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Reply::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// The number, also when it is written as a text.
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Reply::Int(number) => Some(*number),
            Reply::Text(_) => self.as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// The server's words, if it refused.
    pub(crate) fn error(&self) -> Option<&str> {
        match self {
            Reply::Error(words) => Some(words),
            _ => None,
        }
    }
}

/// The three kinds of names that a connection can listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `SUBSCRIBE`
    Channel,
    /// `PSUBSCRIBE`
    Pattern,
    /// `SSUBSCRIBE`
    Shard,
}

/// What comes without having been asked for just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push<'a> {
    Message {
        channel: &'a [u8],
        payload: &'a [u8],
    },
    PMessage {
        pattern: &'a [u8],
        channel: &'a [u8],
        payload: &'a [u8],
    },
    SMessage {
        channel: &'a [u8],
        payload: &'a [u8],
    },
    /// From here on in the stream the name is heard (`joined`) or not. A shard channel may
    /// be parted without having been asked: its slot has moved.
    Confirmed {
        kind: Kind,
        joined: bool,
        name: &'a [u8],
    },
    /// Nothing that concerns us.
    Other,
}
