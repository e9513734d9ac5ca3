//! Values for the variables of a template.

use crate::fields::{Number, Value};

/// Names and values, as a subscriber brings them.
///
/// ```
/// use distributary::Variables;
///
/// let variables = Variables::new().with("documentId", 42).with("roles", ["editor", "owner"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables(Vec<(Box<str>, Variable)>);

/// What a variable stands for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Variable {
    /// One value.
    Scalar(Value),
    /// Values that are spread into the alternatives around the variable.
    List(Vec<Value>),
    /// Something that no filter can hold, such as an object; an error once a template asks for it.
    Unusable(&'static str),
}

impl Variables {
    /// No variables.
    #[must_use]
    pub const fn new() -> Variables {
        Variables(Vec::new())
    }

    /// These variables and one more. The first of equal names counts.
    #[must_use]
    pub fn with(mut self, name: impl Into<Box<str>>, value: impl Into<Variable>) -> Variables {
        self.0.push((name.into(), value.into()));
        self
    }

    pub(super) fn find(&self, name: &str) -> Option<&Variable> {
        self.0
            .iter()
            .find_map(|(known, value)| (**known == *name).then_some(value))
    }
}

impl<N: Into<Box<str>>, V: Into<Variable>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Variables(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl<V: Into<Value>> From<V> for Variable {
    fn from(value: V) -> Variable {
        Variable::Scalar(value.into())
    }
}

impl From<f64> for Variable {
    fn from(value: f64) -> Variable {
        match Number::from_f64(value) {
            Some(number) => Variable::Scalar(number.into()),
            None => Variable::Unusable("NaN"),
        }
    }
}

impl<V: Into<Value>> From<Vec<V>> for Variable {
    fn from(values: Vec<V>) -> Variable {
        Variable::List(values.into_iter().map(Into::into).collect())
    }
}

impl<V: Into<Value>, const N: usize> From<[V; N]> for Variable {
    fn from(values: [V; N]) -> Variable {
        Variable::List(values.into_iter().map(Into::into).collect())
    }
}

/// Arguments as a client sends them. What is no scalar and no list of scalars is kept as unusable, for it may not be asked for.
impl From<&serde_json::Value> for Variable {
    fn from(value: &serde_json::Value) -> Variable {
        match value {
            serde_json::Value::Object(_) => Variable::Unusable("an object"),
            serde_json::Value::Array(items) => {
                let scalars = items.iter().map(scalar).collect::<Option<Vec<_>>>();
                scalars.map_or(
                    Variable::Unusable("a list of other things than scalars"),
                    Variable::List,
                )
            }
            value => {
                scalar(value).map_or(Variable::Unusable("an unknown number"), Variable::Scalar)
            }
        }
    }
}

fn scalar(value: &serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) => Number::from_json(&number.to_string())?.into(),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => return None,
    })
}

impl From<&serde_json::Map<String, serde_json::Value>> for Variables {
    fn from(map: &serde_json::Map<String, serde_json::Value>) -> Variables {
        map.iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect()
    }
}
