//! What a subscription asks for: names, patterns, and a filter over all of them.

use std::fmt;

use smallvec::SmallVec;

use crate::{
    pattern::{Pattern, PatternError},
    predicate::{Filter, FilterError},
    topic::{Topic, TopicError},
};

/// The most names and patterns that one selector may hold.
pub const MAX_NAMES: usize = 10_000;

/// Exact topics and patterns, any number of each, and one filter for all.
///
/// The order in which names are given does not matter, nor does giving one twice:
/// equal selectors share one feed. An event that several names admit is delivered
/// once.
///
/// ```
/// use distributary::{Filter, Selector};
///
/// let selector = Selector::topic("orders.eu")?
///     .and_pattern("refunds.*")?
///     .filter(Filter::parse(r#"{"total": [{"numeric": [">", 100]}]}"#)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[must_use]
pub struct Selector {
    /// Sorted, without duplicates.
    pub(crate) topics: SmallVec<[Topic; 1]>,
    /// Sorted by text, without duplicates.
    pub(crate) patterns: SmallVec<[Pattern; 1]>,
    pub(crate) filter: Option<Filter>,
}

impl Selector {
    pub(crate) fn empty() -> Self {
        Selector {
            topics: SmallVec::new(),
            patterns: SmallVec::new(),
            filter: None,
        }
    }

    /// One topic.
    ///
    /// # Errors
    /// When the name is not a topic name.
    pub fn topic(name: impl AsRef<str>) -> Result<Self, SelectorError> {
        Selector::empty().and_topic(name)
    }

    /// Several topics.
    ///
    /// # Errors
    /// When there is none, a name is not a topic name, or there are more than
    /// [`MAX_NAMES`].
    pub fn topics<N: AsRef<str>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, SelectorError> {
        let mut topics = names
            .into_iter()
            .map(Topic::new)
            .collect::<Result<SmallVec<[Topic; 1]>, _>>()?;
        topics.sort_unstable();
        topics.dedup();
        let selector = Selector {
            topics,
            ..Selector::empty()
        };
        selector.checked()
    }

    /// Every topic that a Redis glob matches.
    ///
    /// # Errors
    /// When the text is not a pattern.
    pub fn pattern(text: impl AsRef<str>) -> Result<Self, SelectorError> {
        Selector::empty().and_pattern(text)
    }

    /// Adds a topic.
    ///
    /// # Errors
    /// When the name is not a topic name, or there are too many.
    pub fn and_topic(mut self, name: impl AsRef<str>) -> Result<Self, SelectorError> {
        self.insert_topic(Topic::new(name)?);
        self.checked()
    }

    /// Adds a pattern.
    ///
    /// # Errors
    /// When the text is not a pattern, or there are too many.
    pub fn and_pattern(mut self, text: impl AsRef<str>) -> Result<Self, SelectorError> {
        self.insert_pattern(Pattern::new(text.as_ref())?);
        self.checked()
    }

