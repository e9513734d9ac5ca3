//! Options as data: for whoever reads them from a file, the environment or another
//! language, and would otherwise call [`RedisBuilder`] option by option.
//!
//! What is not said (`None`, or empty) is the builder's affair: no default stands here a
//! second time. Whatever cannot be is an error of [`RedisOptions::build`], also what the
//! builder's types rule out: two kinds of servers at once, or several single ones.
//!
//! What a migration is asked for stands beside its types: `migration/course.rs`.

use std::{fmt, time::Duration};

use super::{
    builder::RedisBuilder,
    error::{RedisError, RedisErrorKind},
    modes::ModeError,
    plane::Redis,
    watch::Demands,
};

/// How a [`Redis`] backplane shall be, as data.
///
/// ```
/// use distributary::redis::RedisOptions;
///
/// let redis = RedisOptions {
///     urls: vec!["redis://127.0.0.1:6379".into()],
///     modes: vec![("orders.*".into(), "replay".into())],
///     ..RedisOptions::default()
/// };
/// assert!(redis.build().is_ok());
/// assert!(RedisOptions::default().build().is_err()); // names no server
/// ```
#[derive(Clone, Default)]
pub struct RedisOptions {
    /// Of the server, the sentinels, or nodes of the cluster.
    pub urls: Vec<String>,
    /// What sentinels call the master: the URLs are theirs then.
    pub sentinel: Option<String>,
    /// As [`RedisBuilder::sentinel_credentials`]: a user and a password.
    pub sentinel_credentials: Option<(String, String)>,
    /// Whether the URLs are of a cluster.
    pub cluster: bool,
    /// As [`RedisBuilder::sharded`].
    pub sharded: bool,
    /// As [`RedisBuilder::mode`], in this order: a pattern, and `live`, `replay` or
    /// `durable`.
    pub modes: Vec<(String, String)>,
    /// As [`RedisBuilder::envelope`], after the modes.
    pub envelope: Vec<String>,
    /// As [`RedisBuilder::log_length`].
    pub log_length: Option<u64>,
    /// As [`RedisBuilder::replica_wait`].
    pub replica_wait: Option<Duration>,
    /// As [`RedisBuilder::queue_bytes`].
    pub queue_bytes: Option<usize>,
    /// As [`RedisBuilder::queue_deadline`].
    pub queue_deadline: Option<Duration>,
    /// As [`RedisBuilder::linger`].
    pub linger: Option<Duration>,
    /// As [`RedisBuilder::fleet`].
    pub fleet: Option<u32>,
    /// As [`RedisBuilder::client_name`].
    pub client_name: Option<String>,
    /// As [`RedisBuilder::root_certificates`].
    pub root_certificates: Option<Vec<u8>>,
}

impl RedisOptions {
    /// Checks it all, as [`RedisBuilder::build`] does.
    ///
    /// # Errors
    /// [`RedisError`] says which option cannot be and what it can be.
    pub fn build(self) -> Result<Redis, RedisError> {
        self.builder()?.build()
    }

    fn builder(self) -> Result<RedisBuilder, RedisError> {
        let mut builder = self.begun()?;
        // All of them by name: one that is new is not forgotten here.
        let RedisOptions {
            urls: _,
            sentinel: _,
            sentinel_credentials,
            cluster: _,
            sharded,
            modes,
            envelope,
            log_length,
            replica_wait,
            queue_bytes,
            queue_deadline,
            linger,
            fleet,
            client_name,
            root_certificates,
        } = self;
        if let Some((user, password)) = sentinel_credentials {
            builder = builder.sentinel_credentials(user, password);
        }
        for (pattern, mode) in &modes {
            builder = builder.mode(pattern, mode.parse()?)?;
        }
        for pattern in &envelope {
            builder = builder.envelope(pattern)?;
        }
        if sharded {
            builder = builder.sharded();
        }
        if let Some(events) = log_length {
            builder = builder.log_length(events);
        }
        if let Some(wait) = replica_wait {
            builder = builder.replica_wait(wait);
        }
        if let Some(bytes) = queue_bytes {
            builder = builder.queue_bytes(bytes);
        }
        if let Some(deadline) = queue_deadline {
            builder = builder.queue_deadline(deadline);
        }
        if let Some(linger) = linger {
            builder = builder.linger(linger);
        }
        if let Some(hubs) = fleet {
            builder = builder.fleet(hubs);
        }
        if let Some(name) = client_name {
            builder = builder.client_name(name);
        }
        if let Some(pem) = root_certificates {
            builder = builder.root_certificates(pem);
        }
        Ok(builder)
    }

