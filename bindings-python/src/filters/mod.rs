//! Filters as Python holds them: compiled once, handed to other native calls by reference.
//!
//! A filter comes as a dict, as JSON text or as an expression, and all of them go through
//! text; see [`text`] for why, and [`compiled`] for what is kept of it. With variables it stays
//! a template until they are bound, and nothing but that can be done with it before: a
//! forgotten variable is an error, and not a filter that lets everything or nothing through.

use std::hash::{DefaultHasher, Hash, Hasher};

use distributary as engine;
use engine::{Matcher, Value, Variables};
use pyo3::{
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{
        PyByteArray, PyBytes, PyDict, PyFloat, PyMapping, PyMemoryView, PyModule, PyString,
        PyTuple, PyType,
    },
};

use crate::{
    errors::{Kind, error},
    values::{scalar, text as text_of, wrong_type},
};
use bind::{bind, mapping, unbound};
use compiled::Compiled;
pub(crate) use var::Var;

mod bind;
mod compiled;
mod text;
mod var;

/// A compiled filter: which events somebody wants. Immutable.
///
/// `where` is a dict, JSON text, an expression made of `F`, a `Filter` or a `Template`;
/// `variables` has the values of its variables, of which none may be missing.
///
/// Raises `FilterError`, which names the place, and `VariableError`.
#[pyclass(frozen, weakref, module = "distributary")]
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
    #[pyo3(signature = (r#where, variables = None))]
    fn new(r#where: &Bound<'_, PyAny>, variables: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let filter = match (compile(r#where)?, variables) {
            (Compiled::Filter(filter), None) => filter,
            (Compiled::Filter(filter), Some(values)) => {
                mapping(values)?;
                filter
            }
            (Compiled::Template(template), Some(values)) => bind(&template, &mapping(values)?)?,
            (Compiled::Template(template), None) => return Err(unbound(&template)),
        };
        Ok(Filter { filter })
    }

    /// Whether an event with this payload is admitted.
    ///
    /// The payload is JSON as bytes or text, or an object, which is encoded as `publish` does.
    /// One that cannot be read is met only by a filter that asks for nothing.
    fn matches(&self, payload: &Bound<'_, PyAny>) -> PyResult<bool> {
        if let Ok(bytes) = payload.cast::<PyBytes>() {
            return Ok(self.admits(bytes.as_bytes()));
        }
        if payload.is_instance_of::<PyString>() {
            return Ok(self.admits(text_of(payload, "payload", Kind::Payload)?.as_bytes()));
        }
        let py = payload.py();
        let is_bytes =
            payload.is_instance_of::<PyByteArray>() || payload.is_instance_of::<PyMemoryView>();
        let bytes = match is_bytes {
            true => py.get_type::<PyBytes>().call1((payload,))?,
            false => to_json(py)?.call1((payload,))?,
        };
        Ok(self.admits(bytes.cast::<PyBytes>()?.as_bytes()))
    }

    /// How events find it, in words.
    fn explain(&self) -> String {
        self.filter.explain().to_string()
    }

    /// Whether events find it by look-ups alone; if not, each event of its topics is tried
    /// against it.
    #[getter]
    fn is_indexed(&self) -> bool {
        self.filter.is_indexed()
    }

    /// Whether it asks for nothing, so that every event is admitted.
    #[getter]
    fn is_all(&self) -> bool {
        self.filter.is_all()
    }

    /// The paths of the fields that it names, in alphabetical order.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.paths())
    }

    fn __eq__(&self, other: &Filter) -> bool {
        self.filter == other.filter
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.filter.hash(&mut hasher);
        hasher.finish()
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self) -> String {
        if self.filter.is_all() {
            return "<Filter that admits every event>".to_owned();
        }
        let found = match self.filter.is_indexed() {
            true => "indexed",
            false => "scanned",
        };
        format!("<Filter on {}, {found}>", self.paths().join(", "))
    }
}

impl Filter {
    fn admits(&self, payload: &[u8]) -> bool {
        self.filter.matches_json(payload).unwrap_or(false)
    }

    fn paths(&self) -> Vec<String> {
        let mut matcher = Matcher::new();
        matcher.insert(self.filter.clone());
        let mut paths: Vec<_> = matcher
            .paths()
            .map(|path| path.as_str().to_owned())
            .collect();
        paths.sort_unstable();
        paths
    }
}

/// A filter with variables, compiled once and bound for each subscriber. Immutable.
///
/// `where` is what a `Filter` takes, with `{"$var": "name"}` or `Var("name")` in places of
/// scalars. Raises `FilterError`, which names the place.
#[pyclass(frozen, weakref, module = "distributary")]
pub(crate) struct Template {
    compiled: Compiled,
}

