//! Topics and patterns alone, several at once: what a selector is made of, and what is
//! added to a subscription or taken out of it, all or none.
//!
//! Names are parsed before anything is changed, so what is wrong with one of them is known
//! while nothing has happened yet.

use std::fmt;

use crate::{
    pattern::Pattern,
    selector::{Selector, SelectorError},
    topic::Topic,
};

/// Any number of topics and patterns, none included.
///
/// The order in which they are given does not matter, nor does giving one twice.
///
/// ```
/// use distributary::{Hub, Names, Selector};
///
/// let names = Names::new().topics(["orders.eu", "orders.us"])?.patterns(["refunds.*"])?;
/// let hub = Hub::new();
/// let mut sub = hub.subscribe("orders.eu")?;
/// assert_eq!(sub.add(names.clone())?, 2); // One was there.
/// assert_eq!(sub.selector(), Some(Selector::try_from(names)?));
///
/// let wrong = Names::new().topics(["fine", ""]).unwrap_err();
/// assert_eq!(wrong.name(), "");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Names(
    /// Without a filter, and perhaps without names.
    pub(crate) Selector,
);

impl Names {
    /// None yet.
    pub fn new() -> Self {
        Names(Selector::empty())
    }

    /// These topics as well.
    ///
    /// # Errors
    /// When one is not a topic name: which, and why.
    pub fn topics<N: AsRef<str>>(
        mut self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, NameError> {
        let topics = &mut self.0.topics;
        for name in names {
            let name = name.as_ref();
            topics.push(Topic::new(name).map_err(|cause| NameError::new(name, cause))?);
        }
        topics.sort_unstable();
        topics.dedup();
        Ok(self)
    }

    /// These patterns as well.
    ///
    /// # Errors
    /// When one is not a pattern: which, and why.
    pub fn patterns<N: AsRef<str>>(
        mut self,
        texts: impl IntoIterator<Item = N>,
    ) -> Result<Self, NameError> {
        let patterns = &mut self.0.patterns;
        for text in texts {
            let text = text.as_ref();
            patterns.push(Pattern::new(text).map_err(|cause| NameError::new(text, cause))?);
        }
        patterns.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        patterns.dedup();
        Ok(self)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.names()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Names {
    fn default() -> Self {
        Names::new()
    }
}

impl From<Topic> for Names {
    fn from(topic: Topic) -> Self {
        Names(topic.into())
    }
}

impl From<Pattern> for Names {
    fn from(pattern: Pattern) -> Self {
        Names(pattern.into())
    }
}

impl TryFrom<Names> for Selector {
    type Error = SelectorError;

    /// What these names admit, without a filter.
    fn try_from(names: Names) -> Result<Self, SelectorError> {
        names.0.checked()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("topics", &self.0.topics)
            .field("patterns", &self.0.patterns)
            .finish()
    }
}

/// One of several names that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameError {
    name: Box<str>,
    cause: SelectorError,
}

impl NameError {
    fn new(name: &str, cause: impl Into<SelectorError>) -> Self {
        NameError {
            name: name.into(),
            cause: cause.into(),
        }
    }

    /// The one, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with it.
    pub fn cause(&self) -> &SelectorError {
        &self.cause
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.cause)
    }
}

impl std::error::Error for NameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The cause is printed as it is, so the chain goes on behind it.
        self.cause.source()
    }
}
