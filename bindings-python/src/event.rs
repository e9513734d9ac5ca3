//! Events as readers see them.
//!
//! One Python object for all readers of an event on a loop, and everything in it made when it
//! is first asked for. A reader that missed events before this one gets an object of its own,
//! which says how many.

use distributary as engine;
use engine::{Number, Value};
use parking_lot::Mutex;
use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBytes, PyDict, PyList, PyModule, PyString},
};

use crate::{
    errors::{Kind, error},
    payload,
};

/// One published event.
#[pyclass(frozen, weakref, module = "distributary")]
pub(crate) struct Event(Inner);

enum Inner {
    Own(Own),
    /// An event that others read as well, for a reader that missed some before it.
    After {
        event: Py<Event>,
        lost: u64,
    },
}

struct Own {
    event: engine::Event,
    topic: PyOnceLock<Py<PyString>>,
    data: PyOnceLock<Py<PyBytes>>,
    json: PyOnceLock<Py<PyAny>>,
    decoded: Mutex<Vec<Decoded>>,
}

/// What a decoder made of it.
struct Decoded {
    decoder: u64,
    value: Py<PyAny>,
}

impl Event {
    pub(crate) fn new(event: engine::Event) -> Self {
        Event(Inner::Own(Own {
            event,
            topic: PyOnceLock::new(),
            data: PyOnceLock::new(),
            json: PyOnceLock::new(),
            decoded: Mutex::default(),
        }))
    }

    /// The same event for a reader that missed some before it. All it has, it shares.
    pub(crate) fn after(event: Py<Event>, lost: u64) -> Self {
        Event(Inner::After { event, lost })
    }

    fn own(&self) -> &Own {
        match &self.0 {
            Inner::Own(own) => own,
            Inner::After { event, .. } => event.get().own(),
        }
    }

    pub(crate) fn event(&self) -> &engine::Event {
        &self.own().event
    }

    /// Whether it is the object of this event.
    pub(crate) fn is(&self, event: &engine::Event) -> bool {
        self.event().is_same(event)
    }
}

#[pymethods]
impl Event {
    #[getter]
    fn topic<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        let own = self.own();
        own.topic
            .get_or_init(py, || {
                PyString::new(py, own.event.topic().as_str()).unbind()
            })
            .bind(py)
            .clone()
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let own = self.own();
        own.data
            .get_or_init(py, || payload::object(py, own.event.payload()).unbind())
            .bind(py)
            .clone()
    }

    #[getter]
    fn text(&self, py: Python<'_>) -> PyResult<Py<PyString>> {
        match std::str::from_utf8(self.event().payload()) {
            Ok(text) => Ok(PyString::new(py, text).unbind()),
            Err(cause) => Err(error(
                Kind::Payload,
                format_args!("the payload is not text: {cause}; read `data`"),
            )),
        }
    }

    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let own = self.own();
        if let Some(value) = own.json.get(py) {
            return Ok(value.bind(py).clone());
        }
        static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let loads = LOADS.get_or_try_init(py, || {
            PyModule::import(py, "json")?
                .getattr("loads")
                .map(Bound::unbind)
        })?;
        let value = loads.bind(py).call1((self.data(py),)).map_err(|cause| {
            error(
                Kind::Payload,
                format_args!("the payload is not JSON: {cause}"),
            )
        })?;
        let value = own.json.get_or_init(py, || value.unbind());
        Ok(value.bind(py).clone())
    }

    /// What this decoder made of it for another reader, or `missing`.
    fn _decoded(&self, py: Python<'_>, decoder: u64, missing: Py<PyAny>) -> Py<PyAny> {
        let decoded = self.own().decoded.lock();
        let found = decoded.iter().find(|it| it.decoder == decoder);
        found.map_or(missing, |it| it.value.clone_ref(py))
    }

    /// Keeps what a decoder made of it, for other readers. What they get: the first.
    fn _keep(&self, py: Python<'_>, decoder: u64, value: Py<PyAny>) -> Py<PyAny> {
        let mut decoded = self.own().decoded.lock();
        if let Some(first) = decoded.iter().find(|it| it.decoder == decoder) {
            return first.value.clone_ref(py);
        }
        let kept = value.clone_ref(py);
        decoded.push(Decoded {
            decoder,
            value: kept,
        });
        value
    }

    #[getter]
    fn key(&self) -> Option<&str> {
        self.event().key()
    }

    #[getter]
    fn attributes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let attributes = PyDict::new(py);
        for (name, value) in self.event().attributes().iter() {
            let value = scalar(py, value)?;
            match attributes.get_item(name)? {
                None => attributes.set_item(name, value)?,
                Some(before) => match before.cast_into::<PyList>() {
                    Ok(list) => list.append(value)?,
                    Err(single) => {
                        attributes
                            .set_item(name, PyList::new(py, [single.into_inner(), value])?)?;
                    }
                },
            }
        }
        Ok(attributes)
    }

    #[getter]
    fn position(&self) -> String {
        self.event().position().to_string()
    }

    #[getter]
    fn published_at(&self) -> f64 {
        let since = self
            .event()
            .published_at()
            .duration_since(std::time::UNIX_EPOCH);
        since.map_or(0.0, |since| since.as_secs_f64())
    }

    #[getter]
    fn lost(&self) -> u64 {
        match self.0 {
            Inner::Own(_) => 0,
            Inner::After { lost, .. } => lost,
        }
    }

    fn __len__(&self) -> usize {
        self.event().payload().len()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Event {:?} at {}, {} bytes>",
            self.event().topic().as_str(),
            self.event().position(),
            self.event().payload().len()
        )
    }
}

fn scalar<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Number(value) => number(py, value),
        Value::String(value) => value.into_bound_py_any(py),
    }
}

fn number<'py>(py: Python<'py>, value: &Number) -> PyResult<Bound<'py, PyAny>> {
    match (value.as_i64(), value.as_u64()) {
        (Some(value), _) => value.into_bound_py_any(py),
        (_, Some(value)) => value.into_bound_py_any(py),
        _ => value.to_f64().into_bound_py_any(py),
    }
}
