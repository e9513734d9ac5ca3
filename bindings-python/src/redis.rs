//! Settings of a Redis backplane as Python states them: seconds are floats, `None` is "not
//! said", and the engine's defaults are its own affair.

use std::time::Duration;

use distributary::redis::{Redis, RedisError, RedisErrorKind, RedisOptions};
use pyo3::{exceptions::PyRuntimeError, prelude::*};

use crate::errors::{Kind, error};

/// Settings of a Redis backplane.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct RedisSettings {
    urls: Vec<String>,
    sentinel: Option<String>,
    sentinel_credentials: Option<(String, String)>,
    cluster: bool,
    sharded: bool,
    modes: Vec<(String, String)>,
    envelope: Vec<String>,
    log_length: Option<u64>,
    replica_wait: Option<f64>,
    queue_bytes: Option<usize>,
    queue_deadline: Option<f64>,
    linger: Option<f64>,
    fleet: Option<u32>,
    client_name: Option<String>,
    root_certificates: Option<Vec<u8>>,
}

impl RedisSettings {
    pub(crate) fn build(&self) -> PyResult<Redis> {
        self.options().build().map_err(|cause| refused(&cause))
    }

    pub(crate) fn options(&self) -> RedisOptions {
        RedisOptions {
            urls: self.urls.clone(),
            sentinel: self.sentinel.clone(),
            sentinel_credentials: self.sentinel_credentials.clone(),
            cluster: self.cluster,
            sharded: self.sharded,
            modes: self.modes.clone(),
            envelope: self.envelope.clone(),
            log_length: self.log_length,
            replica_wait: self.replica_wait.map(seconds),
            queue_bytes: self.queue_bytes,
            queue_deadline: self.queue_deadline.map(seconds),
            linger: self.linger.map(seconds),
            fleet: self.fleet,
            client_name: self.client_name.clone(),
            root_certificates: self.root_certificates.clone(),
        }
    }
}

/// Raises what a hub with these settings would.
#[pyfunction]
pub(crate) fn check_redis(settings: RedisSettings) -> PyResult<()> {
    settings.build().map(drop)
}

pub(crate) fn seconds(given: f64) -> Duration {
    Duration::try_from_secs_f64(given).unwrap_or(Duration::MAX)
}

/// Why there is no such backplane.
pub(crate) fn refused(cause: &RedisError) -> PyErr {
    let kind = match cause.kind() {
        RedisErrorKind::Pattern => Kind::Pattern,
        // As of a thread of Python's own that cannot be started.
        RedisErrorKind::Thread => return PyRuntimeError::new_err(cause.to_string()),
        _ => Kind::Option,
    };
    error(kind, format_args!("redis: {cause}"))
}
