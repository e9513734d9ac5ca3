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
//! - The codec is given whole frames alone, none nested deeper than it has stack for.
//! - What no RESP3 server sends is an error that ends the connection, never a panic.

use std::fmt;

use bytes::Bytes;
use redis_protocol::resp3::{decode::complete::decode_range, types::RangeFrame};

use super::extent::extent;

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
        /// How many names the server has for this connection by now: shard channels for
        /// shard channels, all others for all others.
        held: u64,
    },
    /// Nothing that concerns us.
    Other,
}

/// One frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Frame<'a> {
    Push(Push<'a>),
    Reply(Reply),
}

/// What is no RESP3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(String);

impl Malformed {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Malformed(what.into())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server sent what is no RESP3: {}", self.0)
    }
}

/// The first frame of a buffer and how long it is; `None` while it is not whole.
pub(crate) fn next(buffer: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Malformed> {
    if let Some((push, length)) = message(buffer) {
        return Ok(Some((Frame::Push(push), length)));
    }
    let Some(length) = extent(buffer)? else {
        return Ok(None);
    };
    let decoded = decode_range(&buffer[..length]);
    let decoded = decoded.map_err(|error| Malformed::new(error.to_string()))?;
    let Some((frame, _)) = decoded else {
        return Err(Malformed::new("a frame that contradicts itself"));
    };
    let frame = match frame {
        RangeFrame::Push { data, .. } => Frame::Push(push(buffer, &data)),
        other => Frame::Reply(reply(buffer, other)?),
    };
    Ok(Some((frame, length)))
}

const MESSAGE: &[u8] = b">3\r\n$7\r\nmessage\r\n";
const PMESSAGE: &[u8] = b">4\r\n$8\r\npmessage\r\n";
const SMESSAGE: &[u8] = b">3\r\n$8\r\nsmessage\r\n";

/// The short way.
fn message(buffer: &[u8]) -> Option<(Push<'_>, usize)> {
    if let Some(rest) = buffer.strip_prefix(MESSAGE) {
        let (channel, rest) = blob(rest)?;
        let (payload, rest) = blob(rest)?;
        let push = Push::Message { channel, payload };
        Some((push, buffer.len() - rest.len()))
    } else if let Some(rest) = buffer.strip_prefix(PMESSAGE) {
        let (pattern, rest) = blob(rest)?;
        let (channel, rest) = blob(rest)?;
        let (payload, rest) = blob(rest)?;
        let push = Push::PMessage {
            pattern,
            channel,
            payload,
        };
        Some((push, buffer.len() - rest.len()))
    } else {
        let rest = buffer.strip_prefix(SMESSAGE)?;
        let (channel, rest) = blob(rest)?;
        let (payload, rest) = blob(rest)?;
        let push = Push::SMessage { channel, payload };
        Some((push, buffer.len() - rest.len()))
    }
}

/// `$<length>\r\n<bytes>\r\n`, and what follows it.
fn blob(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = buffer.strip_prefix(b"$")?;
    let mut length = 0usize;
    // Nine digits are more than a server can send.
    for (at, &byte) in rest.iter().enumerate().take(10) {
        if byte == b'\r' && at > 0 {
            let data = rest[at..].strip_prefix(b"\r\n")?;
            let after = data.get(length..)?.strip_prefix(b"\r\n")?;
            return Some((&data[..length], after));
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || at == 9 {
            return None;
        }
        length = length * 10 + usize::from(digit);
    }
    None
}

/// Any push, from the codec's view of it.
fn push<'a>(buffer: &'a [u8], data: &[RangeFrame]) -> Push<'a> {
    let texts: Option<Vec<&[u8]>> = data.iter().take(3).map(|part| text(buffer, part)).collect();
    match (texts.as_deref(), data) {
        (Some([b"message", channel, payload]), _) => Push::Message { channel, payload },
        (Some([b"smessage", channel, payload]), _) => Push::SMessage { channel, payload },
        (Some([b"pmessage", pattern, channel]), [_, _, _, payload]) => {
            match text(buffer, payload) {
                Some(payload) => Push::PMessage {
                    pattern,
                    channel,
                    payload,
                },
                None => Push::Other,
            }
        }
        (None, [verb, name, RangeFrame::Number { data: held, .. }]) => {
            match (text(buffer, verb), text(buffer, name)) {
                (Some(verb), Some(name)) => confirmed(verb, name, *held),
                _ => Push::Other,
            }
        }
        _ => Push::Other,
    }
}

fn confirmed<'a>(verb: &[u8], name: &'a [u8], held: i64) -> Push<'a> {
    let (kind, joined) = match verb {
        b"subscribe" => (Kind::Channel, true),
        b"unsubscribe" => (Kind::Channel, false),
        b"psubscribe" => (Kind::Pattern, true),
        b"punsubscribe" => (Kind::Pattern, false),
        b"ssubscribe" => (Kind::Shard, true),
        b"sunsubscribe" => (Kind::Shard, false),
        _ => return Push::Other,
    };
    Push::Confirmed {
        kind,
        joined,
        name,
        held: held.max(0).unsigned_abs(),
    }
}

fn text<'a>(buffer: &'a [u8], frame: &RangeFrame) -> Option<&'a [u8]> {
    match frame {
        RangeFrame::BlobString { data, .. }
        | RangeFrame::SimpleString { data, .. }
        | RangeFrame::VerbatimString { data, .. }
        | RangeFrame::BigNumber { data, .. } => buffer.get(data.0..data.1),
        _ => None,
    }
}

