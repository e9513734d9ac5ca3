//! The server's own count of our subscriptions beside ours.
//!
//! Subscriptions can be lost without a word: a proxy that swallowed a command, a server
//! that forgot. RESP3 lets a subscriber's connection ask `CLIENT INFO`, which says how
//! many channels, patterns and shard channels the server has for it. No other command is
//! in flight while it is asked, and confirmations stand in the same stream as its answer,
//! so both counts are of one moment and must be equal.
//!
//! A difference is looked at again after [`AGAIN`], since a subscription may be taken from
//! us just then. If it stays, names are missing, and all of them are asked for again,
//! which changes nothing for those that are there. The server says with each how many it
//! has by then: the count grows at those that were lost, and at no other. If that does not cure
//! it, or if the server has more than we know of, only a new connection does.

use std::time::{Duration, Instant};

/// From one look to the next while all is well.
const EVERY: Duration = Duration::from_secs(30);

/// From the last change on: what is lost is lost most likely when it is asked for.
const AFTER_CHANGE: Duration = Duration::from_secs(1);

/// Until a difference is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// How many names a server has for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    /// `SUBSCRIBE`
    pub(crate) channels: u64,
    /// `PSUBSCRIBE`
    pub(crate) patterns: u64,
    /// `SSUBSCRIBE`
    pub(crate) shards: u64,
}

impl Held {
    /// As `CLIENT INFO` says it. A server before 7.0 knows no shard channels.
    fn parse(info: &str) -> Option<Held> {
        let field = |name: &str| {
            info.split_ascii_whitespace()
                .find_map(|part| part.strip_prefix(name)?.parse::<u64>().ok())
        };
        Some(Held {
            channels: field("sub=")?,
            patterns: field("psub=")?,
            shards: field("ssub=").unwrap_or(0),
        })
    }

    /// Both together.
    pub(crate) fn and(self, other: Held) -> Held {
        Held {
            channels: self.channels + other.channels,
            patterns: self.patterns + other.patterns,
            shards: self.shards + other.shards,
        }
    }

    /// Whether one of the counts is more than another's.
    fn exceeds(self, other: Held) -> bool {
        self.channels > other.channels
            || self.patterns > other.patterns
            || self.shards > other.shards
    }
}

/// What an audit found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Both counts are the same.
    Equal,
    /// They are not, and it will be looked at again.
    Unclear,
    /// The server has lost names: all are asked for again, and those that it did not have
    /// are known by its counts.
    Missing {
        /// What it has.
        theirs: Held,
    },
    /// Only a new connection helps.
    Beyond,
    /// The server does not say: it may be old, or we may not ask. It is not asked again.
    Unknown,
}

/// When the server is asked, and what its answers mean.
#[derive(Debug, Default)]
pub(super) struct Audit {
    due: Option<Instant>,
    /// The last answer was another than ours.
    differed: bool,
    /// All names have been asked for again since an answer was ours.
    rejoined: bool,
}

impl Audit {
    /// A connection stands: the first look is as soon as there is nothing else to do.
    pub(super) fn opened(&mut self, now: Instant) {
        *self = Audit {
            due: Some(now),
            ..Audit::default()
        };
    }

    pub(super) fn broken(&mut self) {
        *self = Audit::default();
    }

    /// Names were joined or parted.
    pub(super) fn changed(&mut self, now: Instant) {
        self.due = self.due.map(|due| due.min(now + AFTER_CHANGE));
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The answer to `CLIENT INFO`, beside what we think.
    pub(super) fn answered(&mut self, info: Option<&str>, ours: Held, now: Instant) -> Verdict {
        let Some(theirs) = info.and_then(Held::parse) else {
            self.due = None;
            return Verdict::Unknown;
        };
        if theirs == ours {
            *self = Audit {
                due: Some(now + EVERY),
                ..Audit::default()
            };
            return Verdict::Equal;
        }
        self.due = Some(now + AGAIN);
        if !std::mem::replace(&mut self.differed, true) {
            return Verdict::Unclear;
        }
        self.differed = false;
        if theirs.exceeds(ours) || std::mem::replace(&mut self.rejoined, true) {
            return Verdict::Beyond;
        }
        Verdict::Missing { theirs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str =
        "id=7 addr=127.0.0.1:1 name=x db=0 sub=3 psub=1 ssub=0 multi=-1 cmd=client|info resp=3\n";

    fn ours(channels: u64) -> Held {
        Held {
            channels,
            patterns: 1,
            shards: 0,
        }
    }

    #[test]
    fn a_difference_that_stays_is_repaired_once_and_then_reported() {
        let now = Instant::now();
        let mut audit = Audit::default();
        assert_eq!(audit.due(), None);
        audit.opened(now);
        assert_eq!(audit.due(), Some(now));
        assert_eq!(audit.answered(Some(INFO), ours(3), now), Verdict::Equal);
        assert_eq!(audit.due(), Some(now + EVERY));
        audit.changed(now);
        assert_eq!(audit.due(), Some(now + AFTER_CHANGE));

        assert_eq!(audit.answered(Some(INFO), ours(5), now), Verdict::Unclear);
        assert_eq!(audit.due(), Some(now + AGAIN));
        // It was only just being taken from us.
        assert_eq!(audit.answered(Some(INFO), ours(3), now), Verdict::Equal);

        let asked: Vec<_> = (0..4)
            .map(|_| audit.answered(Some(INFO), ours(5), now))
            .collect();
        assert_eq!(
            asked,
            [
                Verdict::Unclear,
                Verdict::Missing { theirs: ours(3) },
                Verdict::Unclear,
                Verdict::Beyond
            ]
        );
    }

    #[test]
    fn more_than_we_know_of_asks_for_a_new_connection() {
        let now = Instant::now();
        let mut audit = Audit::default();
        audit.opened(now);
        audit.answered(Some(INFO), ours(2), now);
        assert_eq!(audit.answered(Some(INFO), ours(2), now), Verdict::Beyond);
    }

    #[test]
    fn a_server_that_does_not_say_is_not_asked_again() {
        let now = Instant::now();
        let mut audit = Audit::default();
        audit.opened(now);
        assert_eq!(audit.answered(None, ours(2), now), Verdict::Unknown);
        assert_eq!(audit.due(), None);
        audit.changed(now);
        assert_eq!(audit.due(), None);
        assert_eq!(
            Held::parse("id=1 sub=1 psub=0"),
            Some(Held {
                channels: 1,
                patterns: 0,
                shards: 0
            })
        );
        assert_eq!(Held::parse("sub=x psub=0"), None);
        assert_eq!(Held::parse("id=1"), None);
    }
}
