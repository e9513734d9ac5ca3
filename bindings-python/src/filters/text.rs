//! A Python value as the text of a pattern.
//!
//! The text is the one form in which integers of any size arrive as they were, and it is what
//! compiled filters are found by. What JSON has no text for is an error that names its place
//! as the engine does: a condition that were left out would let everything through.

use std::fmt::Write;

use pyo3::{
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple},
};

use super::{Var, expression};
use crate::{
    errors::{Kind, error},
    values::{digits, of_type},
};

/// Far beyond what the language has; what is deeper may hold itself.
const DEEPEST: usize = 128;

/// The text of a pattern.
pub(super) fn text(pattern: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut writer = Writer::default();
    writer.value(pattern)?;
    Ok(writer.out)
}

#[derive(Default)]
struct Writer {
    out: String,
    /// The way to what is written now.
    at: Vec<Step>,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Writer {
    fn value(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(text) = value.cast::<PyString>() {
            return self.string(text);
        }
        if let Ok(truth) = value.cast::<PyBool>() {
            self.out
                .push_str(if truth.is_true() { "true" } else { "false" });
        } else if let Ok(number) = value.cast::<PyInt>() {
            match digits(number) {
                Ok(digits) => self.out.push_str(digits.to_str()?),
                Err(_) => {
                    return Err(self.error("an int of more digits than Python prints", "a number"));
                }
            }
        } else if let Ok(number) = value.cast::<PyFloat>() {
            let number = number.value();
            if !number.is_finite() {
                return Err(self.error(&number.to_string().to_lowercase(), "a finite number"));
            }
            // As Rust writes it for debugging, it is read back as the same float.
            let _ = write!(self.out, "{number:?}");
        } else if value.is_none() {
            self.out.push_str("null");
        } else if let Ok(dict) = value.cast::<PyDict>() {
            return self.fields(&dict.items());
        } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            return self.items(value);
        } else if let Ok(var) = value.cast::<Var>() {
            self.variable(var.get());
        } else if let Ok(mapping) = value.cast::<PyMapping>() {
            return self.fields(&mapping.items()?);
        } else if let Some(pattern) = expression(value)? {
            return self.value(&pattern);
        } else {
            return Err(self.error(
                &of_type(value),
                "a dict, list, str, int, float, bool, None or Var",
            ));
        }
        Ok(())
    }

    fn fields(&mut self, items: &Bound<'_, PyList>) -> PyResult<()> {
        self.deeper()?;
        self.out.push('{');
        for (index, item) in items.iter().enumerate() {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
            let Ok(key) = key.cast::<PyString>() else {
                return Err(self.error(&of_type(&key), "a str for a key"));
            };
            if index > 0 {
                self.out.push(',');
            }
            self.string(key)?;
            self.out.push(':');
            self.at.push(Step::Key(key.to_str()?.to_owned()));
            self.value(&value)?;
            self.at.pop();
        }
        self.out.push('}');
        Ok(())
    }

    fn items(&mut self, items: &Bound<'_, PyAny>) -> PyResult<()> {
        self.deeper()?;
        self.out.push('[');
        for (index, item) in items.try_iter()?.enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.at.push(Step::Index(index));
            self.value(&item?)?;
            self.at.pop();
        }
        self.out.push(']');
        Ok(())
    }

    fn string(&mut self, text: &Bound<'_, PyString>) -> PyResult<()> {
        match text.to_str() {
            Ok(text) => {
                self.out
                    .push_str(&serde_json::Value::from(text).to_string());
                Ok(())
            }
            Err(_) => Err(self.error("a str with a lone surrogate", "a string of Unicode")),
        }
    }

    fn variable(&mut self, var: &Var) {
        let name = serde_json::Value::from(&*var.name);
        let _ = match var.optional {
            true => write!(self.out, r#"{{"$var":{name},"optional":true}}"#),
            false => write!(self.out, r#"{{"$var":{name}}}"#),
        };
    }

    fn deeper(&self) -> PyResult<()> {
        match self.at.len() {
            0..DEEPEST => Ok(()),
            _ => Err(error(
                Kind::Filter,
                format_args!("the filter is more than {DEEPEST} levels deep, or holds itself"),
            )),
        }
    }

    /// As the engine says it.
    fn error(&self, found: &str, expected: &str) -> PyErr {
        let mut place = String::new();
        for step in &self.at {
            let _ = match step {
                Step::Index(index) => write!(place, "[{index}]"),
                Step::Key(key) if place.is_empty() => write!(place, "{key}"),
                Step::Key(key) => write!(place, ".{key}"),
            };
        }
        let place = match &*place {
            "" => "in the pattern".to_owned(),
            place => format!("at {place}"),
        };
        error(
            Kind::Filter,
            format_args!("{place}: found {found}, expected {expected}"),
        )
    }
}
