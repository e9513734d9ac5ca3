//! What a configuration can be refused for.

use std::fmt;

/// Why a [`Redis`](super::Redis) cannot be made as it was asked for. Nothing has been
/// connected to by then: a server that cannot be reached is no error here, it is looked
/// for as long as the hub lives, and [`Hub::health`](crate::Hub::health) says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisError {
    kind: RedisErrorKind,
    option: Option<&'static str>,
    detail: String,
}

/// The kinds of [`RedisError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisErrorKind {
    /// The URL cannot be read, or says something that has no effect here.
    Url,
    /// An option has a value that it cannot have.
    Option,
    /// A pattern of a rule cannot be read.
    Pattern,
    /// The certificates cannot be read, or there are none.
    Certificates,
    /// The thread of the backplane could not be started.
    Thread,
}

impl RedisError {
    pub(crate) fn new(kind: RedisErrorKind, detail: impl Into<String>) -> Self {
        RedisError {
            kind,
            option: None,
            detail: detail.into(),
        }
    }

    /// About one option, by whose name the text calls it.
    pub(crate) fn of(
        option: &'static str,
        kind: RedisErrorKind,
        detail: impl Into<String>,
    ) -> Self {
        RedisError {
            option: Some(option),
            ..RedisError::new(kind, detail)
        }
    }

    /// The kind.
    pub fn kind(&self) -> RedisErrorKind {
        self.kind
    }

    /// The option that cannot be so, if it is one alone: as it is called in
    /// [`RedisOptions`](super::RedisOptions), in [`RedisBuilder`](super::RedisBuilder), and in
    /// the text of this error.
    pub fn option(&self) -> Option<&'static str> {
        self.option
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for RedisError {}