    fn begun(&self) -> Result<RedisBuilder, RedisError> {
        let refused = |detail: &str| Err(RedisError::new(RedisErrorKind::Option, detail));
        match (&self.sentinel, self.cluster, &self.urls[..]) {
            (Some(_), true, _) => {
                refused("a cluster has no Sentinels: give `sentinel` or `cluster`")
            }
            (Some(master), false, urls) => Redis::sentinel(urls, master),
            (None, true, urls) => Redis::cluster(urls),
            (None, false, [url]) => Redis::at(url),
            (None, false, []) => refused("no server is named: give its URL"),
            (None, false, _) => refused(
                "several URLs are of Sentinels or of a cluster: give `sentinel` or `cluster`",
            ),
        }
    }
}

/// Without the URLs and what else may hold a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("sentinel", &self.sentinel)
            .field("cluster", &self.cluster)
            .field("sharded", &self.sharded)
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}

/// [`Demands`] as data: what is not said is asked for as in [`Demands::default`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DemandsOptions {
    /// As [`Demands::replicas`].
    pub replicas: Option<usize>,
    /// As [`Demands::stable`].
    pub stable: Option<Duration>,
    /// As [`Demands::steady`].
    pub steady: Option<Duration>,
    /// As [`Demands::behind`].
    pub behind: Option<u64>,
    /// As [`Demands::lag`].
    pub lag: Option<Duration>,
    /// As [`Demands::memory`].
    pub memory: Option<f64>,
}

impl From<DemandsOptions> for Demands {
    fn from(options: DemandsOptions) -> Self {
        let usual = Demands::default();
        Demands {
            replicas: options.replicas.unwrap_or(usual.replicas),
            stable: options.stable.unwrap_or(usual.stable),
            steady: options.steady.unwrap_or(usual.steady),
            behind: options.behind.unwrap_or(usual.behind),
            lag: options.lag.unwrap_or(usual.lag),
            memory: options.memory.unwrap_or(usual.memory),
        }
    }
}

