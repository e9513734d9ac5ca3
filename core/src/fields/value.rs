//! Scalars: the leaves of an event and the constants of a filter.
//!
//! [`Value`] owns, [`ValueRef`] borrows its string from the payload. Both hash alike and are ordered alike, so a table of owned
//! values is probed with a borrowed one.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use super::Number;

/// A JSON scalar. Two are equal exactly when the filter language calls them equal; strings go by code point.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`, which is a value and not an absence.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Box<str>),
}

/// A [`Value`] whose string is borrowed where it stood without an escape.
#[derive(Clone, Debug)]
pub enum ValueRef<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Cow<'a, str>),
}

const _: () = assert!(size_of::<Value>() <= 24 && size_of::<ValueRef<'_>>() <= 32);

/// Both kinds of value, seen without their ownership: the one place that knows order and hash.
enum View<'a> {
    Null,
    Bool(bool),
    Number(&'a Number),
    String(&'a str),
}

impl View<'_> {
    fn rank(&self) -> u8 {
        match self {
            View::Null => 0,
            View::Bool(_) => 1,
            View::Number(_) => 2,
            View::String(_) => 3,
        }
    }

    fn cmp(&self, other: &View<'_>) -> Ordering {
        match (self, other) {
            (View::Bool(a), View::Bool(b)) => a.cmp(b),
            (View::Number(a), View::Number(b)) => a.cmp(b),
            (View::String(a), View::String(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            View::Null => state.write_u8(0),
            View::Bool(value) => state.write_u8(1 + u8::from(*value)),
            View::Number(value) => value.hash(state),
            View::String(value) => value.hash(state),
        }
    }
}

impl Value {
    fn view(&self) -> View<'_> {
        match self {
            Value::Null => View::Null,
            Value::Bool(value) => View::Bool(*value),
            Value::Number(value) => View::Number(value),
            Value::String(value) => View::String(value),
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Value::Number(value) => Some(value),
            _ => None,
        }
    }
}

impl<'a> ValueRef<'a> {
    fn view(&self) -> View<'_> {
        match self {
            ValueRef::Null => View::Null,
            ValueRef::Bool(value) => View::Bool(*value),
            ValueRef::Number(value) => View::Number(value),
            ValueRef::String(value) => View::String(value),
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            ValueRef::String(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            ValueRef::Number(value) => Some(value),
            _ => None,
        }
    }

    /// An owned copy.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(value) => Value::Bool(*value),
            ValueRef::Number(value) => Value::Number(value.clone()),
            ValueRef::String(value) => Value::String(value.as_ref().into()),
        }
    }

    /// Where this stands relative to an owned value, in the order that [`Value`] has.
    pub(crate) fn cmp_value(&self, other: &Value) -> Ordering {
        self.view().cmp(&other.view())
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => ValueRef::Null,
            Value::Bool(value) => ValueRef::Bool(*value),
            Value::Number(value) => ValueRef::Number(value.clone()),
            Value::String(value) => ValueRef::String(Cow::Borrowed(value)),
        }
    }
}

impl PartialEq<Value> for ValueRef<'_> {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (ValueRef::String(a), Value::String(b)) => a.as_ref() == b.as_ref(),
            (ValueRef::Number(a), Value::Number(b)) => a == b,
            (ValueRef::Bool(a), Value::Bool(b)) => a == b,
            (ValueRef::Null, Value::Null) => true,
            _ => false,
        }
    }
}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
    }
}

impl Hash for ValueRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// `null`, booleans, numbers, strings; each kind in its own order.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        self.view().cmp(&other.view())
    }
}

impl<N: Into<Number>> From<N> for Value {
    fn from(value: N) -> Value {
        Value::Number(value.into())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Value {
        Value::String(value.into())
    }
}

impl From<()> for Value {
    fn from((): ()) -> Value {
        Value::Null
    }
}

/// As JSON writes it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => value.fmt(f),
            Value::Number(value) => value.fmt(f),
            Value::String(value) => match serde_json::to_string(value) {
                Ok(text) => f.write_str(&text),
                Err(_) => Err(fmt::Error),
            },
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borrowed_and_owned_hash_and_order_alike() {
        let hasher = ahash::RandomState::new();
        let values = [
            Value::Null,
            false.into(),
            true.into(),
            1.into(),
            u64::MAX.into(),
            "".into(),
            "a".into(),
            "é".into(),
        ];
        for (i, a) in values.iter().enumerate() {
            assert_eq!(hasher.hash_one(a), hasher.hash_one(ValueRef::from(a)));
            for (j, b) in values.iter().enumerate() {
                assert_eq!(ValueRef::from(a).cmp_value(b), i.cmp(&j), "{a} {b}");
                let borrowed = ValueRef::from(a);
                assert_eq!(borrowed == *b, i == j, "{a} {b}");
            }
        }
    }
}
