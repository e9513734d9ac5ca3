//! Filters written in Rust.

use std::ops::{BitAnd, BitOr, Not};

use super::compile::{Role, check_operand, homogeneous};
use super::draft::{Choice, Draft, End, Operand, Placeholder, limits};
use super::error::FilterError;
use super::shape::Op;
use super::template::visit;
use super::{Filter, Template};
use crate::fields::{Number, Path, Value};

/// A condition on events, made of fields with `&`, `|` and `!`. What was wrong with a part is told when the whole is compiled.
///
/// ```
/// use distributary::{field, Filter};
///
/// let filter = (field("total").gt(100) & field("region").eq("eu")).compile()?;
/// assert_eq!(filter, Filter::parse(r#"{"region": ["eu"], "total": [{"numeric": [">", 100]}]}"#)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a predicate does nothing until it is compiled"]
pub struct Predicate(Result<Draft, FilterError>);

/// The field at `path`, whose segments are separated by dots, to be compared with something.
pub fn field(path: impl Into<String>) -> Field {
    Field(path.into())
}

/// A variable for a [`Template`], in place of a value.
pub fn var(name: impl Into<Box<str>>) -> Var {
    Var {
        name: name.into(),
        is_optional: false,
    }
}

/// A field that waits for its condition. Made by [`field`].
#[derive(Clone, Debug)]
#[must_use = "a field is no condition yet"]
pub struct Field(String);

/// A variable. Made by [`var`].
#[derive(Clone, Debug)]
pub struct Var {
    name: Box<str>,
    is_optional: bool,
}

impl Var {
    /// Without a value, the field's condition is dropped instead of being an error.
    #[must_use]
    pub fn optional(self) -> Var {
        Var {
            is_optional: true,
            ..self
        }
    }
}

/// What a field is compared with: a scalar or a variable.
#[derive(Clone, Debug)]
pub struct Comparand(Option<Side>);

#[derive(Clone, Debug)]
enum Side {
    Value(Value),
    Var(Var),
}

macro_rules! comparand_from_value {
    ($($scalar:ty)*) => {$(
        impl From<$scalar> for Comparand {
            fn from(value: $scalar) -> Comparand {
                Comparand(Some(Side::Value(value.into())))
            }
        }
    )*};
}
comparand_from_value!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize bool &str String Number);

impl From<()> for Comparand {
    fn from((): ()) -> Comparand {
        Comparand(Some(Side::Value(Value::Null)))
    }
}

impl From<Value> for Comparand {
    fn from(value: Value) -> Comparand {
        Comparand(Some(Side::Value(value)))
    }
}

impl From<f64> for Comparand {
    fn from(value: f64) -> Comparand {
        Comparand(Number::from_f64(value).map(|number| Side::Value(number.into())))
    }
}

impl From<Var> for Comparand {
    fn from(var: Var) -> Comparand {
        Comparand(Some(Side::Var(var)))
    }
}

