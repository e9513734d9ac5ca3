//! What Python answers to those who want to come in.

use distributary::{
    Pattern,
    gateway::{Accept, Format, OnLag, Reject},
};
use http::{HeaderName, HeaderValue};
use pyo3::prelude::*;

use super::{session::Session, settings::seconds, wanted::Wanted};
use crate::errors::{Kind, error};

/// A client is let in: what it sees, and in which form.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Grant {
    /// What it is subscribed to.
    subscriptions: Vec<Wanted>,
    /// What it may subscribe to by itself: Redis globs.
    allow: Vec<String>,
    /// The WebSocket subprotocol of the answer.
    protocol: Option<String>,
    /// Payloads always as binary messages.
    binary: bool,
    /// A plain WebSocket that missed events goes on.
    goes_on: bool,
    headers: Vec<(String, String)>,
    /// For how many seconds it may come back without being asked about.
    ticket: Option<f64>,
}

impl Grant {
    pub(super) fn accept(&self, session: Session) -> PyResult<Accept<Session>> {
        let mut accept = Accept::new(session);
        for wanted in &self.subscriptions {
            accept = accept.subscribe_with(wanted.selector()?, wanted.options()?);
        }
        for allowed in &self.allow {
            let pattern = Pattern::new(allowed);
            accept = accept.allow(pattern.map_err(|cause| error(Kind::Pattern, cause))?);
        }
        if let Some(protocol) = &self.protocol {
            let name = HeaderValue::try_from(protocol);
            accept = accept.protocol(name.map_err(|_| no_protocol(protocol))?);
        }
        if self.binary {
            accept = accept.format(Format::Binary);
        }
        if self.goes_on {
            accept = accept.on_lag(OnLag::Continue);
        }
        for (name, value) in &self.headers {
            let (name, value) = header(name, value)?;
            accept = accept.header(name, value);
        }
        if let Some(ticket) = self.ticket {
            accept = accept.ticket(seconds(ticket));
        }
        Ok(accept)
    }
}

/// A client is turned away.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(super) struct Refusal {
    /// 300 to 599.
    status: u16,
    headers: Vec<(String, String)>,
    /// When to come back, in seconds.
    retry_after: Option<f64>,
    /// A text for people.
    body: Option<String>,
}

impl Refusal {
    pub(super) fn reject(&self) -> PyResult<Reject> {
        let bad = |cause| error(Kind::Option, cause);
        let mut reject = Reject::new(self.status).map_err(bad)?;
        for (name, value) in &self.headers {
            reject = reject.header(name, value).map_err(bad)?;
        }
        if let Some(wait) = self.retry_after {
            reject = reject.retry_after(seconds(wait));
        }
        if let Some(body) = &self.body {
            reject = reject.body(body);
        }
        Ok(reject)
    }
}

fn header(name: &str, value: &str) -> PyResult<(HeaderName, HeaderValue)> {
    let parsed = HeaderName::try_from(name)
        .ok()
        .zip(HeaderValue::try_from(value).ok());
    parsed.ok_or_else(|| {
        error(
            Kind::Option,
            format_args!(
                "{name:?} with this value is not a header: names are tokens, values visible ASCII"
            ),
        )
    })
}

fn no_protocol(name: &str) -> PyErr {
    error(
        Kind::Option,
        format_args!(
            "{name:?} is no name of a WebSocket subprotocol: give one that the client offered"
        ),
    )
}
