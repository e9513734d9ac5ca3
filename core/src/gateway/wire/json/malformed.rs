//! What is wrong with a message of a client.

use std::fmt;

use super::MAX_DEPTH;
use crate::{
    event::PositionError,
    feed::BudgetError,
    predicate::{BindError, FilterError},
    selector::SelectorError,
    topic::TopicError,
};

/// Why a message cannot be understood. What it prints is told to the client.
#[derive(Debug)]
pub(super) enum Malformed {
    /// Not a JSON object, or not JSON.
    NotAnObject(serde_json::Error),
    TooDeep,
    /// A field that the message does not have.
    UnknownField {
        field: String,
        of: &'static str,
    },
    Missing {
        field: &'static str,
        of: &'static str,
    },
    /// A field that holds something else.
    Wrong {
        field: &'static str,
        expected: &'static str,
    },
    UnknownType(String),
    TooMany {
        field: &'static str,
        given: usize,
        most: usize,
    },
    Selector(SelectorError),
    Filter(FilterError),
    Bind(BindError),
    Topic(TopicError),
    Position(PositionError),
    Budget(BudgetError),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::NotAnObject(error) => {
                write!(
                    f,
                    "a message has to be a JSON object whose fields come once: {error}"
                )
            }
            Malformed::TooDeep => write!(
                f,
                "nested too deep: at most {MAX_DEPTH} objects and lists may be open at a time"
            ),
            Malformed::UnknownField { field, of } => {
                write!(f, "{of} has no field {:?}: remove it", shortened(field))
            }
            Malformed::Missing { field, of } => write!(f, "{of} needs the field {field:?}"),
            Malformed::Wrong { field, expected } => write!(f, "{field:?} has to be {expected}"),
            Malformed::UnknownType(kind) => write!(
                f,
                "there is no type {:?}: send \"subscribe\", \"unsubscribe\", \"ping\" or \"message\"",
                shortened(kind)
            ),
            Malformed::TooMany { field, given, most } => {
                write!(
                    f,
                    "{field} holds {given} entries: give at most {most} in a message"
                )
            }
            Malformed::Selector(error) => error.fmt(f),
            Malformed::Filter(error) => write!(f, "\"where\" {error}"),
            Malformed::Bind(error) => error.fmt(f),
            Malformed::Topic(error) => write!(f, "\"from\": {error}"),
            Malformed::Position(error) => write!(f, "\"from\": {error}"),
            Malformed::Budget(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Malformed {}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {$(
        impl From<$error> for Malformed {
            fn from(error: $error) -> Self {
                Malformed::$variant(error)
            }
        }
    )*};
}

from! {
    SelectorError => Selector,
    FilterError => Filter,
    BindError => Bind,
    TopicError => Topic,
    PositionError => Position,
    BudgetError => Budget,
}

/// A name that a client chose, short enough to be told back.
fn shortened(name: &str) -> String {
    name.chars().take(64).collect()
}
