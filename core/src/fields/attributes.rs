//! Scalars that a publisher states beside the payload.
//!
//! Filters read them instead of the payload, which saves parsing it. An event has few of them, so they are a short list.

use super::Value;

/// Named scalars given at publish, in the order they were given. A name may stand twice; then both values count, as with
/// repeated keys of a JSON object. A dot in a name separates the segments of a path.
///
/// ```
/// use distributary::Attributes;
///
/// let attributes = Attributes::new().with("kind", "edit").with("author.id", 42);
/// assert_eq!(attributes.len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(Box<str>, Value)>);

impl Attributes {
    /// No attributes; allocates nothing.
    #[must_use]
    pub const fn new() -> Attributes {
        Attributes(Vec::new())
    }

    /// These attributes and one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Value>) -> Attributes {
        self.push(name, value);
        self
    }

    /// Adds an attribute at the end.
    pub fn push(&mut self, name: impl Into<Box<str>>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// How many there are, repeated names counted each time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they take on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let texts = self
            .iter()
            .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len));
        self.0.len() * size_of::<(Box<str>, Value)>() + texts.sum::<usize>()
    }

    /// Names and values in the order they were given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl<N: Into<Box<str>>, V: Into<Value>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Attributes(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
