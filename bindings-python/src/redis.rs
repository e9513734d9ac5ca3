//! Settings of a Redis backplane as Python states them: seconds are floats, `None` is "not
//! said", and the engine's defaults are its own affair.

use std::time::Duration;

use distributary::redis::{ModeError, Redis, RedisBuilder, RedisError};
use pyo3::prelude::*;

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
    deadline: Option<f64>,
    linger: Option<f64>,
    fleet: Option<u32>,
    name: Option<String>,
    root_certificates: Option<Vec<u8>>,
}

impl RedisSettings {
    pub(crate) fn build(&self) -> PyResult<Redis> {
        let built = self.builder()?.build();
        built.map_err(|cause| refused(&cause))
    }

    fn builder(&self) -> PyResult<RedisBuilder> {
        let begun = match &self.sentinel {
            Some(master) => Redis::sentinel(&self.urls, master),
            None if self.cluster => Redis::cluster(&self.urls),
            None => Redis::at(self.urls.first().map_or("", String::as_str)),
        };
        let mut builder = begun.map_err(|cause| refused(&cause))?;
        if let Some((user, password)) = &self.sentinel_credentials {
            builder = builder.sentinel_credentials(user, password);
        }
        for (topics, mode) in &self.modes {
            let ruled = mode.parse().and_then(|mode| builder.mode(topics, mode));
            builder = ruled.map_err(|cause| misruled(&cause))?;
        }
        for topics in &self.envelope {
            let ruled = builder.envelope(topics);
            builder = ruled.map_err(|cause| misruled(&cause))?;
        }
        if self.sharded {
            builder = builder.sharded();
        }
        if let Some(events) = self.log_length {
            builder = builder.log_length(events);
        }
        if let Some(bytes) = self.queue_bytes {
            builder = builder.queue_bytes(bytes);
        }
        if let Some(deadline) = self.deadline {
            builder = builder.queue_deadline(seconds(deadline));
        }
        if let Some(wait) = self.replica_wait {
            builder = builder.replica_wait(seconds(wait));
        }
        if let Some(linger) = self.linger {
            builder = builder.linger(seconds(linger));
        }
        if let Some(hubs) = self.fleet {
            builder = builder.fleet(hubs);
        }
        if let Some(name) = &self.name {
            builder = builder.client_name(name);
        }
        if let Some(pem) = &self.root_certificates {
            builder = builder.root_certificates(pem.as_slice());
        }
        Ok(builder)
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
fn refused(cause: &RedisError) -> PyErr {
    error(Kind::Option, format_args!("redis: {cause}"))
}

/// Why a rule cannot be.
fn misruled(cause: &ModeError) -> PyErr {
    let kind = match cause {
        ModeError::Pattern(_) => Kind::Pattern,
        _ => Kind::Option,
    };
    error(kind, format_args!("redis: {cause}"))
}