    /// Sets the filter; one that admits everything is none.
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter).filter(|filter| !filter.is_all());
        self
    }

    /// The topics that it names, in order.
    pub fn named_topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter()
    }

    /// The patterns that it names.
    pub fn named_patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.iter()
    }

    /// The filter, unless it admits everything.
    pub fn named_filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    fn insert_topic(&mut self, topic: Topic) {
        if let Err(at) = self.topics.binary_search(&topic) {
            self.topics.insert(at, topic);
        }
    }

    fn insert_pattern(&mut self, pattern: Pattern) {
        if let Err(at) = self.place_of_pattern(&pattern) {
            self.patterns.insert(at, pattern);
        }
    }

    fn place_of_pattern(&self, pattern: &Pattern) -> Result<usize, usize> {
        let text = pattern.as_str();
        self.patterns.binary_search_by(|p| p.as_str().cmp(text))
    }

    /// Whether this very topic is named.
    pub(crate) fn has_topic(&self, topic: &Topic) -> bool {
        self.topics.binary_search(topic).is_ok()
    }

    /// Whether this very pattern is named.
    pub(crate) fn has_pattern(&self, pattern: &Pattern) -> bool {
        self.place_of_pattern(pattern).is_ok()
    }

    /// Adds the names of another; gives those that were not there.
    pub(crate) fn insert(&mut self, names: &Selector) -> Selector {
        let new = names.keep(|topic| !self.has_topic(topic), |it| !self.has_pattern(it));
        self.topics.extend(new.topics.iter().cloned());
        self.patterns.extend(new.patterns.iter().cloned());
        // Two sorted runs, which these sorts merge.
        self.topics.sort();
        self.patterns.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        new
    }

    /// Removes the names of another; gives those that were there.
    pub(crate) fn remove(&mut self, names: &Selector) -> Selector {
        let gone = names.keep(|topic| self.has_topic(topic), |it| self.has_pattern(it));
        self.topics.retain(|topic| !gone.has_topic(topic));
        self.patterns.retain(|pattern| !gone.has_pattern(pattern));
        gone
    }

    /// Some of the names, without the filter.
    fn keep(&self, topic: impl Fn(&Topic) -> bool, pattern: impl Fn(&Pattern) -> bool) -> Selector {
        let topics = self.topics.iter().filter(|it| topic(it));
        let patterns = self.patterns.iter().filter(|it| pattern(it));
        Selector {
            topics: topics.cloned().collect(),
            patterns: patterns.cloned().collect(),
            filter: None,
        }
    }

    /// How many names and patterns there are.
    pub(crate) fn names(&self) -> usize {
        self.topics.len() + self.patterns.len()
    }

    /// Whether events of this topic are asked for, whatever the filter says of them.
    ///
    /// ```
    /// use distributary::{Selector, Topic};
    ///
    /// let selector = Selector::topic("orders")?.and_pattern("news.*")?;
    /// assert!(selector.covers(&Topic::new("news.local")?));
    /// assert!(!selector.covers(&Topic::new("weather")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn covers(&self, topic: &Topic) -> bool {
        self.has_topic(topic)
            || self
                .patterns
                .iter()
                .any(|pattern| pattern.matches(topic.as_str()))
    }

    pub(crate) fn checked(self) -> Result<Self, SelectorError> {
        match self.names() {
            0 => Err(SelectorError::Empty),
            1..=MAX_NAMES => Ok(self),
            given => Err(SelectorError::TooManyNames { given }),
        }
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("topics", &self.topics)
            .field("patterns", &self.patterns)
            .field("filter", &self.filter)
            .finish()
    }
}

impl From<Topic> for Selector {
    fn from(topic: Topic) -> Self {
        let mut selector = Selector::empty();
        selector.insert_topic(topic);
        selector
    }
}

impl From<Pattern> for Selector {
    fn from(pattern: Pattern) -> Self {
        let mut selector = Selector::empty();
        selector.insert_pattern(pattern);
        selector
    }
}

impl TryFrom<&str> for Selector {
    type Error = SelectorError;

    /// One exact topic of that name.
    fn try_from(name: &str) -> Result<Self, SelectorError> {
        Selector::topic(name)
    }
}

impl TryFrom<String> for Selector {
    type Error = SelectorError;

    /// One exact topic of that name.
    fn try_from(name: String) -> Result<Self, SelectorError> {
        Selector::topic(name)
    }
}

impl From<&Topic> for Selector {
    fn from(topic: &Topic) -> Self {
        Selector::from(topic.clone())
    }
}

impl From<&Pattern> for Selector {
    fn from(pattern: &Pattern) -> Self {
        Selector::from(pattern.clone())
    }
}

impl TryFrom<&String> for Selector {
    type Error = SelectorError;

    fn try_from(name: &String) -> Result<Self, SelectorError> {
        Selector::topic(name)
    }
}

/// Why something is not a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectorError {
    /// It names no topic and no pattern.
    Empty,
    /// It names more than [`MAX_NAMES`].
    TooManyNames {
        /// How many were given.
        given: usize,
    },
    /// One of its topics is not a topic name.
    Topic(TopicError),
    /// One of its patterns is malformed.
    Pattern(PatternError),
    /// Its filter is malformed.
    Filter(FilterError),
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectorError::Empty => {
                f.write_str("the selector names nothing: give at least one topic or pattern")
            }
            SelectorError::TooManyNames { given } => write!(
                f,
                "the selector names {given} topics and patterns, at most {MAX_NAMES} are taken: use a pattern, or several subscriptions"
            ),
            SelectorError::Topic(error) => error.fmt(f),
            SelectorError::Pattern(error) => error.fmt(f),
            SelectorError::Filter(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SelectorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Printed as they are, so the chain goes on behind them.
            SelectorError::Topic(error) => std::error::Error::source(error),
            SelectorError::Pattern(error) => std::error::Error::source(error),
            SelectorError::Filter(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<TopicError> for SelectorError {
    fn from(error: TopicError) -> Self {
        SelectorError::Topic(error)
    }
}

impl From<PatternError> for SelectorError {
    fn from(error: PatternError) -> Self {
        SelectorError::Pattern(error)
    }
}

impl From<FilterError> for SelectorError {
    fn from(error: FilterError) -> Self {
        SelectorError::Filter(error)
    }
}

impl From<std::convert::Infallible> for SelectorError {
    /// What is a selector already needs no conversion that could fail.
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
