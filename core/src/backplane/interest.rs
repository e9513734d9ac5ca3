//! Which names this hub wants to hear of from others.
//!
//! The engine notes a name whenever it may have got its first listener or lost its last;
//! the backplane takes notes and looks at what is true now. A name that comes and goes a
//! thousand times is a thousand notes and one truth.
//!
//! # Invariants
//!
//! - A note is pushed before the bell is looked at, and the bell is cleared before notes
//!   are taken: none is left lying.
//! - Once the backplane takes none any more, none is kept.

use crate::{
    pattern::Pattern,
    sync::{AtomicBool, Ordering, Queue},
    topic::Topic,
};

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

/// The notes, and whether the backplane has been told of them.
#[derive(Default)]
pub(crate) struct Interest {
    notes: Queue<Name>,
    rung: AtomicBool,
    ended: AtomicBool,
}

impl Interest {
    /// Notes a name. True when the backplane has to be told.
    #[must_use]
    pub(crate) fn note(&self, name: Name) -> bool {
        if self.ended.load(Ordering::Acquire) {
            return false;
        }
        self.notes.push(name);
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// How many notes there are.
    #[cfg(feature = "redis")]
    pub(crate) fn len(&self) -> usize {
        self.notes.len()
    }

    /// Nobody takes notes any more.
    #[cfg(feature = "redis")]
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        while self.notes.pop().is_some() {}
    }

    /// The next name that may have changed.
    pub(crate) fn next(&self) -> Option<Name> {
        if let Some(name) = self.notes.pop() {
            return Some(name);
        }
        // A swap: whoever has found it rung has noted before this, and the look below sees it.
        self.rung.swap(false, Ordering::AcqRel);
        let late = self.notes.pop()?;
        self.rung.store(true, Ordering::Release);
        Some(late)
    }
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_a_backplane_that_has_ended() {
        let name = || Name::Topic(Topic::new("t").unwrap());
        let interest = Interest::default();
        assert!(interest.note(name()));
        assert!(!interest.note(name()), "it was told");
        assert_eq!(interest.len(), 2);
        interest.end();
        assert!(!interest.note(name()));
        assert_eq!(interest.len(), 0);
        assert_eq!(interest.next(), None);
    }
}
