//! Scalars of Python as the engine's values, and texts.
//!
//! Exact: an integer of any size arrives as it was, and nothing is turned into something that
//! it is not (a `bool` is no number here, a text with half a character in it is no text).

use distributary::{Number, Value};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBool, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple},
};

use crate::errors::{Kind, error};

/// What is no scalar of the engine's, in words.
pub(crate) enum Refused {
    /// It is of the right type.
    Value(&'static str),
    Type(String),
}

/// A scalar.
pub(crate) fn scalar(given: &Bound<'_, PyAny>) -> Result<Value, Refused> {
    if let Ok(text) = given.cast::<PyString>() {
        return match text.to_str() {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(Refused::Value("a str with a lone surrogate")),
        };
    }
    if given.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(value) = given.cast::<PyBool>() {
        return Ok(value.is_true().into());
    }
    if let Ok(number) = given.cast::<PyInt>() {
        return match integer(number) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(Refused::Value("an int of more digits than Python prints")),
        };
    }
    if let Ok(number) = given.cast::<PyFloat>() {
        return match Number::from_f64(number.value()) {
            Some(number) if number.to_f64().is_finite() => Ok(Value::Number(number)),
            Some(_) => Err(Refused::Value("inf")),
            None => Err(Refused::Value("nan")),
        };
    }
    Err(Refused::Type(of_type(given)))
}

fn integer(given: &Bound<'_, PyInt>) -> Option<Number> {
    if let Ok(number) = given.extract::<i64>() {
        return Some(number.into());
    }
    let digits = digits(given).ok()?;
    Number::from_digits(digits.to_str().ok()?)
}

/// The digits of an integer, whatever a subclass of `int` prints.
pub(crate) fn digits<'py>(given: &Bound<'py, PyInt>) -> PyResult<Bound<'py, PyString>> {
    let py = given.py();
    let digits = py.get_type::<PyInt>().call_method1("__repr__", (given,))?;
    Ok(digits.cast_into()?)
}

/// Whether a value stands for several.
pub(crate) fn is_several(given: &Bound<'_, PyAny>) -> bool {
    given.is_instance_of::<PyList>()
        || given.is_instance_of::<PyTuple>()
        || given.is_instance_of::<PySet>()
        || given.is_instance_of::<PyFrozenSet>()
}

/// A text that has to be one; `what` names the argument.
pub(crate) fn text<'a>(given: &'a Bound<'_, PyAny>, what: &str, kind: Kind) -> PyResult<&'a str> {
    let text = given
        .cast::<PyString>()
        .map_err(|_| wrong_type(what, "a str", given))?;
    text.to_str().map_err(|_| {
        error(
            kind,
            format_args!("{what}: it has a lone surrogate, which is no character of Unicode"),
        )
    })
}

/// An argument is of another type than it has to be.
pub(crate) fn wrong_type(what: &str, expected: &str, given: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{what}: {expected}, not {}", type_name(given)))
}

/// What a value is, in words.
pub(crate) fn of_type(given: &Bound<'_, PyAny>) -> String {
    format!("a value of type {}", type_name(given))
}

fn type_name(given: &Bound<'_, PyAny>) -> String {
    let name = given.get_type().qualname();
    name.map_or_else(|_| "object".to_owned(), |name| name.to_string())
}
