//! Settings of a Redis backplane as JavaScript states them: durations are milliseconds, and
//! what is not said is the engine's affair.

use std::time::Duration;

use distributary::redis::{ModeError, Redis, RedisBuilder, RedisError};
use napi_derive::napi;

use crate::error::{Code, Result, error};

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
    /// As whom sentinels are asked, if not as the servers are.
    pub sentinel_user: Option<String>,
    /// And with which password.
    pub sentinel_password: Option<String>,
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
    /// How long a durable event may wait for a replica.
    pub replica_wait: Option<f64>,
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
    /// `what`: the call and the option, for what is wrong with it.
    pub(crate) fn build(&self, what: &str) -> Result<Redis> {
        let built = self.builder(what)?.build();
        built.map_err(|cause| refused(what, &cause))
    }

    fn builder(&self, what: &str) -> Result<RedisBuilder> {
        let begun = match &self.sentinel {
            Some(master) => Redis::sentinel(&self.urls, master),
            None if self.cluster => Redis::cluster(&self.urls),
            None => Redis::at(self.urls.first().map_or("", String::as_str)),
        };
        let mut builder = begun.map_err(|cause| refused(what, &cause))?;
        if let Some((user, password)) = self
            .sentinel_user
            .as_ref()
            .zip(self.sentinel_password.as_ref())
        {
            builder = builder.sentinel_credentials(user, password);
        }
        for NativeMode { topics, mode } in &self.modes {
            let ruled = mode.parse().and_then(|mode| builder.mode(topics, mode));
            builder = ruled.map_err(|cause| misruled(what, &cause))?;
        }
        for topics in &self.envelope {
            let ruled = builder.envelope(topics);
            builder = ruled.map_err(|cause| misruled(what, &cause))?;
        }
        if self.sharded {
            builder = builder.sharded();
        }
        if let Some(events) = self.log_length {
            builder = builder.log_length(events as u64);
        }
        if let Some(bytes) = self.queue_bytes {
            builder = builder.queue_bytes(bytes as usize);
        }
        if let Some(deadline) = self.deadline {
            builder = builder.queue_deadline(millis(deadline));
        }
        if let Some(wait) = self.replica_wait {
            builder = builder.replica_wait(millis(wait));
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

pub(crate) fn millis(given: f64) -> Duration {
    Duration::try_from_secs_f64(given / 1e3).unwrap_or(Duration::MAX)
}

/// Why there is no such backplane.
fn refused(what: &str, cause: &RedisError) -> napi::Error<Code> {
    error(Code::BadOption, format_args!("{what}: {cause}"))
}

/// Why a rule cannot be.
fn misruled(what: &str, cause: &ModeError) -> napi::Error<Code> {
    let code = match cause {
        ModeError::Pattern(_) => Code::BadPattern,
        _ => Code::BadOption,
    };
    error(code, format_args!("{what}: {cause}"))
}
