//! The engine behind a Python object.

use std::time::Instant;

use distributary as engine;
use engine::{
    Attributes, Publication, Topic, Value, backplane::Forwarding, redis::migration::Moving,
};
use pyo3::{
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBytes, PyDict, PyMapping},
};

use crate::{
    errors::{Kind, closed, count_error, error, forward_kind, publish_error},
    fork::Native,
    migration::{CourseSettings, Migration},
    options::HubSettings,
    payload,
    ready::quietly,
    stats,
    values::{Refused, is_several, scalar, text, wrong_type},
    waiting::Wait,
};

/// What became of a published event.
#[pyclass(frozen, module = "distributary")]
pub(crate) struct Delivery(engine::Delivery);

#[pymethods]
impl Delivery {
    #[getter]
    fn subscriptions(&self) -> u64 {
        self.0.subscriptions
    }

    #[getter]
    fn feeds(&self) -> usize {
        self.0.feeds
    }

    #[getter]
    fn share(&self) -> f64 {
        self.0.share
    }

    #[getter]
    fn position(&self) -> Option<String> {
        self.0.position.map(|position| position.to_string())
    }

    #[getter]
    fn forwarding(&self) -> &'static str {
        match self.0.forwarding {
            Forwarding::None => "none",
            Forwarding::Queued => "queued",
            Forwarding::Refused(kind) => forward_kind(kind),
            _ => "unknown",
        }
    }

    fn __repr__(&self) -> String {
        format!(
            "<Delivery to {} subscriptions of {} feeds>",
            self.0.subscriptions, self.0.feeds
        )
    }
}

/// The engine in one process.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Hub {
    hub: Native<engine::Hub>,
    moving: Native<Option<Moving>>,
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
        let (hub, moving) = settings.build()?;
        Ok(Hub {
            hub: Native::new(hub),
            moving: Native::new(moving),
        })
    }

    /// Publishes bytes. `come` tells the lane of this thread, by its number, that there is
    /// something to do; called here, so that no signal comes in between.
    fn publish(
        &self,
        topic: &Bound<'_, PyAny>,
        data: &Bound<'_, PyBytes>,
        key: Option<&Bound<'_, PyAny>>,
        attributes: Option<&Bound<'_, PyAny>>,
        come: &Bound<'_, PyAny>,
    ) -> PyResult<Delivery> {
        let publication = publication(topic, data, key, attributes)?;
        let hub = self.hub()?;
        let (published, promise) = quietly(|| hub.publish_event(publication));
        let delivery = published.map_err(publish_error)?;
        if let Some(promise) = promise {
            come.call1((promise.lane(),))?;
        }
        Ok(Delivery(delivery))
    }

    /// The same, and what becomes of it on other machines.
    fn publish_acknowledged(
        &self,
        topic: &Bound<'_, PyAny>,
        data: &Bound<'_, PyBytes>,
        key: Option<&Bound<'_, PyAny>>,
        attributes: Option<&Bound<'_, PyAny>>,
        come: &Bound<'_, PyAny>,
    ) -> PyResult<(Delivery, Wait)> {
        let publication = publication(topic, data, key, attributes)?;
        let hub = self.hub()?;
        let (published, promise) = quietly(|| hub.publish_acknowledged(publication));
        let receipt = published.map_err(publish_error)?;
        if let Some(promise) = promise {
            come.call1((promise.lane(),))?;
        }
        Ok((Delivery(receipt.delivery()), Wait::receipt(receipt)))
    }

    /// Waits until other machines are heard.
    fn joined(&self) -> PyResult<Wait> {
        Ok(Wait::joined(self.hub()?.joined()))
    }

    /// How the backplane is, and whenever that changes, to be waited for again and again.
    fn health_changes(&self) -> PyResult<Wait> {
        Ok(Wait::changed(self.hub()?.health_changes()))
    }

    /// Takes part in the migration of a topic, at this stage.
    fn begin(&self, course: CourseSettings, stage: &str) -> PyResult<Migration> {
        let hub = self.hub()?;
        match self.moving.get() {
            Some(Some(moving)) if !hub.is_closed() => course.begin(moving, stage),
            _ => Err(closed("hub_closed")),
        }
    }

    /// How the backplane is.
    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::health(py, &self.hub()?.health())
    }

    /// Where a topic stands.
    fn position(&self, topic: &Bound<'_, PyAny>) -> PyResult<Option<String>> {
        let position = self.hub()?.position(&named(topic)?);
        Ok(position.map(|position| position.to_string()))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        stats::stats(py, &self.hub()?.stats())
    }

    fn prometheus(&self) -> PyResult<String> {
        Ok(self.hub()?.prometheus())
    }

    fn count_topic(&self, topic: &Bound<'_, PyAny>) -> PyResult<()> {
        let counted = self.hub()?.count_topic(&named(topic)?);
        counted.map_err(count_error)
    }

    fn uncount_topic(&self, topic: &Bound<'_, PyAny>) -> PyResult<()> {
        self.hub()?.uncount_topic(&named(topic)?);
        Ok(())
    }

    fn topic_stats<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let all = self.hub()?.topic_stats();
        all.iter().map(|one| stats::topic(py, one)).collect()
    }

    /// Ends it at once. What is given is settled once what waited for other machines has gone
    /// out; none, if nothing did.
    fn close(&self, py: Python<'_>) -> Option<Wait> {
        let hub = self.hub.get()?;
        let closing = py.detach(|| hub.close());
        (!closing.wait(Instant::now())).then(|| Wait::closing(closing))
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.hub.get().is_none_or(engine::Hub::is_closed)
    }
}

fn publication<'a>(
    topic: &'a Bound<'_, PyAny>,
    data: &Bound<'_, PyBytes>,
    key: Option<&Bound<'_, PyAny>>,
    attributes: Option<&Bound<'_, PyAny>>,
) -> PyResult<Publication<&'a str>> {
    let topic = text(topic, "topic", Kind::Topic)?;
    let mut publication = Publication::new(topic, payload::share(data));
    if let Some(key) = key {
        publication = publication.key(text(key, "key", Kind::Payload)?);
    }
    if let Some(given) = attributes {
        publication = publication.attributes(read_attributes(given)?);
    }
    Ok(publication)
}

fn named(topic: &Bound<'_, PyAny>) -> PyResult<Topic> {
    Topic::new(text(topic, "topic", Kind::Topic)?).map_err(|cause| error(Kind::Topic, cause))
}

fn read_attributes(given: &Bound<'_, PyAny>) -> PyResult<Attributes> {
    let mapping = given
        .cast::<PyMapping>()
        .map_err(|_| wrong_type("attributes", "a dict of names and scalars", given))?;
    let mut attributes = Attributes::new();
    for item in mapping.items()?.iter() {
        let (name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let name = text(&name, "attributes: a name", Kind::Payload)?;
        if is_several(&value) {
            for item in value.try_iter()? {
                attributes.push(name, attribute(name, &item?)?);
            }
        } else {
            attributes.push(name, attribute(name, &value)?);
        }
    }
    Ok(attributes)
}

fn attribute(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Value> {
    scalar(value).map_err(|refused| match refused {
        Refused::Value(found) => error(
            Kind::Payload,
            format_args!("attributes: the value of {name:?} is {found}"),
        ),
        Refused::Type(found) => PyTypeError::new_err(format!(
            "attributes: the value of {name:?} is {found}: give a str, an int, a float, a bool, None or a list of such"
        )),
    })
}