#[pymethods]
impl Template {
    #[new]
    fn new(r#where: &Bound<'_, PyAny>) -> PyResult<Self> {
        compile(r#where).map(|compiled| Template { compiled })
    }

    /// The names of the variables, each once, in alphabetical order.
    #[getter]
    fn variables<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.names())
    }

    /// The filter with these values, given as a dict, by name, or both; a name that is given
    /// both ways has the latter value. A list stands for any of its values, `None` for the
    /// value `null`.
    ///
    /// Raises `VariableError` for a variable that has no value or one that cannot stand there.
    #[pyo3(signature = (variables = None, /, **values))]
    fn bind(
        &self,
        variables: Option<&Bound<'_, PyAny>>,
        values: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Filter> {
        let given = match (variables, values) {
            (None, None) => None,
            (Some(variables), None) => Some(mapping(variables)?),
            (None, Some(values)) => Some(values.clone().into_mapping()),
            (Some(variables), Some(values)) => {
                let both = PyDict::new(values.py());
                both.update(&mapping(variables)?)?;
                both.update(values.as_mapping())?;
                Some(both.into_mapping())
            }
        };
        let filter = match (&self.compiled, given) {
            (Compiled::Filter(filter), _) => filter.clone(),
            (Compiled::Template(template), Some(values)) => bind(template, &values)?,
            (Compiled::Template(template), None) => template
                .bind(&Variables::new())
                .map_err(|cause| error(Kind::Variable, cause))?,
        };
        Ok(Filter { filter })
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__(slf: Py<Self>, _memo: &Bound<'_, PyAny>) -> Py<Self> {
        slf
    }

    fn __repr__(&self) -> String {
        match &*self.names() {
            [] => "<Template without variables>".to_owned(),
            names => format!("<Template of {}>", names.join(", ")),
        }
    }
}

impl Template {
    fn names(&self) -> Vec<&str> {
        match &self.compiled {
            Compiled::Filter(_) => Vec::new(),
            Compiled::Template(template) => template.variables(),
        }
    }
}

/// Raises what a filter of this pattern would; nothing is kept of it.
#[pyfunction]
pub(crate) fn check_pattern(pattern: &Bound<'_, PyAny>) -> PyResult<()> {
    Compiled::check(&text::text(pattern)?)
}

/// The same for a field that has to be equal to a value, which is looked at alone.
#[pyfunction]
pub(crate) fn check_value(path: &Bound<'_, PyString>, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_fine = match scalar(value) {
        Ok(Value::Number(number)) => {
            number.as_i64().is_some()
                || number.as_u64().is_some()
                || value.is_instance_of::<PyFloat>()
        }
        Ok(_) => true,
        Err(_) => value.is_instance_of::<Var>(),
    };
    if is_fine && path.to_str().is_ok() {
        return Ok(());
    }
    // It says what is wrong.
    let pattern = PyDict::new(value.py());
    pattern.set_item(path, value)?;
    check_pattern(&pattern)
}

fn compile(given: &Bound<'_, PyAny>) -> PyResult<Compiled> {
    if let Ok(filter) = given.cast::<Filter>() {
        return Ok(Compiled::Filter(filter.get().filter.clone()));
    }
    if let Ok(template) = given.cast::<Template>() {
        return Ok(template.get().compiled.clone());
    }
    if given.is_instance_of::<PyString>() {
        return Compiled::of(text_of(given, "filter", Kind::Filter)?);
    }
    if !given.is_instance_of::<PyDict>()
        && given.cast::<PyMapping>().is_err()
        && expression(given)?.is_none()
    {
        let expected = "a dict such as {\"id\": [42]}, JSON text, an expression such as F.id == 42, a Filter or a Template";
        return Err(wrong_type("filter", expected, given));
    }
    Compiled::of(&text::text(given)?)
}

/// The pattern of an expression, if it is one.
fn expression<'py>(given: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = given.py();
    match given.is_instance(CLASS.import(py, "distributary.filter", "Expression")?)? {
        true => given.getattr(intern!(py, "_pattern")).map(Some),
        false => Ok(None),
    }
}

/// What encodes an object that is neither bytes nor text.
fn to_json(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let function = FUNCTION.get_or_try_init(py, || {
        PyModule::import(py, "distributary.payload")?
            .getattr("to_json")
            .map(Bound::unbind)
    })?;
    Ok(function.bind(py))
}
