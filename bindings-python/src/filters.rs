//! Filters as Python holds them: compiled once, handed to other native calls by reference.
//!
//! A filter comes as JSON text and its variables as the text of a JSON object, for that is
//! the one form in which integers of any size arrive as they were.

use distributary as engine;
use engine::Variables;
use pyo3::prelude::*;

use crate::errors::{Kind, error};

/// A compiled filter.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Filter {
    filter: engine::Filter,
}

impl Filter {
    pub(crate) fn filter(&self) -> &engine::Filter {
        &self.filter
    }
}

#[pymethods]
impl Filter {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        let filter = engine::Filter::parse(text).map_err(|cause| error(Kind::Filter, cause))?;
        Ok(Filter { filter })
    }

    /// Whether it admits an event with this payload.
    fn matches(&self, payload: &[u8]) -> bool {
        self.filter.matches_json(payload).unwrap_or(false)
    }

    /// Whether events find it by look-ups alone.
    #[getter]
    fn is_indexed(&self) -> bool {
        self.filter.is_indexed()
    }

    /// How events find it, in words.
    fn explain(&self) -> String {
        self.filter.explain().to_string()
    }

    fn __eq__(&self, other: &Filter) -> bool {
        self.filter == other.filter
    }
}

/// A compiled filter whose variables have no values yet.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Template {
    template: engine::Template,
}

#[pymethods]
impl Template {
    #[new]
    fn new(text: &str) -> PyResult<Self> {
        let template = engine::Template::parse(text).map_err(|cause| error(Kind::Filter, cause))?;
        Ok(Template { template })
    }

    /// The names of the variables, each once, in alphabetical order.
    #[getter]
    fn variables(&self) -> Vec<&str> {
        self.template.variables()
    }

    /// The filter with the values of a JSON object.
    fn bind(&self, variables: &str) -> PyResult<Filter> {
        let values: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(variables).map_err(|cause| error(Kind::Variable, cause))?;
        let filter = self
            .template
            .bind(&Variables::from(&values))
            .map_err(|cause| error(Kind::Variable, cause))?;
        Ok(Filter { filter })
    }
}
