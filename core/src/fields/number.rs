//! Numbers as the filter language sees them.
//!
//! JSON has one kind of number, machines have several, and ids are often larger than a double can hold. So a number is kept in
//! the first of these forms that holds it: `i64`, `u64`, `f64`, and, for an integer beyond them all, its digits. The form is
//! canonical (`300`, `300.0` and `3e2` are one value, so are `0` and `-0`), therefore equality and hashing are structural, and the
//! order is exact across all forms: no integer is rounded to a float to be compared.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A number: exact over the whole range of `i64` and `u64`, a 64-bit float beyond that. Never NaN.
///
/// ```
/// use distributary::Number;
///
/// assert_eq!(Number::from(300), Number::from_f64(3e2).unwrap());
/// assert_ne!(Number::from(9_007_199_254_740_993_u64), Number::from(9_007_199_254_740_992_u64));
/// assert!(Number::from(u64::MAX) > Number::from_f64(0.5).unwrap());
/// ```
#[derive(Clone, PartialEq)]
pub struct Number(Repr);

/// Invariants: `Unsigned` is above `i64::MAX`; `Float` is neither NaN nor an integer that one of the forms before it holds;
/// `Digits` is a JSON integer outside of `i64` and `u64`.
#[derive(Clone, PartialEq)]
enum Repr {
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Digits(Box<str>),
}

impl Number {
    /// The number nearest to nothing but itself: `None` for NaN.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Number> {
        const TWO_63: f64 = 9_223_372_036_854_775_808.0;
        if value.is_nan() {
            return None;
        }
        // Both casts are exact: the value is whole and inside the range of its target.
        Some(Number(
            if value.fract() == 0.0 && (-TWO_63..TWO_63).contains(&value) {
                Repr::Signed(value as i64)
            } else if value.fract() == 0.0 && (TWO_63..2.0 * TWO_63).contains(&value) {
                Repr::Unsigned(value as u64)
            } else {
                Repr::Float(value)
            },
        ))
    }

    /// The integer that decimal digits write, of any size: `None` for anything but digits, without leading zeros, with `-` in front
    /// or without.
    ///
    /// ```
    /// use distributary::Number;
    ///
    /// assert_eq!(Number::from_digits("-7"), Some(Number::from(-7)));
    /// assert!(Number::from_digits("18446744073709551616").unwrap() > Number::from(u64::MAX));
    /// assert_eq!(Number::from_digits("0x7"), None);
    /// ```
    #[must_use]
    pub fn from_digits(text: &str) -> Option<Number> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let written = digits == "0" || !digits.starts_with('0');
        let is_integer = written && digits.bytes().all(|b| b.is_ascii_digit());
        if is_integer {
            Number::from_json(text)
        } else {
            None
        }
    }

    /// Reads a number as JSON writes it. `None` if `text` is no number at all.
    pub(crate) fn from_json(text: &str) -> Option<Number> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return text.parse().ok().and_then(Number::from_f64);
        }
        Some(Number(if let Ok(value) = text.parse() {
            Repr::Signed(value)
        } else if let Ok(value) = text.parse() {
            Repr::Unsigned(value)
        } else {
            Repr::Digits(text.into())
        }))
    }

    /// Whether this is an integer outside of `i64` and `u64`, known by its digits only.
    pub(crate) fn is_digits(&self) -> bool {
        matches!(self.0, Repr::Digits(_))
    }

    /// The number as `i64`, if it is a whole one in that range.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Signed(value) => Some(value),
            _ => None,
        }
    }

    /// The number as `u64`, if it is a whole one in that range.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Signed(value) => u64::try_from(value).ok(),
            Repr::Unsigned(value) => Some(value),
            _ => None,
        }
    }

    /// The nearest 64-bit float; infinite if the number is beyond the range of floats.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Repr::Signed(value) => *value as f64,
            Repr::Unsigned(value) => *value as f64,
            Repr::Float(value) => *value,
            Repr::Digits(text) => text.parse().unwrap_or(f64::NAN),
        }
    }

    fn as_integer(&self) -> Option<i128> {
        match self.0 {
            Repr::Signed(value) => Some(value.into()),
            Repr::Unsigned(value) => Some(value.into()),
            _ => None,
        }
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Signed(value) => (*value as u64).hash(state),
            Repr::Unsigned(value) => value.hash(state),
            Repr::Float(value) => value.to_bits().hash(state),
            Repr::Digits(text) => text.hash(state),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Exact between integers and floats. Digits beyond every machine integer are ordered against a float by the nearest float, and
/// above it on a tie, for they are equal only to themselves.
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Signed(a), Repr::Signed(b)) => a.cmp(b),
            (Repr::Float(a), Repr::Float(b)) => a.total_cmp(b),
            (Repr::Digits(a), Repr::Digits(b)) => digits_cmp(a, b),
            (Repr::Digits(a), _) => digits_cmp_small(a, other),
            (_, Repr::Digits(b)) => digits_cmp_small(b, self).reverse(),
            (Repr::Float(a), _) => other
                .as_integer()
                .map_or(Ordering::Equal, |b| integer_cmp_float(b, *a).reverse()),
            (_, Repr::Float(b)) => self
                .as_integer()
                .map_or(Ordering::Equal, |a| integer_cmp_float(a, *b)),
            _ => self.as_integer().cmp(&other.as_integer()),
        }
    }
}

