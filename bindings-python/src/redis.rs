//! Settings of a Redis backplane as Python states them: seconds are floats, `None` is "not
//! said", and the engine's defaults are its own affair.

use std::time::Duration;

use distributary::redis::{Redis, RedisBuilder, RedisError, RedisErrorKind};
use pyo3::prelude::*;

use crate::errors::{Kind, error};

/// What the queue is made with where only its other half is said.
const QUEUE_BYTES: usize = 16 << 20;
const DEADLINE: Duration = Duration::from_secs(10);

/// Settings of a Redis backplane.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct RedisSettings {
    urls: Vec<String>,
    sentinel: Option<String>,
    cluster: bool,
    sharded: bool,
    modes: Vec<(String, String)>,
    envelope: Vec<String>,
    log_length: Option<u64>,
    queue_bytes: Option<usize>,
    deadline: Option<f64>,
    linger: Option<f64>,
    fleet: Option<u32>,
    name: Option<String>,
    root_certificates: Option<Vec<u8>>,
}

impl RedisSettings {
    pub(crate) fn build(&self) -> PyResult<Redis> {
        // What the engine cannot do yet is refused, and not passed over.
        let not_yet = [
            ("sentinel", self.sentinel.is_some()),
            ("cluster", self.cluster),
            ("modes", !self.modes.is_empty()),
            ("envelope", !self.envelope.is_empty()),
            ("log_length", self.log_length.is_some()),
        ];
        if let Some((name, _)) = not_yet.into_iter().find(|(_, given)| *given) {
            return Err(error(
                Kind::Option,
                format_args!("redis: {name} is not to be had in this version"),
            ));
        }
        self.builder()
            .and_then(RedisBuilder::build)
            .map_err(|cause| refused(&cause))
    }

    fn builder(&self) -> Result<RedisBuilder, RedisError> {
        let mut builder = Redis::at(self.urls.first().map_or("", String::as_str))?;
        if self.sharded {
            builder = builder.sharded();
        }
        if self.queue_bytes.is_some() || self.deadline.is_some() {
            let deadline = self.deadline.map_or(DEADLINE, seconds);
            builder = builder.queue(self.queue_bytes.unwrap_or(QUEUE_BYTES), deadline);
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

fn seconds(given: f64) -> Duration {
    Duration::try_from_secs_f64(given).unwrap_or(Duration::MAX)
}

/// Why there is no such backplane.
fn refused(cause: &RedisError) -> PyErr {
    let kind = match cause.kind() {
        RedisErrorKind::Pattern => Kind::Pattern,
        _ => Kind::Option,
    };
    error(kind, format_args!("redis: {cause}"))
}
