//! Why a text is not a pattern: what is wrong, at which byte, what stood there, and what to write instead.

use std::error::Error;
use std::fmt;

use super::MAX_PATTERN_BYTES;

/// What makes a text malformed as a [`Pattern`](super::Pattern).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PatternErrorKind {
    /// The text is empty, and so would match nothing.
    Empty,
    /// The text is longer than [`MAX_PATTERN_BYTES`].
    TooLong,
    /// A `[` is not closed by a `]`. Redis closes it silently at the end of the pattern.
    UnclosedClass,
    /// A class without a member, `[]` or `[^]`. Redis takes the first for "nothing", the second for "any byte".
    EmptyClass,
    /// A range that ends below its start, such as `[z-a]`. Redis swaps the ends silently.
    ReversedRange,
    /// A range whose end is the `]` that was meant to close the class, as in `[a-]`. Redis takes that `]` for
    /// the end of the range and looks for another one.
    UnendedRange,
    /// A range that ends in an escape, as in `[+-\]]`. Redis takes the backslash itself for the end.
    EscapedRangeEnd,
    /// A character beyond ASCII in a class. Redis compares bytes: such a class would match a part of the
    /// character, and a range over it differs between processors.
    NonAsciiInClass,
    /// A `\` with nothing after it. Redis takes it for itself.
    TrailingEscape,
}

impl PatternErrorKind {
    /// A stable name in snake case, for logs and for languages without this enum.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::UnclosedClass => "unclosed_class",
            Self::EmptyClass => "empty_class",
            Self::ReversedRange => "reversed_range",
            Self::UnendedRange => "unended_range",
            Self::EscapedRangeEnd => "escaped_range_end",
            Self::NonAsciiInClass => "non_ascii_in_class",
            Self::TrailingEscape => "trailing_escape",
        }
    }
}

/// A text that is not a [`Pattern`](super::Pattern).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    kind: PatternErrorKind,
    offset: usize,
    found: Box<str>,
}

impl PatternError {
    pub(super) fn new(kind: PatternErrorKind, offset: usize, found: &str) -> Self {
        Self {
            kind,
            offset,
            found: found.into(),
        }
    }

    /// What is wrong.
    pub fn kind(&self) -> PatternErrorKind {
        self.kind
    }

    /// The byte of the text at which the malformed part begins.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The malformed part as it stood there; empty when nothing did.
    pub fn found(&self) -> &str {
        &self.found
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            offset,
            found,
        } = self;
        match kind {
            PatternErrorKind::Empty => {
                return f.write_str("empty pattern: write `*` to match every topic");
            }
            PatternErrorKind::TooLong => {
                return write!(
                    f,
                    "pattern longer than {MAX_PATTERN_BYTES} bytes: shorten it from byte {offset} on"
                );
            }
            _ => write!(f, "malformed pattern at byte {offset}, `{found}`: ")?,
        }
        match kind {
            PatternErrorKind::Empty | PatternErrorKind::TooLong => Ok(()),
            PatternErrorKind::UnclosedClass => {
                f.write_str("the class is not closed; add `]`, or write `\\[` for the bracket itself")
            }
            PatternErrorKind::EmptyClass => f.write_str(
                "a class without members; write `\\]` for the bracket as a member, or `?` for any byte",
            ),
            PatternErrorKind::ReversedRange => f.write_str("the range ends below its start; swap its ends"),
            PatternErrorKind::UnendedRange => {
                f.write_str("the range has no end; name one, or put `-` first in the class to mean the hyphen itself")
            }
            PatternErrorKind::EscapedRangeEnd => {
                f.write_str("a range cannot end in an escape; list the escaped byte as a member of its own")
            }
            PatternErrorKind::NonAsciiInClass => {
                f.write_str("a class matches one byte and holds ASCII only; use `*` where other characters may stand")
            }
            PatternErrorKind::TrailingEscape => {
                f.write_str("nothing follows the backslash; write `\\\\` for the backslash itself")
            }
        }
    }
}

impl Error for PatternError {}
