//! The one value that a filter asks for, kept beside the filter.
//!
//! Most filters are a single equality: `{"document": {"id": [42]}}`. Whoever is found under the hash of a value still has to be
//! checked, and walking from the entry to the filter, its constants and the text of a constant costs a miss at each step, with
//! thousands of filters. So a small value stands in the entry itself, and the check is one comparison.
//!
//! Invariant: a filter has a sole value if and only if *some value at its only path is this value* is all that it says.

use crate::fields::{Leaf, Value, ValueRef};
use crate::predicate::{Alternative, Expr, Filter, Op, Slot};

/// Sixteen bytes, whatever it is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Sole {
    /// The filter asks for more than that, or for something longer: evaluate it.
    Unknown,
    Integer(i64),
    Text {
        len: u8,
        bytes: [u8; SHORT],
    },
}

/// The longest text that fits.
const SHORT: usize = 14;

const _: () = assert!(size_of::<Sole>() == 16);

impl Sole {
    pub(super) fn of(filter: &Filter) -> Sole {
        let Expr::Test(test) = filter.expr() else {
            return Sole::Unknown;
        };
        let [Alternative::Match(Op::Equal, slot)] = *test.alternatives else {
            return Sole::Unknown;
        };
        match filter.slot(slot) {
            Slot::One(Value::Number(number)) => {
                number.as_i64().map_or(Sole::Unknown, Sole::Integer)
            }
            Slot::One(Value::String(text)) if text.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..text.len()].copy_from_slice(text.as_bytes());
                Sole::Text {
                    len: text.len() as u8,
                    bytes,
                }
            }
            _ => Sole::Unknown,
        }
    }

    /// Whether one of these values, which are all that an event has at the path of the filter, is this one. `None`: that does not
    /// say whether the filter admits the event.
    #[inline]
    pub(super) fn is_among(&self, leaves: &[Leaf<'_>]) -> Option<bool> {
        match self {
            Sole::Unknown => None,
            Sole::Integer(integer) => Some(leaves.iter().any(|leaf| match &leaf.value {
                ValueRef::Number(number) => number.as_i64() == Some(*integer),
                _ => false,
            })),
            Sole::Text { len, bytes } => Some(leaves.iter().any(|leaf| match &leaf.value {
                ValueRef::String(text) => text.as_bytes() == &bytes[..usize::from(*len)],
                _ => false,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{Fields, Projection};

    /// What the sole value of a filter says of a payload, and what the filter says.
    fn both(filter: &str, payload: &str) -> (Option<bool>, bool) {
        let filter = Filter::parse(filter).unwrap();
        let path = filter.paths().next().unwrap().clone();
        let mut fields = Fields::new();
        Projection::new([path.clone()])
            .from_json(payload.as_bytes(), &mut fields)
            .unwrap();
        let told = Sole::of(&filter).is_among(fields.values(path.id()));
        (told, filter.admits(&fields))
    }

    #[test]
    fn says_what_the_filter_says() {
        let constants = [
            "0",
            "1",
            "-1",
            "1.5",
            "9223372036854775807",
            "9223372036854775808",
            "1e300",
            r#""""#,
            r#""1""#,
            r#""a""#,
            r#""a\u0000""#,
            r#""fourteen bytes""#,
            r#""fifteen bytes !""#,
            "null",
            "true",
        ];
        let digits = "123456789012345678901234567890";
        let values = || constants.into_iter().chain([digits]);
        let mut told = 0;
        for constant in constants {
            let filter = format!(r#"{{"a": [{constant}]}}"#);
            for value in values() {
                for payload in [
                    format!(r#"{{"a": {value}}}"#),
                    format!(r#"{{"a": [7, {value}, "x"]}}"#),
                    r#"{"b": 1}"#.to_owned(),
                    format!(r#"{{"a": {value}, "b": 3, "a": 2.5}}"#),
                ] {
                    let (sole, filter) = both(&filter, &payload);
                    if let Some(sole) = sole {
                        assert_eq!(sole, filter, "{constant} {payload}");
                        told += 1;
                    }
                }
            }
        }
        // Four integers and five short texts.
        assert_eq!(told, 9 * values().count() * 4);
    }

    #[test]
    fn is_unknown_of_filters_that_say_something_else() {
        for filter in [
            r#"{"a": [1, 2]}"#,
            r#"{"a": [1], "b": [2]}"#,
            r#"{"a": [{"anything-but": 1}]}"#,
            r#"{"a": [{"prefix": "x"}]}"#,
            r#"{"a": [{"exists": true}]}"#,
            r#"{"$or": [{"a": [1]}, {"b": [1]}]}"#,
            "{}",
        ] {
            assert_eq!(
                Sole::of(&Filter::parse(filter).unwrap()),
                Sole::Unknown,
                "{filter}"
            );
        }
    }
}