impl Field {
    /// Some value is equal.
    pub fn eq(self, value: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::Equal, [value])
    }

    /// Some value is equal to one of these, of which there must be at least one.
    pub fn one_of<V: Into<Comparand>>(self, values: impl IntoIterator<Item = V>) -> Predicate {
        self.any_of(Op::Equal, values)
    }

    /// Some value differs. Not the opposite of [`Field::eq`] where a field has several values or none; `!field(…).eq(…)` is.
    pub fn ne(self, value: impl Into<Comparand>) -> Predicate {
        self.none_of([value])
    }

    /// Some value is none of these, which must be one scalar, or strings, or numbers.
    pub fn none_of<V: Into<Comparand>>(self, values: impl IntoIterator<Item = V>) -> Predicate {
        let operands = self.operands(Role::Mismatch(Op::Equal), values);
        let operands = operands.and_then(|operands| {
            let constants = operands.iter().filter_map(|operand| match operand {
                Operand::Const(value) => Some(value),
                Operand::Variable(_) => None,
            });
            if operands.len() > 1 && !homogeneous(constants) {
                return Err(FilterError::new(
                    &self.0,
                    "a mixture",
                    "strings only or numbers only",
                ));
            }
            Ok(operands)
        });
        self.condition(operands.map(|operands| Choice::Mismatch(Op::Equal, operands)))
    }

    /// Some value is a string that begins so.
    pub fn prefix(self, text: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::Prefix, [text])
    }

    /// Some value is a string that ends so.
    pub fn suffix(self, text: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::Suffix, [text])
    }

    /// Some value is a string that is equal by simple case folding.
    pub fn equals_ignore_case(self, text: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::EqualFold, [text])
    }

    /// Some value is a string that begins so by simple case folding.
    pub fn prefix_ignore_case(self, text: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::PrefixFold, [text])
    }

    /// Some value is a string that ends so by simple case folding.
    pub fn suffix_ignore_case(self, text: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::SuffixFold, [text])
    }

    /// Some value is a string that matches, `*` being any run.
    pub fn wildcard(self, pattern: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::Wildcard, [pattern])
    }

    /// Some value is an address in this network, such as `10.0.0.0/8`.
    pub fn cidr(self, network: impl Into<Comparand>) -> Predicate {
        self.any_of(Op::Cidr, [network])
    }

    /// Some value is a number above this one.
    pub fn gt(self, number: impl Into<Comparand>) -> Predicate {
        let low = self.end(number, false);
        self.condition(low.map(|low| Choice::Range {
            low: Some(low),
            high: None,
        }))
    }

    /// Some value is a number not below this one.
    pub fn ge(self, number: impl Into<Comparand>) -> Predicate {
        let low = self.end(number, true);
        self.condition(low.map(|low| Choice::Range {
            low: Some(low),
            high: None,
        }))
    }

    /// Some value is a number below this one.
    pub fn lt(self, number: impl Into<Comparand>) -> Predicate {
        let high = self.end(number, false);
        self.condition(high.map(|high| Choice::Range {
            low: None,
            high: Some(high),
        }))
    }

    /// Some value is a number not above this one.
    pub fn le(self, number: impl Into<Comparand>) -> Predicate {
        let high = self.end(number, true);
        self.condition(high.map(|high| Choice::Range {
            low: None,
            high: Some(high),
        }))
    }

    /// Some value is a number from `low` to below `high`.
    pub fn between(self, low: impl Into<Comparand>, high: impl Into<Comparand>) -> Predicate {
        let range = self
            .end(low, true)
            .and_then(|low| Ok((low, self.end(high, false)?)));
        let range = range.and_then(|(low, high)| match (&low.operand, &high.operand) {
            (Operand::Const(a), Operand::Const(b)) if a >= b => Err(FilterError::new(
                &self.0,
                &format!("{a} to {b}"),
                "a lower bound below the upper bound",
            )),
            _ => Ok(Choice::Range {
                low: Some(low),
                high: Some(high),
            }),
        });
        self.condition(range)
    }

    /// There is a value, also if it is `null`.
    pub fn exists(self) -> Predicate {
        self.condition(Ok(Choice::Exists))
    }

    /// There is no value.
    pub fn missing(self) -> Predicate {
        self.condition(Ok(Choice::Missing))
    }

    fn any_of<V: Into<Comparand>>(self, op: Op, values: impl IntoIterator<Item = V>) -> Predicate {
        let operands = self.operands(Role::Match(op), values);
        self.condition(operands.map(|operands| Choice::Match(op, operands)))
    }

    fn end(&self, number: impl Into<Comparand>, inclusive: bool) -> Result<End, FilterError> {
        Ok(End {
            inclusive,
            operand: self.operand(Role::Bound, number.into())?,
        })
    }

    fn operands<V: Into<Comparand>>(
        &self,
        role: Role,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Vec<Operand>, FilterError> {
        let operands = values
            .into_iter()
            .map(|value| self.operand(role, value.into()))
            .collect::<Result<Vec<_>, _>>()?;
        if operands.is_empty() {
            return Err(FilterError::new(&self.0, "no value", "at least one value"));
        }
        Ok(operands)
    }

    fn operand(&self, role: Role, comparand: Comparand) -> Result<Operand, FilterError> {
        match comparand.0 {
            Some(Side::Value(value)) => {
                check_operand(role, &value)
                    .map_err(|expected| FilterError::new(&self.0, &value.to_string(), expected))?;
                Ok(Operand::Const(value))
            }
            Some(Side::Var(Var { name, is_optional })) => Ok(Operand::Variable(Placeholder {
                name,
                is_optional,
                at: self.0.as_str().into(),
            })),
            None => Err(FilterError::new(&self.0, "NaN", "a number")),
        }
    }

    fn condition(self, choice: Result<Choice, FilterError>) -> Predicate {
        Predicate(choice.and_then(|choice| {
            let levels = self.0.split('.').count();
            if levels > limits::DEPTH {
                let expected = format!("at most {} segments", limits::DEPTH);
                return Err(FilterError::limit(
                    &self.0,
                    &format!("{levels} segments"),
                    expected,
                ));
            }
            Ok(Draft::Field {
                path: Path::new(&self.0),
                alternatives: vec![choice],
            })
        }))
    }
}

impl Predicate {
    /// The filter that admits what satisfies this.
    ///
    /// # Errors
    /// What was wrong with a part, and variables, for which there is [`Predicate::template`].
    pub fn compile(self) -> Result<Filter, FilterError> {
        Filter::from_draft(self.checked()?)
    }

    /// The template to bind with values for the variables.
    ///
    /// # Errors
    /// What was wrong with a part.
    pub fn template(self) -> Result<Template, FilterError> {
        Ok(Template::new(self.checked()?))
    }

    fn checked(self) -> Result<Draft, FilterError> {
        let draft = self.0?;
        draft.check()?;
        Ok(draft)
    }

    fn join(self, other: Predicate, join: fn(Vec<Draft>) -> Draft) -> Predicate {
        Predicate(self.0.and_then(|a| Ok(join(vec![a, other.0?]))))
    }
}

impl BitAnd for Predicate {
    type Output = Predicate;

    fn bitand(self, other: Predicate) -> Predicate {
        self.join(other, Draft::All)
    }
}

impl BitOr for Predicate {
    type Output = Predicate;

    fn bitor(self, other: Predicate) -> Predicate {
        self.join(other, Draft::Any)
    }
}

impl Not for Predicate {
    type Output = Predicate;

    fn not(self) -> Predicate {
        Predicate(self.0.map(|of| Draft::Not {
            within: None,
            of: Box::new(of),
        }))
    }
}

impl Filter {
    /// Compiles a draft that may not have variables.
    pub(super) fn from_draft(draft: Draft) -> Result<Filter, FilterError> {
        let mut variable = None;
        visit(&draft, &mut |placeholder| {
            variable = variable.or(Some(placeholder))
        });
        if let Some(variable) = variable {
            let found = format!("the variable {:?}", variable.name);
            return Err(FilterError::new(
                &variable.at,
                &found,
                "a value; a pattern with variables is a Template",
            ));
        }
        let compiled = super::compile::Compiled::new(&draft.normalized());
        let nothing = super::Variables::new();
        compiled
            .fill(&nothing)
            .map_err(|error| FilterError::new(error.at(), error.found(), error.expected()))
    }
}
