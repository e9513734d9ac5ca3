//! How events of a topic travel: which promise they are given, and what stands on the wire.
//!
//! Rules say it, pattern by pattern; the first that matches a topic decides, and a topic
//! that none matches travels live and plain. Rules are checked when they are made: after
//! that every topic has exactly one answer.
//!
//! # Invariants
//!
//! - Whoever publishes and whoever listens must decide alike: the same rules belong in
//!   every hub. A hub with other rules still understands what arrives, since an envelope
//!   says what it is; what it publishes itself has its own rules' promise. A hub that hears
//!   what its rules would not have sent says so: health has `rules_differ`.

use std::fmt;

use super::migration;
use crate::{Pattern, PatternError};

/// The most rules. Each event is matched with them in turn, until one decides.
const MAX_RULES: usize = 256;

/// What a topic's events are promised between machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Mode {
    /// At most once, by pub/sub alone. Who is cut off misses events; what can be counted of
    /// them is counted.
    ///
    /// What waited through an outage goes out as soon as this hub is back, and hubs that come
    /// back later miss it. It does not wait for them: nobody can tell when all are there, and
    /// everything published since would be held up behind it. They are told of a gap if they
    /// heard the topic in the minute before the break; the publisher's receipt says how many
    /// listeners the server knew then ([`heard`](crate::backplane::Acknowledged::heard)).
    /// What nobody may miss belongs in the other modes.
    #[default]
    Live,
    /// A capped log stands beside the channel. After any break the missing part is read
    /// from it and delivered in order; what cannot be had is told with its size.
    ///
    /// What the log refuses, for want of memory, is not published either: its receipt fails
    /// with [`NotKept`](crate::backplane::ForwardErrorKind::NotKept), and of other hubs none
    /// hears it. They are told that they missed as many, once a later event of the topic
    /// comes; that one may be the same, published again. Who listens in this process has
    /// heard it, as always: local subscribers wait for no server.
    Replay,
    /// As [`Replay`](Mode::Replay), and acknowledged only when a replica has it.
    Durable,
}

impl Mode {
    /// The word: `live`, `replay` or `durable`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Live => "live",
            Mode::Replay => "replay",
            Mode::Durable => "durable",
        }
    }

    /// Whether a log stands beside the channel.
    pub fn is_logged(self) -> bool {
        self != Mode::Live
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        match text {
            "live" => Ok(Mode::Live),
            "replay" => Ok(Mode::Replay),
            "durable" => Ok(Mode::Durable),
            _ => Err(ModeError::Unknown(text.chars().take(64).collect())),
        }
    }
}

/// How a topic's events look on its channel, and what they are promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// The payload as it is: readers that know nothing of us parse it.
    Plain,
    /// In an envelope: numbered per publisher, so that gaps and duplicates are seen.
    Enveloped,
    /// In an envelope, and in the log.
    Replayed,
    /// The same, and on a replica before it is acknowledged.
    Durable,
}

impl Way {
    /// The mode it belongs to.
    pub(crate) fn mode(self) -> Mode {
        match self {
            Way::Plain | Way::Enveloped => Mode::Live,
            Way::Replayed => Mode::Replay,
            Way::Durable => Mode::Durable,
        }
    }

    /// Whether a log stands beside the channel.
    pub(crate) fn is_logged(self) -> bool {
        self.mode().is_logged()
    }

    /// Whether the payload goes out as it is.
    pub(crate) fn is_plain(self) -> bool {
        self == Way::Plain
    }

    /// In words, as it is asked for.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Way::Plain => "live",
            Way::Enveloped => "live in an envelope",
            Way::Replayed => "replay",
            Way::Durable => "durable",
        }
    }

    /// How a mode travels unless something else is asked for: live events plain.
    pub(crate) fn of(mode: Mode) -> Way {
        match mode {
            Mode::Live => Way::Plain,
            Mode::Replay => Way::Replayed,
            Mode::Durable => Way::Durable,
        }
    }
}

/// The rules of a backplane, in the order they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Modes {
    rules: Vec<(Pattern, Way)>,
}

impl Modes {
    /// Adds a rule after the others.
    pub(crate) fn rule(&mut self, pattern: &str, way: Way) -> Result<(), ModeError> {
        let pattern = Pattern::new(pattern).map_err(ModeError::Pattern)?;
        if self.rules.len() == MAX_RULES {
            return Err(ModeError::TooMany);
        }
        let hides = |first: &Pattern| *first == pattern || first.as_str() == "*";
        if let Some((first, _)) = self.rules.iter().find(|(first, _)| hides(first)) {
            return Err(ModeError::Hidden {
                pattern: pattern.as_str().to_owned(),
                by: first.as_str().to_owned(),
            });
        }
        self.rules.push((pattern, way));
        Ok(())
    }

