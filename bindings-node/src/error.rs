//! Errors with a code that JavaScript can ask for.

/// What becomes the `code` of the error that JavaScript sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A topic's name, a pattern, a filter, its variables: bad input that the caller can mend.
    BadTopic,
    /// A filter's text.
    BadFilter,
    /// The values for a filter's variables.
    BadVariable,
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        match self {
            Code::BadTopic => "ERR_BAD_TOPIC",
            Code::BadFilter => "ERR_BAD_FILTER",
            Code::BadVariable => "ERR_BAD_VARIABLE",
        }
    }
}

/// A result whose error has a code.
pub(crate) type Result<T> = std::result::Result<T, napi::Error<Code>>;

/// Says it in the words of the engine.
pub(crate) fn error(code: Code, reason: impl std::fmt::Display) -> napi::Error<Code> {
    napi::Error::new(code, reason.to_string())
}
