//! Patterns over topic names, and a table of many live ones.
//!
//! A pattern is Redis' glob, so that what a hub matches in the process is what `PSUBSCRIBE` matches in front of
//! it. It is parsed once: a malformed one is an error where it is written, never a subscription that stays
//! silent. [`program`] is what a pattern becomes and how it is matched; [`table`] finds the patterns that match a
//! topic without asking each.
//!
//! Invariant: for every pattern that parses, and every topic, the answer is Redis' answer (`naive` is the oracle
//! that tests and fuzz targets hold it to).

mod error;
mod grams;
#[cfg(any(test, feature = "fuzzing"))]
mod naive;
mod parse;
mod program;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

pub use error::{PatternError, PatternErrorKind};
#[cfg(feature = "fuzzing")]
pub use naive::naive_matches;
#[allow(unused_imports)]
pub(crate) use table::{PatternId, PatternTable};

use program::Program;

/// The longest text of a [`Pattern`], in bytes.
pub const MAX_PATTERN_BYTES: usize = 1024;

/// A glob over topic names, as Redis knows it.
///
/// | written | matches |
/// |---|---|
/// | `*` | any bytes, or none |
/// | `?` | any one byte |
/// | `[abc]`, `[a-z]` | one byte of those named; ranges and single bytes may be mixed |
/// | `[^abc]` | one byte that is none of those named |
/// | `\x` | the byte `x` itself, inside a class too |
/// | any other | itself |
///
/// The whole topic must match, and case counts. Matching goes by bytes: `?` is half of an `é`. A `!` does not
/// negate, and `/` and `.` are bytes like others: a star passes over them.
///
/// Some corners are Redis' own and kept: an escaped byte does not start a range (`[\a-z]` is `a`, `-` or `z`), a
/// `-` that comes first or right after a range is itself, `[` inside a class is itself, and the empty topic
/// matches no pattern.
///
/// What Redis accepts and silently bends is refused with a [`PatternError`] instead: an empty pattern, one longer
/// than [`MAX_PATTERN_BYTES`], an unclosed or empty class, a range that is reversed, has no end or ends in an
/// escape, a character beyond ASCII in a class, and a backslash with nothing after it.
///
/// Two patterns are equal when their texts are, even where different texts match the same topics. A clone is one
/// reference count.
///
/// ```
/// use distributary::Pattern;
///
/// let pattern = Pattern::new("news.*.sport")?;
/// assert!(pattern.matches("news.fr.sport"));
/// assert!(!pattern.matches("news.fr.weather"));
///
/// let error = Pattern::new("news.[a-").unwrap_err();
/// assert_eq!(error.offset(), 5);
/// # Ok::<(), distributary::PatternError>(())
/// ```
#[derive(Clone)]
pub struct Pattern(Arc<Parsed>);

struct Parsed {
    text: Box<str>,
    program: Program,
}

impl Pattern {
    /// Parses `text`, in time linear in its length.
    ///
    /// # Errors
    ///
    /// When the text is malformed; see [`PatternErrorKind`] for each way.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let program = parse::parse(text)?;
        Ok(Self(Arc::new(Parsed {
            text: text.into(),
            program,
        })))
    }

    /// Whether the whole of `topic` matches.
    ///
    /// Takes at most the product of both lengths in steps whatever the pattern is, about their sum usually, and
    /// allocates nothing.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.0.program.matches(topic.as_bytes())
    }

    /// The text this pattern was parsed from, unchanged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    fn program(&self) -> &Program {
        &self.0.program
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.as_str()).finish()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As a string prints, its width included.
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for Pattern {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Pattern {
    type Error = PatternError;

    fn try_from(text: &str) -> Result<Self, PatternError> {
        Self::new(text)
    }
}
