//! Variables in the patterns that Python writes.

use pyo3::{
    prelude::*,
    types::{PyBool, PyDict, PyString},
};

use crate::{
    errors::{Kind, error},
    values::{text, wrong_type},
};

/// A variable in a filter, in the place of a scalar: it gets its value when the filter is
/// bound. An optional one that has no value drops its condition; any other has to have one.
#[pyclass(frozen, eq, hash, module = "distributary")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Var {
    pub(super) name: String,
    pub(super) optional: bool,
}

#[pymethods]
impl Var {
    #[new]
    #[pyo3(signature = (name, *, optional = None), text_signature = "(name, *, optional=False)")]
    fn new(name: &Bound<'_, PyAny>, optional: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let optional = optional.map_or(Ok(false), |given| {
            let flag = given.cast::<PyBool>().map(|flag| flag.is_true());
            flag.map_err(|_| wrong_type("optional", "True or False", given))
        })?;
        let name = text(name, "name of a variable", Kind::Variable)?;
        if name.is_empty() {
            return Err(error(Kind::Variable, "name of a variable: it is empty"));
        }
        Ok(Var {
            name: name.to_owned(),
            optional,
        })
    }

    /// What it is called.
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    /// Whether its condition is dropped when it has no value.
    #[getter]
    fn optional(&self) -> bool {
        self.optional
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((&str,), Bound<'py, PyDict>)> {
        let by_name = PyDict::new(py);
        by_name.set_item("optional", self.optional)?;
        Ok(((&self.name,), by_name))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = PyString::new(py, &self.name).repr()?;
        Ok(match self.optional {
            true => format!("Var({name}, optional=True)"),
            false => format!("Var({name})"),
        })
    }
}