/// What a rule is refused for, among all that options are refused for.
impl From<ModeError> for RedisError {
    fn from(cause: ModeError) -> Self {
        let kind = match cause {
            ModeError::Pattern(_) => RedisErrorKind::Pattern,
            _ => RedisErrorKind::Option,
        };
        RedisError::new(kind, cause.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn at(urls: &[&str]) -> RedisOptions {
        RedisOptions {
            urls: urls.iter().map(ToString::to_string).collect(),
            ..RedisOptions::default()
        }
    }

    #[track_caller]
    fn refused(options: RedisOptions, kind: RedisErrorKind, words: &str) {
        let error = options.build().expect_err(words);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    #[test]
    fn each_kind_of_servers_is_made() {
        assert!(at(&["redis://a"]).build().is_ok());
        let sentinel = RedisOptions {
            sentinel: Some("main".into()),
            sentinel_credentials: Some(("user".into(), "secret".into())),
            ..at(&["redis://a", "redis://b"])
        };
        assert!(sentinel.build().is_ok());
        let cluster = RedisOptions {
            cluster: true,
            sharded: true,
            ..at(&["redis://a", "redis://b"])
        };
        assert!(cluster.build().is_ok());
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let option = RedisErrorKind::Option;
        refused(at(&[]), option, "no server");
        refused(at(&["redis://a", "redis://b"]), option, "several URLs");
        let both = RedisOptions {
            sentinel: Some("main".into()),
            cluster: true,
            ..at(&["redis://a"])
        };
        refused(both, option, "a cluster has no Sentinels");
        refused(at(&["http://a"]), RedisErrorKind::Url, "http");
    }

    /// One option of the table that the bindings are checked with as well.
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        option: String,
        /// Where nothing is said: in milliseconds, bytes, or as a number.
        default: Option<Value>,
        /// Of the server, if it is not any.
        url: Option<String>,
        /// Can be, though little else could be less.
        least: Option<Value>,
        /// Cannot be.
        bad: Option<Value>,
        /// What is said of that.
        words: Option<String>,
    }

    fn table() -> Vec<Row> {
        let rows = include_str!("../../testdata/redis/options.jsonl").lines();
        let read = |row| serde_json::from_str(row).unwrap_or_else(|error| panic!("{row}: {error}"));
        rows.map(read).collect()
    }

    /// The names of all fields: it does not compile when one is missing.
    macro_rules! names {
        ($($name:ident),* $(,)?) => {{
            let RedisOptions { $($name: _),* } = RedisOptions::default();
            [$(stringify!($name)),*]
        }};
    }

    fn millis(value: &Value) -> Option<Duration> {
        value.as_u64().map(Duration::from_millis)
    }

    fn strings(value: &Value) -> Vec<String> {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn set(options: &mut RedisOptions, name: &str, value: &Value) {
        let text = || value.as_str().map(str::to_owned);
        match name {
            "urls" => options.urls = strings(value),
            "sentinel" => options.sentinel = text(),
            "sentinel_credentials" => {
                options.sentinel_credentials = serde_json::from_value(value.clone()).unwrap();
            }
            "cluster" => options.cluster = value == true,
            "sharded" => options.sharded = value == true,
            "modes" => options.modes = serde_json::from_value(value.clone()).unwrap(),
            "envelope" => options.envelope = strings(value),
            "log_length" => options.log_length = value.as_u64(),
            "replica_wait" => options.replica_wait = millis(value),
            "queue_bytes" => options.queue_bytes = value.as_u64().map(|bytes| bytes as usize),
            "queue_deadline" => options.queue_deadline = millis(value),
            "linger" => options.linger = millis(value),
            "fleet" => options.fleet = serde_json::from_value(value.clone()).unwrap(),
            "client_name" => options.client_name = text(),
            "root_certificates" => options.root_certificates = text().map(String::into_bytes),
            _ => panic!("{name} is no option"),
        }
    }

    #[test]
    fn the_table_of_options_has_them_all() {
        let names = names!(
            urls,
            sentinel,
            sentinel_credentials,
            cluster,
            sharded,
            modes,
            envelope,
            log_length,
            replica_wait,
            queue_bytes,
            queue_deadline,
            linger,
            fleet,
            client_name,
            root_certificates,
        );
        let rows = table();
        let listed: Vec<_> = rows.iter().map(|row| row.option.as_str()).collect();
        assert_eq!(listed, names);
    }

    #[test]
    fn every_option_has_an_effect_and_what_cannot_be_is_refused_in_these_words() {
        for row in table() {
            let with = |value: &Value| {
                let mut options = at(&[row.url.as_deref().unwrap_or("redis://a")]);
                set(&mut options, &row.option, value);
                options.build()
            };
            if let Some(least) = &row.least {
                with(least).unwrap_or_else(|error| panic!("{}: {error}", row.option));
            }
            let Some(bad) = &row.bad else {
                continue;
            };
            let words = row.words.as_deref().expect("the words of its refusal");
            let error = with(bad).expect_err(words);
            assert!(error.to_string().contains(words), "{words}: {error}");
            if words.contains(&row.option) {
                assert_eq!(error.option(), Some(row.option.as_str()));
            }
        }
        let linger = RedisOptions {
            linger: Some(Duration::from_secs(7)),
            ..at(&["redis://a"])
        };
        let builder = linger.builder().expect("a backplane that lingers");
        assert!(format!("{builder:?}").contains("linger: 7s"));
    }

    #[test]
    fn defaults_are_as_the_table_says() {
        let usual = at(&["redis://a"]).builder().unwrap().settings;
        for row in table() {
            let is = match row.option.as_str() {
                "log_length" => usual.log_length.into(),
                "replica_wait" => (usual.replica_wait.as_millis() as u64).into(),
                "queue_bytes" => usual.queue_bytes.into(),
                "queue_deadline" => (usual.queue_deadline.as_millis() as u64).into(),
                "linger" => (usual.linger.as_millis() as u64).into(),
                _ => Value::Null,
            };
            assert_eq!(row.default.unwrap_or_default(), is, "{}", row.option);
        }
    }

    #[test]
    fn a_demand_that_is_not_made_is_the_usual_one() {
        assert_eq!(Demands::from(DemandsOptions::default()), Demands::default());
        let second = Duration::from_secs(1);
        let all = Demands::from(DemandsOptions {
            replicas: Some(7),
            stable: Some(second),
            steady: Some(2 * second),
            behind: Some(8),
            lag: Some(3 * second),
            memory: Some(0.5),
        });
        assert_eq!((all.replicas, all.behind, all.memory), (7, 8, 0.5));
        assert_eq!(
            (all.stable, all.steady, all.lag),
            (second, 2 * second, 3 * second)
        );
    }

    #[test]
    fn passwords_are_not_printed() {
        let mut options = at(&["redis://user:secret@a"]);
        options.sentinel_credentials = Some(("user".into(), "secret".into()));
        assert!(!format!("{options:?}").contains("secret"));
    }
}
