//! The environment, read once.

use std::{fs, time::Duration};

use distributary::{
    Hub,
    redis::{Mode, Redis, RedisBuilder, migration::Moving},
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Failure;

/// What the environment asks for.
pub(crate) struct Settings {
    target: Target,
    mode: Speech,
    options: Options,
    /// Whether own publishes are printed.
    pub(crate) echo: bool,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Target {
    Single {
        url: Address,
    },
    Sentinel {
        sentinels: Vec<Address>,
        name: String,
    },
    Cluster {
        nodes: Vec<Address>,
    },
}

/// A URL, `host:port`, or the two apart.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a URL, \"host:port\" or [\"host\", port]")]
enum Address {
    Text(String),
    Pair(String, u16),
}

/// `FAULT_MODE`.
#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Speech {
    #[default]
    Classic,
    Sharded,
    Replay,
    Durable,
}

/// `FAULT_OPTS`: options of [`Redis`] by their names, and of this program.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Options {
    /// Live, with an envelope: the channels that these patterns match, or all.
    envelope: Names,
    /// Replayed: the same.
    replay: Names,
    /// Acknowledged once a replica has it: the same.
    durable: Names,
    /// Sharded pub/sub, in a cluster.
    sharded: bool,
    /// Hubs in the fleet, where they shall not be counted.
    fleet: Option<u32>,
    /// Bytes that may wait to be sent.
    queue_bytes: Option<usize>,
    /// How long they may wait.
    deadline_ms: Option<u64>,
    /// How long a channel is still heard after its last listener left.
    linger_ms: Option<u64>,
    /// Entries that a log keeps.
    log_length: Option<u64>,
    /// What the connections are called at the server.
    client_name: Option<String>,
    /// A file of certificates to trust, in PEM.
    root_certificates: Option<String>,
    /// Messages that may wait for a listener of this process.
    capacity: Option<usize>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// None, all, or those of patterns.
#[derive(Deserialize, Default)]
#[serde(untagged, expecting = "a pattern, a list of them, or true for all")]
enum Names {
    #[default]
    None,
    All(bool),
    One(String),
    Some(Vec<String>),
}

impl Names {
    fn patterns(&self) -> Vec<&str> {
        match self {
            Names::None | Names::All(false) => Vec::new(),
            Names::All(true) => vec!["*"],
            Names::One(pattern) => vec![pattern],
            Names::Some(patterns) => patterns.iter().map(String::as_str).collect(),
        }
    }
}

/// Room for a listener: minutes of a flood, so that what is lost is not lost here.
const CAPACITY: usize = 1 << 22;
/// The most that this process holds. A listener that stands still for longer loses the oldest,
/// and is told how many.
const BYTES: u64 = 512 << 20;
/// What the queue is given when nothing is said.
const DEADLINE: Duration = Duration::from_secs(10);

impl Settings {
    /// Reads `FAULT_*`.
    pub(crate) fn from_environment(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let target = variable("FAULT_TARGET").ok_or(
            r#"FAULT_TARGET is not set: {"kind":"single","url":"redis://127.0.0.1:6379"}"#,
        )?;
        let target = serde_json::from_str(&target).map_err(in_words("FAULT_TARGET"))?;
        let mode = match variable("FAULT_MODE") {
            None => Speech::Classic,
            Some(word) => {
                serde_json::from_value(Value::String(word)).map_err(in_words("FAULT_MODE"))?
            }
        };
        let options: Options = match variable("FAULT_OPTS").filter(|text| !text.trim().is_empty()) {
            None => Options::default(),
            Some(text) => serde_json::from_str(&text).map_err(in_words("FAULT_OPTS"))?,
        };
        for name in options.unknown.keys() {
            eprintln!("FAULT_OPTS: {name:?} is not an option here, and has no effect");
        }
        let echo = variable("FAULT_ECHO").is_none_or(|word| word != "0" && word != "false");
        Ok(Settings {
            target,
            mode,
            options,
            echo,
        })
    }

    /// The hub that all of this makes.
    pub(crate) fn hub(&self) -> Result<(Hub, Moving), Failure> {
        let moving = Moving::on(self.backplane()?);
        let hub = Hub::builder()
            .bytes(BYTES)
            .backplane(moving.clone())
            .build()?;
        Ok((hub, moving))
    }

    /// Messages that may wait for a listener.
    pub(crate) fn capacity(&self) -> usize {
        self.options.capacity.unwrap_or(CAPACITY)
    }

    /// How long an event may wait to be sent.
    pub(crate) fn deadline(&self) -> Duration {
        let given = self.options.deadline_ms.map(Duration::from_millis);
        given.unwrap_or(DEADLINE)
    }

    fn backplane(&self) -> Result<Redis, Failure> {
        let options = &self.options;
        let urls = |addresses: &[Address]| addresses.iter().map(Address::url).collect::<Vec<_>>();
        let mut redis = match &self.target {
            Target::Single { url } => Redis::at(url.url())?,
            Target::Sentinel { sentinels, name } => Redis::sentinel(urls(sentinels), name)?,
            Target::Cluster { nodes } => Redis::cluster(urls(nodes))?,
        };
        if options.sharded || self.mode == Speech::Sharded {
            match self.target {
                Target::Cluster { .. } => redis = redis.sharded(),
                // One server has one shard.
                _ => eprintln!("sharded: no cluster, so channels are classic ones"),
            }
        }
        redis = self.modes(redis)?;
        redis = redis.queue_deadline(self.deadline());
        if let Some(bytes) = options.queue_bytes {
            redis = redis.queue_bytes(bytes);
        }
        if let Some(hubs) = options.fleet {
            redis = redis.fleet(hubs);
        }
        if let Some(linger) = options.linger_ms {
            redis = redis.linger(Duration::from_millis(linger));
        }
        if let Some(length) = options.log_length {
            redis = redis.log_length(length);
        }
        if let Some(name) = &options.client_name {
            redis = redis.client_name(name);
        }
        if let Some(path) = &options.root_certificates {
            let pem = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
            redis = redis.root_certificates(pem);
        }
        Ok(redis.build()?)
    }

    /// The options' rules come first, and `FAULT_MODE` decides for the rest.
    fn modes(&self, mut redis: RedisBuilder) -> Result<RedisBuilder, Failure> {
        let Options {
            envelope,
            replay,
            durable,
            ..
        } = &self.options;
        for pattern in envelope.patterns() {
            redis = redis.envelope(pattern)?;
        }
        for pattern in replay.patterns() {
            redis = redis.mode(pattern, Mode::Replay)?;
        }
        for pattern in durable.patterns() {
            redis = redis.mode(pattern, Mode::Durable)?;
        }
        let all = [envelope, replay, durable].map(Names::patterns);
        let decided = all.iter().flatten().any(|pattern| *pattern == "*");
        let rest = match self.mode {
            Speech::Replay => Mode::Replay,
            Speech::Durable => Mode::Durable,
            Speech::Classic | Speech::Sharded => return Ok(redis),
        };
        Ok(if decided {
            redis
        } else {
            redis.mode("*", rest)?
        })
    }
}

impl Address {
    fn url(&self) -> String {
        match self {
            Address::Text(text) if text.contains("://") => text.clone(),
            Address::Text(text) => format!("redis://{text}"),
            Address::Pair(host, port) => format!("redis://{host}:{port}"),
        }
    }
}

fn in_words(variable: &'static str) -> impl Fn(serde_json::Error) -> Failure {
    move |error| format!("{variable}: {error}").into()
}
