//! The engine behind a Python object.

use distributary as engine;
use engine::{Attributes, Number, Publication, Topic, Value};
use pyo3::{
    prelude::*,
    types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};

use crate::{
    errors::{Kind, closed, error, publish_error},
    fork::Native,
    lane::quietly,
    options::HubSettings,
    payload, stats,
};

/// What became of a published event.
#[pyclass(frozen, module = "distributary")]
pub(crate) struct Delivery {
    delivery: engine::Delivery,
    rung: u32,
}

#[pymethods]
impl Delivery {
    #[getter]
    fn subscriptions(&self) -> u64 {
        self.delivery.subscriptions
    }

    #[getter]
    fn feeds(&self) -> usize {
        self.delivery.feeds
    }

    #[getter]
    fn share(&self) -> f64 {
        self.delivery.share
    }

    #[getter]
    fn position(&self) -> Option<String> {
        self.delivery.position.map(|position| position.to_string())
    }

    /// The lane of this thread that has to be told, or 0.
    #[getter]
    fn _rung(&self) -> u32 {
        self.rung
    }

    fn __repr__(&self) -> String {
        format!(
            "<Delivery to {} subscriptions of {} feeds>",
            self.delivery.subscriptions, self.delivery.feeds
        )
    }
}

/// The engine in one process.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Hub {
    hub: Native<engine::Hub>,
}

impl Hub {
    pub(crate) fn hub(&self) -> PyResult<&engine::Hub> {
        self.hub.get().ok_or_else(|| closed("forked"))
    }
}

#[pymethods]
impl Hub {
    #[new]
    fn new(settings: HubSettings) -> PyResult<Self> {
        let hub = Native::new(settings.build()?);
        Ok(Hub { hub })
    }

    /// Publishes bytes.
    fn publish(
        &self,
        topic: &str,
        data: &Bound<'_, PyBytes>,
        key: Option<&str>,
        attributes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Delivery> {
        let mut publication = Publication::new(topic, payload::share(data));
        if let Some(key) = key {
            publication = publication.key(key);
        }
        if let Some(given) = attributes {
            publication = publication.attributes(read_attributes(given)?);
        }
        let hub = self.hub()?;
        let (published, rung) = quietly(|| hub.publish_event(publication));
        let delivery = published.map_err(publish_error)?;
        Ok(Delivery { delivery, rung })
    }

    /// Where a topic stands.
    fn position(&self, topic: &str) -> PyResult<Option<String>> {
        let position = self.hub()?.position(&named(topic)?);
        Ok(position.map(|position| position.to_string()))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::stats(py, &self.hub()?.stats())
    }

    fn prometheus(&self) -> PyResult<String> {
        Ok(self.hub()?.stats().prometheus().to_string())
    }

    fn count_topic(&self, topic: &str) -> PyResult<()> {
        let counted = self.hub()?.count_topic(&named(topic)?);
        counted.map_err(|cause| error(Kind::Option, cause))
    }

    fn uncount_topic(&self, topic: &str) -> PyResult<()> {
        self.hub()?.uncount_topic(&named(topic)?);
        Ok(())
    }

    fn topic_stats<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let all = self.hub()?.topic_stats();
        all.iter().map(|one| stats::topic(py, one)).collect()
    }

    fn close(&self) {
        if let Some(hub) = self.hub.get() {
            hub.close();
        }
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.hub.get().is_none_or(engine::Hub::is_closed)
    }
}

fn named(topic: &str) -> PyResult<Topic> {
    Topic::new(topic).map_err(|cause| error(Kind::Topic, cause))
}

fn read_attributes(given: &Bound<'_, PyDict>) -> PyResult<Attributes> {
    let mut attributes = Attributes::new();
    for (name, value) in given {
        let name: &Bound<'_, PyString> = name
            .cast()
            .map_err(|_| error(Kind::Payload, "names of attributes are strings"))?;
        let name = name.to_str()?;
        if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            for item in value.try_iter()? {
                attributes.push(name, scalar(name, &item?)?);
            }
        } else {
            attributes.push(name, scalar(name, &value)?);
        }
    }
    Ok(attributes)
}

fn scalar(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let what = if value.is_none() {
        return Ok(Value::Null);
    } else if let Ok(value) = value.cast::<PyBool>() {
        return Ok(value.is_true().into());
    } else if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.into());
    } else if value.is_instance_of::<PyInt>() {
        if let Ok(number) = value.extract::<i64>() {
            return Ok(number.into());
        }
        if let Ok(number) = value.extract::<u64>() {
            return Ok(number.into());
        }
        "is an integer that 64 bits do not hold"
    } else if let Ok(number) = value.cast::<PyFloat>() {
        match Number::from_f64(number.value()) {
            Some(number) => return Ok(Value::Number(number)),
            None => "is no number in JSON",
        }
    } else {
        "is neither a string nor a number nor a bool nor None"
    };
    Err(error(
        Kind::Payload,
        format_args!("attributes: the value of {name:?} {what}"),
    ))
}
