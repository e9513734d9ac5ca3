//! The script that publishes to a log: what it is given and what it answers.
//!
//! It is sent whole once per connection, by `EVAL`, which also makes the server keep it;
//! after that by its digest. A server that has forgotten it says `NOSCRIPT`, and gets it
//! whole again.
//!
//! # Invariants
//!
//! - Idempotent: sent twice, an event is kept once and published once.
//! - In order: an event is not kept before the one that it names as coming before it.
//! - Who could not be kept is published all the same, marked; the answer says so.

use super::keys::Keys;
use crate::redis::socket::{Commands, Reply};

/// The script.
const SOURCE: &str = include_str!("script.lua");

/// What a server calls it: the SHA-1 of its source. A test asks a server.
const DIGEST: &str = "d04ad84208489a87dad0aab3046e59f131fcbe75";

/// How long logs are, and how long what is idle is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// Entries per log, about.
    pub(crate) length: u64,
    /// Milliseconds after its last publish.
    pub(crate) log_ms: u64,
    /// Milliseconds that a publisher's serial is known after its last publish: longer than
    /// anything is sent again.
    pub(crate) publisher_ms: u64,
}

/// One publish.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publish<'a> {
    pub(crate) channel: &'a str,
    pub(crate) keys: &'a Keys,
    /// By `SPUBLISH`.
    pub(crate) sharded: bool,
    /// What stands for the server's replication id, if that is known.
    pub(crate) server: Option<[u8; 8]>,
    /// The lineage to begin, should one begin: never used before.
    pub(crate) fresh: [u8; 8],
    /// The publisher's own number.
    pub(crate) serial: u64,
    /// The serial that the log must have first; 0 if none.
    pub(crate) after: u64,
    /// What the envelope begins with, up to lineage and number.
    pub(crate) head: &'a [u8],
    /// The same for one that the log could not keep.
    pub(crate) unkept: &'a [u8],
    /// What follows lineage and number.
    pub(crate) rest: &'a [u8],
}

/// What the server made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// In the log under this number, and published to so many listeners.
    Kept { number: u64, heard: u64 },
    /// It was there already, under this number if that is still known.
    Known { number: Option<u64> },
    /// What must come first is not there: the log has up to this serial.
    Behind { serial: u64 },
    /// Published, and refused by the log with these words.
    Unkept { heard: u64, words: String },
    /// Nothing happened.
    Refused(String),
}

/// Adds a publish to a pipeline: by the script's digest, or `whole`.
pub(crate) fn write(
    commands: &mut Commands,
    publish: &Publish<'_>,
    retention: &Retention,
    whole: bool,
) {
    let (verb, script): (&[u8], &[u8]) = if whole {
        (b"EVAL", SOURCE.as_bytes())
    } else {
        (b"EVALSHA", DIGEST.as_bytes())
    };
    let publish_verb: &[u8] = if publish.sharded {
        b"SPUBLISH"
    } else {
        b"PUBLISH"
    };
    let server: &[u8] = publish.server.as_ref().map_or(b"", |id| id);
    commands.command(&[
        verb,
        script,
        b"3",
        publish.keys.log.as_bytes(),
        publish.keys.head.as_bytes(),
        publish.keys.from.as_bytes(),
        publish.channel.as_bytes(),
        publish_verb,
        server,
        &publish.fresh,
        Decimal::of(publish.serial).as_bytes(),
        Decimal::of(publish.after).as_bytes(),
        Decimal::of(retention.length).as_bytes(),
        Decimal::of(retention.log_ms).as_bytes(),
        Decimal::of(retention.publisher_ms).as_bytes(),
        publish.head,
        publish.unkept,
        publish.rest,
    ]);
}

/// Reads the reply to one.
pub(crate) fn answer(reply: &Reply) -> Answer {
    let parts = match reply {
        Reply::List(parts) => parts,
        Reply::Error(words) => return Answer::Refused(words.clone()),
        other => return Answer::Refused(format!("the script answered {other:?}")),
    };
    let part = |at: usize| {
        parts
            .get(at)
            .and_then(Reply::as_int)
            .and_then(|int| u64::try_from(int).ok())
    };
    match (part(0), part(1)) {
        (Some(1), Some(number)) => Answer::Kept {
            number,
            heard: part(2).unwrap_or(0),
        },
        (Some(2), Some(number)) => Answer::Known {
            number: (number > 0).then_some(number),
        },
        (Some(3), Some(serial)) => Answer::Behind { serial },
        (Some(4), Some(heard)) => Answer::Unkept {
            heard,
            words: parts
                .get(2)
                .and_then(Reply::as_str)
                .unwrap_or("the log could not take it")
                .to_owned(),
        },
        _ => Answer::Refused(format!("the script answered {parts:?}")),
    }
}

/// A number in decimal digits, without an allocation.
struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    fn of(mut number: u64) -> Decimal {
        let mut digits = [0; 20];
        let mut from = digits.len();
        loop {
            from -= 1;
            digits[from] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                return Decimal { digits, from };
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.digits[self.from..]
    }
}

#[cfg(test)]
mod tests;