fn reply(buffer: &[u8], frame: RangeFrame) -> Result<Reply, Malformed> {
    if let Some(text) = text(buffer, &frame) {
        return Ok(Reply::Text(Bytes::copy_from_slice(text)));
    }
    let list = |data: Vec<RangeFrame>| -> Result<Reply, Malformed> {
        let parts: Result<_, _> = data.into_iter().map(|part| reply(buffer, part)).collect();
        parts.map(Reply::List)
    };
    Ok(match frame {
        RangeFrame::BlobError { data, .. } | RangeFrame::SimpleError { data, .. } => {
            let words = buffer.get(data.0..data.1).unwrap_or_default();
            Reply::Error(String::from_utf8_lossy(words).into_owned())
        }
        RangeFrame::Boolean { data, .. } => Reply::Bool(data),
        RangeFrame::Null => Reply::Nil,
        RangeFrame::Number { data, .. } => Reply::Int(data),
        RangeFrame::Double { data, .. } => Reply::Real(data),
        RangeFrame::Array { data, .. } | RangeFrame::Push { data, .. } => list(data)?,
        RangeFrame::Set { data, .. } => list(data.into_iter().collect())?,
        RangeFrame::Map { data, .. } => {
            let pairs: Result<_, Malformed> = data
                .into_iter()
                .map(|(key, value)| Ok((reply(buffer, key)?, reply(buffer, value)?)))
                .collect();
            Reply::Map(pairs?)
        }
        _ => return Err(Malformed::new("a frame that no server sends")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(buffer: &[u8]) -> Frame<'_> {
        let (frame, length) = next(buffer).unwrap().unwrap();
        assert_eq!(length, buffer.len());
        frame
    }

    #[test]
    fn messages_are_read_the_same_both_ways() {
        let cases: [(&[u8], Push<'_>); 3] = [
            (
                b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n",
                Push::Message {
                    channel: b"a",
                    payload: b"hi",
                },
            ),
            (
                b">4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$2\r\nab\r\n$0\r\n\r\n",
                Push::PMessage {
                    pattern: b"a*",
                    channel: b"ab",
                    payload: b"",
                },
            ),
            (
                b">3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$4\r\n\r\n\r\n\r\n",
                Push::SMessage {
                    channel: b"a",
                    payload: b"\r\n\r\n",
                },
            ),
        ];
        for (bytes, expected) in cases {
            assert_eq!(message(bytes), Some((expected, bytes.len())));
            let Some((RangeFrame::Push { data, .. }, _)) = decode_range(bytes).unwrap() else {
                panic!("not a push");
            };
            assert_eq!(push(bytes, &data), expected);
            for short in 0..bytes.len() {
                assert_eq!(next(&bytes[..short]).unwrap(), None, "{short}");
            }
        }
    }

    #[test]
    fn confirmations_are_pushes() {
        for (verb, kind, joined) in [
            ("subscribe", Kind::Channel, true),
            ("punsubscribe", Kind::Pattern, false),
            ("ssubscribe", Kind::Shard, true),
            ("sunsubscribe", Kind::Shard, false),
        ] {
            let bytes = format!(">3\r\n${}\r\n{verb}\r\n$2\r\nab\r\n:7\r\n", verb.len());
            let name = b"ab".as_slice();
            let push = Push::Confirmed {
                kind,
                joined,
                name,
                held: 7,
            };
            assert_eq!(one(bytes.as_bytes()), Frame::Push(push));
        }
        assert_eq!(
            one(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n"),
            Frame::Push(Push::Other)
        );
    }

    #[test]
    fn replies_of_every_kind() {
        let text = |text: &'static str| Reply::Text(Bytes::from_static(text.as_bytes()));
        for (bytes, reply) in [
            ("+OK\r\n", text("OK")),
            (":-7\r\n", Reply::Int(-7)),
            ("_\r\n", Reply::Nil),
            ("#t\r\n", Reply::Bool(true)),
            (",1.5\r\n", Reply::Real(1.5)),
            ("-NOPERM no\r\n", Reply::Error("NOPERM no".into())),
            ("=7\r\ntxt:abc\r\n", text("abc")),
            (
                "*2\r\n$1\r\na\r\n:1\r\n",
                Reply::List(vec![text("a"), Reply::Int(1)]),
            ),
            (
                "%1\r\n+a\r\n*0\r\n",
                Reply::Map(vec![(text("a"), Reply::List(vec![]))]),
            ),
        ] {
            assert_eq!(one(bytes.as_bytes()), Frame::Reply(reply), "{bytes:?}");
        }
    }

    #[test]
    fn nesting_does_not_use_up_the_stack() {
        for nested in ["*1\r\n", "*2\r\n:1\r\n", "%1\r\n+a\r\n", ">1\r\n"] {
            assert!(next(nested.repeat(100_000).as_bytes()).is_err());
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_panics(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'$'), Just(b'>'), Just(b'*'), b'0'..=b'9', any::<u8>()],
            0..64,
        )) {
            let _ = next(&bytes);
        }

        #[test]
        fn the_short_way_is_the_codecs_way(
            channel in proptest::collection::vec(any::<u8>(), 0..20),
            payload in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut bytes = MESSAGE.to_vec();
            for part in [&channel, &payload] {
                bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
                bytes.extend_from_slice(part);
                bytes.extend_from_slice(b"\r\n");
            }
            let (short, length) = message(&bytes).unwrap();
            prop_assert_eq!(length, bytes.len());
            let Some((RangeFrame::Push { data, .. }, _)) = decode_range(&bytes).unwrap() else {
                panic!("not a push");
            };
            prop_assert_eq!(push(&bytes, &data), short);
        }
    }
}
