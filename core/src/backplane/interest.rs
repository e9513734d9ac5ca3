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
//! - To note something runs nothing foreign, so that it can be done under a lock. The
//!   backplane is told by whoever notes, once it holds none.
//! - Once the backplane takes none any more, none is kept.

use crate::{
    pattern::Pattern,
    sync::{AtomicBool, AtomicU8, Ordering, Queue},
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

/// There are no notes that the backplane does not take anyway.
const QUIET: u8 = 0;
/// There are, and it has to be told.
const NOTED: u8 = 1;
/// It has been told, and takes notes until there are none.
const TOLD: u8 = 2;

/// The notes, and whether the backplane has been told of them.
#[derive(Default)]
pub(crate) struct Interest {
    notes: Queue<Name>,
    bell: AtomicU8,
    ended: AtomicBool,
}

impl Interest {
    /// Notes a name.
    pub(crate) fn note(&self, name: Name) {
        if !self.ended.load(Ordering::Acquire) {
            self.notes.push(name);
            // Written also where nothing changes: see `next`.
            self.bell.fetch_max(NOTED, Ordering::AcqRel);
        }
    }

    /// Whether the backplane has to be told, by the caller.
    #[must_use]
    pub(crate) fn is_to_be_told(&self) -> bool {
        let (taken, given) = (Ordering::AcqRel, Ordering::Acquire);
        self.bell
            .compare_exchange(NOTED, TOLD, taken, given)
            .is_ok()
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
        // A swap: whoever has written before this has noted before, and the look below sees it.
        self.bell.swap(QUIET, Ordering::AcqRel);
        let late = self.notes.pop()?;
        self.bell.store(TOLD, Ordering::Release);
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
        interest.note(name());
        assert!(interest.is_to_be_told());
        interest.note(name());
        assert!(!interest.is_to_be_told(), "it was told");
        assert_eq!(interest.len(), 2);
        interest.end();
        interest.note(name());
        assert_eq!(interest.len(), 0);
        assert_eq!(interest.next(), None);
    }
}
