//! Names that a hub wants to hear of from others, and what of them has changed.
//!
//! The engine notes a name whenever it may have got its first listener or lost its last;
//! the backplane takes [notes](super::notes) and looks at what is true now. A name that
//! comes and goes a thousand times is a thousand notes and one truth.

use crate::{pattern::Pattern, topic::Topic};

/// A topic or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// An exact name.
    Topic(Topic),
    /// A glob over names.
    Pattern(Pattern),
}

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        match self {
            Name::Topic(topic) => topic.as_str(),
            Name::Pattern(pattern) => pattern.as_str(),
        }
    }
}

/// Whether a name is of interest, as of when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name.
    pub name: Name,
    /// Whether anybody listens.
    pub wanted: bool,
}
