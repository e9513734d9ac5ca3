//! What is wrong with a filter, and where.

use std::fmt;

/// A pattern that is no filter: where in the pattern, what stood there, and what was expected.
///
/// ```
/// use distributary::Filter;
///
/// let error = Filter::parse(r#"{"size": [{"numeric": [">", "9"]}]}"#).unwrap_err();
/// assert_eq!(error.at(), "size[0].numeric[1]");
/// assert_eq!(error.found(), "\"9\"");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FilterError {
    at: Box<str>,
    found: Box<str>,
    expected: Box<str>,
    is_limit: bool,
}

impl FilterError {
    pub(super) fn new(at: &str, found: &str, expected: impl Into<Box<str>>) -> FilterError {
        FilterError {
            at: at.into(),
            found: excerpt(found),
            expected: expected.into(),
            is_limit: false,
        }
    }

    pub(super) fn limit(at: &str, found: &str, expected: impl Into<Box<str>>) -> FilterError {
        FilterError {
            is_limit: true,
            ..FilterError::new(at, found, expected)
        }
    }

    /// Where in the pattern: keys with dots between them, list positions in brackets from 0. Empty for the pattern as a whole.
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// What stood there, shortened if it is long.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What would be right there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// Whether the pattern would be right if it were smaller.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.is_limit
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_error(f, &self.at, &self.found, &self.expected)
    }
}

impl std::error::Error for FilterError {}

/// A variable without a usable value: its name, where in the pattern it stands, what was given, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindError {
    variable: Box<str>,
    at: Box<str>,
    found: Box<str>,
    expected: Box<str>,
}

impl BindError {
    pub(super) fn new(variable: &str, at: &str, found: &str, expected: &str) -> BindError {
        BindError {
            variable: variable.into(),
            at: at.into(),
            found: excerpt(found),
            expected: expected.into(),
        }
    }

    /// The name of the variable.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }

    /// Where in the pattern it stands, written as in [`FilterError::at`].
    #[must_use]
    pub fn at(&self) -> &str {
        &self.at
    }

    /// What was given, shortened if it is long.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What would be right there.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable {:?} ", self.variable)?;
        write_error(f, &self.at, &self.found, &self.expected)
    }
}

impl std::error::Error for BindError {}

fn write_error(f: &mut fmt::Formatter<'_>, at: &str, found: &str, expected: &str) -> fmt::Result {
    match at {
        "" => write!(f, "in the pattern: ")?,
        at => write!(f, "at {at}: ")?,
    }
    write!(f, "found {found}, expected {expected}")
}

fn excerpt(text: &str) -> Box<str> {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