fn integer_cmp_float(integer: i128, float: f64) -> Ordering {
    // `as` saturates, and both ends of i128 are far outside of what `integer` can be.
    integer
        .cmp(&(float.trunc() as i128))
        .then_with(|| 0.0_f64.total_cmp(&(float.fract() + 0.0)))
}

fn digits_cmp(a: &str, b: &str) -> Ordering {
    match (a.starts_with('-'), b.starts_with('-')) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
        (true, true) => b.len().cmp(&a.len()).then_with(|| b.cmp(a)),
    }
}

fn digits_cmp_small(digits: &str, other: &Number) -> Ordering {
    match (&other.0, digits.parse::<f64>()) {
        (Repr::Float(b), Ok(a)) => a.total_cmp(b).then(Ordering::Greater),
        _ if digits.starts_with('-') => Ordering::Less,
        _ => Ordering::Greater,
    }
}

macro_rules! from_integer {
    ($($small:ty)*) => {$(
        impl From<$small> for Number {
            fn from(value: $small) -> Number {
                Number(Repr::Signed(value.into()))
            }
        }
    )*};
}
from_integer!(i8 i16 i32 i64 u8 u16 u32);

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number(i64::try_from(value).map_or(Repr::Unsigned(value), Repr::Signed))
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number::from(value as u64)
    }
}

impl From<isize> for Number {
    fn from(value: isize) -> Number {
        Number::from(value as i64)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Signed(value) => value.fmt(f),
            Repr::Unsigned(value) => value.fmt(f),
            Repr::Float(value) => write!(f, "{value:?}"),
            Repr::Digits(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number {
        Number::from_json(text).expect(text)
    }

    #[test]
    fn one_value_has_one_form() {
        for same in [
            &["300", "300.0", "3e2", "30000e-2"][..],
            &["0", "-0", "0.0", "-0.0", "0e9"],
            &["1e19", "10000000000000000000"],
        ] {
            for text in same {
                assert_eq!(number(text), number(same[0]), "{text}");
            }
        }
        assert_ne!(number("9007199254740993"), number("9007199254740992"));
        assert_ne!(number("100000000000000000000"), number("1e20"));
    }

    #[test]
    fn order_is_exact_across_forms() {
        let ascending = [
            "-1e400",
            "-1e30",
            "-99999999999999999999",
            "-9223372036854775808",
            "-1.5",
            "-1",
            "-0.5",
            "0",
            "5e-324",
            "0.5",
            "1",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "1e30",
            "1e400",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(number(a).cmp(&number(b)), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", "01", "-01", "00", "1.0", "1e2", "+1", " 1", "inf", "٣",
        ] {
            assert_eq!(Number::from_digits(text), None, "{text}");
        }
        assert_eq!(Number::from_digits("-0"), Some(Number::from(0)));
        for text in ["", "-", "x", "1x"] {
            assert_eq!(Number::from_json(text), None, "{text}");
        }
        assert_eq!(Number::from_f64(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn integers_and_floats_agree_with_the_naive_order(a in any::<i64>(), b in any::<i32>(), quarters in 0_u8..4) {
            // A float of 32 integer bits and two fraction bits is exact, so the comparison can be done in quarters.
            let float = f64::from(b) + f64::from(quarters) / 4.0;
            let (a, b) = (a >> 31, i64::from(b));
            let expected = (i128::from(a) * 4).cmp(&(i128::from(b) * 4 + i128::from(quarters)));
            let float = Number::from_f64(float).unwrap();
            prop_assert_eq!(Number::from(a).cmp(&float), expected);
            prop_assert_eq!(Number::from(a) == float, expected == Ordering::Equal);
        }
    }
}
