//! What JavaScript answers to those who want to come in.

use distributary::{
    Pattern,
    gateway::{Accept, Format, OnLag, Reject},
};
use http::{HeaderName, HeaderValue};
use napi_derive::napi;

use super::{
    session::Session,
    wanted::{NativeWanted, millis},
};
use crate::error::{Code, Result, error};

/// A client is let in: what it sees, and in which form.
#[napi(object, object_to_js = false)]
pub struct NativeGrant<'a> {
    /// What it is subscribed to.
    pub subscriptions: Vec<NativeWanted<'a>>,
    /// What it may subscribe to by itself: Redis globs.
    pub allow: Vec<String>,
    /// The WebSocket subprotocol of the answer.
    pub protocol: Option<String>,
    /// Payloads always as binary messages.
    pub binary: bool,
    /// A plain WebSocket that missed events goes on.
    pub goes_on: bool,
    /// Headers of the answer: name and value in turn.
    pub headers: Vec<String>,
    /// For how many milliseconds it may come back without being asked about.
    pub ticket: Option<f64>,
}

impl NativeGrant<'_> {
    pub(super) fn accept(&self, session: Session) -> Result<Accept<Session>> {
        let mut accept = Accept::new(session);
        for wanted in &self.subscriptions {
            accept = accept.subscribe_with(wanted.selector()?, wanted.options()?);
        }
        for allowed in &self.allow {
            let pattern = Pattern::new(allowed);
            accept = accept.allow(pattern.map_err(|cause| error(Code::BadPattern, cause))?);
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
        for pair in self.headers.chunks_exact(2) {
            let (name, value) = header(&pair[0], &pair[1])?;
            accept = accept.header(name, value);
        }
        if let Some(ticket) = self.ticket {
            accept = accept.ticket(millis(ticket));
        }
        Ok(accept)
    }
}

/// A client is turned away.
#[napi(object, object_to_js = false)]
pub struct NativeRefusal {
    /// 300 to 599.
    pub status: u32,
    /// Headers of the answer: name and value in turn.
    pub headers: Vec<String>,
    /// When to come back, in milliseconds.
    pub retry_after: Option<f64>,
    /// A text for people.
    pub body: Option<String>,
}

impl NativeRefusal {
    pub(super) fn reject(&self) -> Result<Reject> {
        let status = u16::try_from(self.status).unwrap_or(u16::MAX);
        let bad = |cause| error(Code::BadOption, cause);
        let mut reject = Reject::new(status).map_err(bad)?;
        for pair in self.headers.chunks_exact(2) {
            reject = reject.header(&pair[0], &pair[1]).map_err(bad)?;
        }
        if let Some(wait) = self.retry_after {
            reject = reject.retry_after(millis(wait));
        }
        if let Some(body) = &self.body {
            reject = reject.body(body);
        }
        Ok(reject)
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let parsed = HeaderName::try_from(name)
        .ok()
        .zip(HeaderValue::try_from(value).ok());
    parsed.ok_or_else(|| {
        let reason = format!(
            "{name:?} with this value is not a header: names are tokens, values visible ASCII"
        );
        error(Code::BadOption, reason)
    })
}

fn no_protocol(name: &str) -> napi::Error<Code> {
    error(
        Code::BadOption,
        format!("{name:?} is no name of a WebSocket subprotocol: give one that the client offered"),
    )
}