    /// How a topic travels.
    pub(crate) fn of(&self, topic: &str) -> Way {
        if migration::is_channel(topic) {
            return Way::Plain;
        }
        self.rules
            .iter()
            .find(|(pattern, _)| pattern.matches(topic))
            .map_or(Way::Plain, |(_, way)| *way)
    }

    /// Whether a pattern could bring topics that have a log. Told by what the pattern and the
    /// rules begin with.
    pub(crate) fn may_be_logged(&self, pattern: &Pattern) -> bool {
        let mut rules = self.rules.iter().filter(|(_, way)| way.is_logged());
        let begins = beginning(pattern);
        rules.any(|(rule, _)| {
            let rule = beginning(rule);
            rule.starts_with(begins) || begins.starts_with(rule)
        })
    }

    /// Whether any topic could have a log.
    pub(crate) fn any_logged(&self) -> bool {
        self.rules.iter().any(|(_, way)| way.is_logged())
    }
}

/// What every topic begins with that a pattern matches.
fn beginning(pattern: &Pattern) -> &str {
    let text = pattern.as_str();
    let end = text.find(['*', '?', '[', '\\']);
    &text[..end.unwrap_or(text.len())]
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModeError {
    /// The pattern is malformed.
    Pattern(PatternError),
    /// An earlier rule decides for every topic that this one names.
    Hidden {
        /// The pattern of the rule that would never be asked.
        pattern: String,
        /// The pattern of the rule before it.
        by: String,
    },
    /// There are more rules than are taken.
    TooMany,
    /// A word that is no mode.
    Unknown(String),
}

impl fmt::Display for ModeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModeError::Pattern(error) => write!(f, "the pattern of a mode: {error}"),
            ModeError::Hidden { pattern, by } => write!(
                f,
                "the rule for {pattern:?} is never asked: {by:?} comes first and decides; put the narrower rule first, or drop one"
            ),
            ModeError::TooMany => write!(
                f,
                "more than {MAX_RULES} rules: name topics so that a pattern covers those of one mode"
            ),
            ModeError::Unknown(word) => write!(
                f,
                "{word:?} is no mode: expected \"live\", \"replay\" or \"durable\""
            ),
        }
    }
}

impl std::error::Error for ModeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ModeError::Pattern(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides() {
        let mut modes = Modes::default();
        assert_eq!(modes.of("orders.1"), Way::Plain);
        assert!(!modes.any_logged());
        modes.rule("orders.test.*", Way::Enveloped).unwrap();
        modes.rule("orders.*", Way::Durable).unwrap();
        modes.rule("*", Way::Replayed).unwrap();
        assert_eq!(modes.of("orders.test.1"), Way::Enveloped);
        assert_eq!(modes.of("orders.1"), Way::Durable);
        assert_eq!(modes.of("else"), Way::Replayed);
        assert!(modes.any_logged());
    }

    #[test]
    fn patterns_that_bring_no_logs_are_known() {
        let mut modes = Modes::default();
        let may = |modes: &Modes, text| modes.may_be_logged(&Pattern::new(text).unwrap());
        modes.rule("chat.*", Way::Enveloped).unwrap();
        modes.rule("orders.?.*", Way::Durable).unwrap();
        for text in [
            "chat.*",
            "*orders",
            "o*",
            "orders.?",
            "orders.1.*",
            "[o]rders.*",
        ] {
            assert_eq!(may(&modes, text), !text.starts_with("chat"), "{text}");
        }
        assert!(!may(&modes, "news.*"));
        modes.rule("*", Way::Replayed).unwrap();
        assert!(may(&modes, "news.*"));
    }

    #[test]
    fn a_rule_that_would_never_be_asked_is_refused() {
        let mut modes = Modes::default();
        assert!(matches!(
            modes.rule("a[", Way::Replayed),
            Err(ModeError::Pattern(_))
        ));
        modes.rule("a*", Way::Replayed).unwrap();
        let error = modes.rule("a*", Way::Plain).unwrap_err();
        assert!(error.to_string().contains("\"a*\" comes first"), "{error}");
        modes.rule("*", Way::Plain).unwrap();
        assert!(matches!(
            modes.rule("b*", Way::Durable),
            Err(ModeError::Hidden { by, .. }) if by == "*"
        ));
        let mut modes = Modes::default();
        for n in 0..MAX_RULES {
            modes.rule(&format!("{n}"), Way::Replayed).unwrap();
        }
        assert_eq!(modes.rule("more", Way::Replayed), Err(ModeError::TooMany));
    }

    #[test]
    fn modes_are_words() {
        for mode in [Mode::Live, Mode::Replay, Mode::Durable] {
            assert_eq!(mode.as_str().parse(), Ok(mode));
            assert_eq!(Way::of(mode).mode(), mode);
        }
        assert!("Live".parse::<Mode>().is_err());
    }
}
