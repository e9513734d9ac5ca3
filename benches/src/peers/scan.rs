//! The way without an index: every subscriber's filter in turn.
//!
//! Filters are compiled to a small tree of tests once, as filter engines without an
//! index do, and are evaluated against the typed fields of an event.

use std::collections::HashMap;

/// A field's value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Number(f64),
    Text(String),
}

/// What an event shows.
pub(crate) type Fields = HashMap<&'static str, Scalar>;

/// A compiled filter.
#[derive(Debug)]
pub(crate) enum Filter {
    Equals(Box<str>, Scalar),
    /// From the first, up to and without the second.
    Within(Box<str>, f64, f64),
    Prefix(Box<str>, Box<str>),
    AnythingBut(Box<str>, Scalar),
    All(Vec<Filter>),
    Any(Vec<Filter>),
}

impl Filter {
    pub(crate) fn equals(field: &str, value: impl Into<Scalar>) -> Filter {
        Filter::Equals(field.into(), value.into())
    }

    pub(crate) fn admits(&self, event: &Fields) -> bool {
        match self {
            Filter::Equals(field, value) => event.get(&**field) == Some(value),
            Filter::Within(field, from, to) => match event.get(&**field) {
                Some(Scalar::Number(number)) => (from..to).contains(&number),
                _ => false,
            },
            Filter::Prefix(field, prefix) => match event.get(&**field) {
                Some(Scalar::Text(text)) => text.starts_with(&**prefix),
                _ => false,
            },
            Filter::AnythingBut(field, value) => {
                event.get(&**field).is_some_and(|found| found != value)
            }
            Filter::All(filters) => filters.iter().all(|filter| filter.admits(event)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.admits(event)),
        }
    }
}

impl From<f64> for Scalar {
    fn from(number: f64) -> Self {
        Scalar::Number(number)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Scalar::Text(text.to_owned())
    }
}

/// How many of the filters admit the event.
pub(crate) fn count(filters: &[Filter], event: &Fields) -> usize {
    filters.iter().filter(|filter| filter.admits(event)).count()
}
