//! The values that variables get.
//!
//! They come from clients: whatever they are, they become scalars or an error, never a part of
//! a pattern.

use distributary as engine;
use engine::{Variable, Variables};
use pyo3::{prelude::*, types::PyMapping};

use crate::{
    errors::{Kind, error},
    values::{Refused, is_several, scalar, wrong_type},
};

pub(super) fn mapping<'py>(given: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyMapping>> {
    given
        .cast::<PyMapping>()
        .cloned()
        .map_err(|_| wrong_type("variables", "a dict of names and values", given))
}

/// Binds what the template asks for. What else the caller's dict holds is none of its business.
pub(super) fn bind(
    template: &engine::Template,
    given: &Bound<'_, PyMapping>,
) -> PyResult<engine::Filter> {
    let mut variables = Variables::new();
    for name in template.variables() {
        if given.contains(name)? {
            variables = variables.with(name, variable(&given.get_item(name)?)?);
        }
    }
    template
        .bind(&variables)
        .map_err(|cause| error(Kind::Variable, cause))
}

fn variable(given: &Bound<'_, PyAny>) -> PyResult<Variable> {
    if !is_several(given) {
        return Ok(scalar(given).map_or_else(unusable, Variable::Scalar));
    }
    let mut values = Vec::new();
    for item in given.try_iter()? {
        match scalar(&item?) {
            Ok(value) => values.push(value),
            Err(refused) => return Ok(unusable(refused)),
        }
    }
    Ok(Variable::List(values))
}

/// What cannot be a value: the engine says so where it is asked for.
fn unusable(refused: Refused) -> Variable {
    Variable::Unusable(match refused {
        Refused::Value(found) => found,
        Refused::Type(_) => "something that is neither a scalar nor a list of scalars",
    })
}

pub(super) fn unbound(template: &engine::Template) -> PyErr {
    let names: Vec<_> = template
        .variables()
        .iter()
        .map(|name| format!("{name:?}"))
        .collect();
    error(
        Kind::Variable,
        format_args!(
            "the filter has no value for {}: give `variables`, or bind a Template",
            names.join(", ")
        ),
    )
}
