//! Settings of a Redis backplane as JavaScript states them: durations are milliseconds, and
//! what is not said is the engine's affair.

use std::time::Duration;

use distributary::redis::{Redis, RedisError, RedisErrorKind, RedisOptions};
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
    pub queue_deadline: Option<f64>,
    /// How long a topic is listened to after its last subscription has gone.
    pub linger: Option<f64>,
    /// How many hubs there are.
    pub fleet: Option<u32>,
    /// What the server calls the connections.
    pub client_name: Option<String>,
    /// Certificates to trust, in PEM.
    pub root_certificates: Option<String>,
}

impl NativeRedis {
    /// `what`: the call and the option, for what is wrong with it.
    pub(crate) fn build(&self, what: &str) -> Result<Redis> {
        let redis = self.options().build();
        redis.map_err(|cause| refused(what, &cause))
    }

    pub(crate) fn options(&self) -> RedisOptions {
        let credentials = self
            .sentinel_user
            .clone()
            .zip(self.sentinel_password.clone());
        let modes = self.modes.iter();
        RedisOptions {
            urls: self.urls.clone(),
            sentinel: self.sentinel.clone(),
            sentinel_credentials: credentials,
            cluster: self.cluster,
            sharded: self.sharded,
            modes: modes
                .map(|rule| (rule.topics.clone(), rule.mode.clone()))
                .collect(),
            envelope: self.envelope.clone(),
            log_length: self.log_length.map(|events| events as u64),
            replica_wait: self.replica_wait.map(millis),
            queue_bytes: self.queue_bytes.map(|bytes| bytes as usize),
            queue_deadline: self.queue_deadline.map(millis),
            linger: self.linger.map(millis),
            fleet: self.fleet,
            client_name: self.client_name.clone(),
            root_certificates: self.root_certificates.clone().map(String::into_bytes),
        }
    }
}

pub(crate) fn millis(given: f64) -> Duration {
    Duration::try_from_secs_f64(given / 1e3).unwrap_or(Duration::MAX)
}

/// Why there is no such backplane.
pub(crate) fn refused(what: &str, cause: &RedisError) -> napi::Error<Code> {
    let code = match cause.kind() {
        RedisErrorKind::Pattern => Code::BadPattern,
        RedisErrorKind::Thread => Code::System,
        _ => Code::BadOption,
    };
    let mut text = cause.to_string();
    if let Some(option) = cause.option() {
        text = text.replace(option, &in_javascript(option));
    }
    error(code, format_args!("{what}: {text}"))
}

/// The name of an option: `queue_bytes` is `queueBytes`.
fn in_javascript(option: &str) -> String {
    let mut name = String::new();
    let mut begins = false;
    for letter in option.chars() {
        match (letter, begins) {
            ('_', _) => begins = true,
            (letter, true) => {
                name.push(letter.to_ascii_uppercase());
                begins = false;
            }
            (letter, false) => name.push(letter),
        }
    }
    name
}
