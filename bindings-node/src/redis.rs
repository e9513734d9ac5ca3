//! Settings of a Redis backplane as JavaScript states them: durations are milliseconds, and
//! what is not said is the engine's affair.

use std::time::Duration;

use distributary::redis::{Redis, RedisBuilder, RedisError, RedisErrorKind};
use napi_derive::napi;

use crate::error::{Code, Result, error};

/// What the queue is made with where only its other half is said.
const QUEUE_BYTES: usize = 16 << 20;
const DEADLINE: Duration = Duration::from_secs(10);

/// How the events of topics travel.
#[napi(object, object_to_js = false)]
pub struct NativeMode {
    /// A pattern.
    pub topics: String,
    /// `live`, `replay` or `durable`.
    pub mode: String,
}

/// Settings of a Redis backplane.
#[napi(object, object_to_js = false)]
pub struct NativeRedis {
    /// Of the server, the sentinels, or nodes of the cluster.
    pub urls: Vec<String>,
    /// What sentinels call the master.
    pub sentinel: Option<String>,
    /// Whether it is a cluster.
    pub cluster: bool,
    /// Whether topics are published in their slots alone.
    pub sharded: bool,
    /// The first that matches a topic counts.
    pub modes: Vec<NativeMode>,
    /// Patterns of live topics whose events are numbered.
    pub envelope: Vec<String>,
    /// Events that a topic's log keeps.
    pub log_length: Option<f64>,
    /// Bytes that may wait to be sent.
    pub queue_bytes: Option<f64>,
    /// How long they may.
    pub deadline: Option<f64>,
    /// How long a topic is listened to after its last subscription has gone.
    pub linger: Option<f64>,
    /// How many hubs there are.
    pub fleet: Option<u32>,
    /// What the server calls the connections.
    pub name: Option<String>,
    /// Certificates to trust, in PEM.
    pub root_certificates: Option<String>,
}

impl NativeRedis {
    pub(crate) fn build(&self) -> Result<Redis> {
        // What the engine cannot do yet is refused, and not passed over.
        let not_yet = [
            ("sentinel", self.sentinel.is_some()),
            ("cluster", self.cluster),
            ("modes", !self.modes.is_empty()),
            ("envelope", !self.envelope.is_empty()),
            ("logLength", self.log_length.is_some()),
        ];
        if let Some((name, _)) = not_yet.into_iter().find(|(_, given)| *given) {
            return Err(error(
                Code::BadOption,
                format_args!("new Hub(options): redis.{name} is not to be had in this version"),
            ));
        }
        self.builder()
            .and_then(RedisBuilder::build)
            .map_err(|cause| refused(&cause))
    }

    fn builder(&self) -> std::result::Result<RedisBuilder, RedisError> {
        let mut builder = Redis::at(self.urls.first().map_or("", String::as_str))?;
        if self.sharded {
            builder = builder.sharded();
        }
        if self.queue_bytes.is_some() || self.deadline.is_some() {
            let bytes = self.queue_bytes.map_or(QUEUE_BYTES, |bytes| bytes as usize);
            builder = builder.queue(bytes, self.deadline.map_or(DEADLINE, millis));
        }
        if let Some(linger) = self.linger {
            builder = builder.linger(millis(linger));
        }
        if let Some(hubs) = self.fleet {
            builder = builder.fleet(hubs);
        }
        if let Some(name) = &self.name {
            builder = builder.client_name(name);
        }
        if let Some(pem) = &self.root_certificates {
            builder = builder.root_certificates(pem.as_bytes());
        }
        Ok(builder)
    }
}

fn millis(given: f64) -> Duration {
    Duration::try_from_secs_f64(given / 1e3).unwrap_or(Duration::MAX)
}

/// Why there is no such backplane.
fn refused(cause: &RedisError) -> napi::Error<Code> {
    let code = match cause.kind() {
        RedisErrorKind::Pattern => Code::BadPattern,
        _ => Code::BadOption,
    };
    error(code, format_args!("new Hub(options): redis: {cause}"))
}
