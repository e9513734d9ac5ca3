//! A JSON payload, read through a projection.
//!
//! Two readers do the same. [`strict`] goes over the text once with serde_json and checks all of it. [`skim`] checks what it
//! reads and passes over what no path asks for, many bytes at a time. On JSON they find the same fields; they differ in what they
//! notice of text that is not JSON, see there. A payload of at least [`SKIMMED`] bytes is skimmed, and whenever the skimming
//! meets anything that it is not sure of, the strict reader has the last word: what is [`NotJson`], and why, is always said by
//! the parser.
//!
//! Common to both: Nesting never is an error, containers deeper than [`DEPTH`] hold no leaf. A value that is asked for is taken as
//! a slice of the payload. Its own text is what makes numbers exact, and what lets a string be borrowed.

use std::borrow::Cow;
use std::fmt;

use serde::de;

use super::projection::Projection;
use super::{Fields, Number, ValueRef, skim, strict};

/// How many containers a leaf may stand in, the outermost object included.
pub(super) const DEPTH: u32 = 128;

/// From this length on, in bytes, payloads are skimmed. Skimming is quicker at any length; below this it would save less than
/// 0.2 µs, and that the whole text is checked is worth more.
const SKIMMED: usize = 256;

/// The payload is not one JSON object in UTF-8, as far as it [has to be read](crate::Filter#the-payload).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotJson {
    reason: Box<str>,
}

impl NotJson {
    pub(super) fn new(reason: impl fmt::Display) -> NotJson {
        NotJson {
            reason: reason.to_string().into(),
        }
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the payload is not a JSON object: {}", self.reason)
    }
}

impl std::error::Error for NotJson {}

/// How a payload is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// As the length says.
    Any,
    /// The whole text is checked.
    #[cfg(any(test, feature = "fuzzing"))]
    Strict,
    /// Skimmed, whatever the length.
    #[cfg(any(test, feature = "fuzzing"))]
    Skim,
}

/// Appends the leaves of `payload` to `out`, which is left half filled on an error.
pub(super) fn read<'p>(
    reader: Reader,
    projection: &Projection,
    payload: &'p [u8],
    out: &mut Fields<'p>,
) -> Result<(), NotJson> {
    let skimmed = match reader {
        Reader::Any => payload.len() >= SKIMMED,
        #[cfg(any(test, feature = "fuzzing"))]
        Reader::Strict => false,
        #[cfg(any(test, feature = "fuzzing"))]
        Reader::Skim => true,
    };
    if skimmed {
        if skim::read(projection, payload, out).is_some() {
            return Ok(());
        }
        out.clear();
    }
    strict::read(projection, payload, out)
}

/// The value of a scalar's own text, which is JSON. An error if it is a string that no `str` can be.
pub(super) fn scalar(text: &str) -> serde_json::Result<ValueRef<'_>> {
    Ok(match text.as_bytes() {
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => {
            ValueRef::String(Cow::Borrowed(&text[1..text.len() - 1]))
        }
        [b'"', ..] => ValueRef::String(Cow::Owned(serde_json::from_str(text)?)),
        b"true" => ValueRef::Bool(true),
        b"false" => ValueRef::Bool(false),
        b"null" => ValueRef::Null,
        _ => match Number::from_json(text) {
            Some(number) => ValueRef::Number(number),
            None => return Err(de::Error::custom("expected a value")),
        },
    })
}
