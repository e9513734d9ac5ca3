//! The exact name that events are published under.
//!
//! A [`Topic`] is checked once, when it is made; everything after takes it as
//! given. Names of up to 23 bytes are held inline, longer ones are shared, so a
//! clone never allocates.

use std::{borrow::Borrow, fmt, str::FromStr};

use smol_str::SmolStr;

/// The longest topic name, in bytes of UTF-8.
pub const MAX_TOPIC_BYTES: usize = 1_024;

/// An exact topic name: 1 to [`MAX_TOPIC_BYTES`] bytes of UTF-8, nothing reserved.
///
/// ```
/// use distributary::Topic;
///
/// let topic = Topic::new("orders.eu")?;
/// assert_eq!(topic.as_str(), "orders.eu");
/// assert!(Topic::new("").is_err());
/// # Ok::<(), distributary::TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(SmolStr);

impl Topic {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`TopicError`] when the name is empty or longer than [`MAX_TOPIC_BYTES`].
    pub fn new(name: impl AsRef<str>) -> Result<Self, TopicError> {
        let name = name.as_ref();
        Topic::check(name)?;
        Ok(Topic(SmolStr::new(name)))
    }

    /// The check alone, for callers that only look a name up.
    pub(crate) fn check(name: &str) -> Result<(), TopicError> {
        match name.len() {
            0 => Err(TopicError::Empty),
            1..=MAX_TOPIC_BYTES => Ok(()),
            bytes => Err(TopicError::TooLong { bytes }),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As a string prints, its width included.
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(name: &str) -> Result<Self, TopicError> {
        Topic::new(name)
    }
}

impl TryFrom<&str> for Topic {
    type Error = TopicError;

    fn try_from(name: &str) -> Result<Self, TopicError> {
        Topic::new(name)
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;

    fn try_from(name: String) -> Result<Self, TopicError> {
        Topic::new(name)
    }
}

/// Why a text is not a topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// The name was empty.
    Empty,
    /// The name was longer than [`MAX_TOPIC_BYTES`].
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicError::Empty => write!(
                f,
                "the topic name is empty: give one of 1 to {MAX_TOPIC_BYTES} bytes"
            ),
            TopicError::TooLong { bytes } => write!(
                f,
                "the topic name has {bytes} bytes, at most {MAX_TOPIC_BYTES} are taken: shorten it, or hash its long part"
            ),
        }
    }
}

impl std::error::Error for TopicError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_names_up_to_the_limit_and_says_what_is_wrong_with_others() {
        assert_eq!(Topic::new("ö").unwrap().as_str(), "ö");
        assert_eq!(format!("{:>3}", Topic::new("ö").unwrap()), "  ö");
        assert!(Topic::new("a".repeat(MAX_TOPIC_BYTES)).is_ok());
        let long = Topic::new("a".repeat(MAX_TOPIC_BYTES + 1)).unwrap_err();
        assert_eq!(long, TopicError::TooLong { bytes: 1_025 });
        assert!(long.to_string().contains("1025 bytes, at most 1024"));
        assert!(
            Topic::new("")
                .unwrap_err()
                .to_string()
                .contains("1 to 1024")
        );
    }

    #[test]
    fn a_topic_is_no_larger_than_a_string() {
        assert_eq!(size_of::<Topic>(), size_of::<String>());
    }
}
