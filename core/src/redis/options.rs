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
        if let Some((user, password)) = self.sentinel_credentials {
            builder = builder.sentinel_credentials(user, password);
        }
        for (pattern, mode) in &self.modes {
            builder = builder.mode(pattern, mode.parse()?)?;
        }
        for pattern in &self.envelope {
            builder = builder.envelope(pattern)?;
        }
        if self.sharded {
            builder = builder.sharded();
        }
        if let Some(events) = self.log_length {
            builder = builder.log_length(events);
        }
        if let Some(wait) = self.replica_wait {
            builder = builder.replica_wait(wait);
        }
        if let Some(bytes) = self.queue_bytes {
            builder = builder.queue_bytes(bytes);
        }
        if let Some(deadline) = self.queue_deadline {
            builder = builder.queue_deadline(deadline);
        }
        if let Some(linger) = self.linger {
            builder = builder.linger(linger);
        }
        if let Some(hubs) = self.fleet {
            builder = builder.fleet(hubs);
        }
        if let Some(name) = self.client_name {
            builder = builder.client_name(name);
        }
        if let Some(pem) = self.root_certificates {
            builder = builder.root_certificates(pem);
        }
        Ok(builder)
    }

    fn begun(&self) -> Result<RedisBuilder, RedisError> {
        let refused = |detail: &str| Err(RedisError::new(RedisErrorKind::Option, detail));
        match (&self.sentinel, self.cluster, &self.urls[..]) {
            (Some(_), true, _) => {
                refused("a cluster has no sentinels: say that it is a cluster, or name a master")
            }
            (Some(master), false, urls) => Redis::sentinel(urls, master),
            (None, true, urls) => Redis::cluster(urls),
            (None, false, [url]) => Redis::at(url),
            (None, false, []) => refused("no server is named: give its URL"),
            (None, false, _) => refused(
                "several URLs are of sentinels or of a cluster: name the master, or say that it \
                 is a cluster",
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
    /// As [`Demands::p99`].
    pub p99: Option<Duration>,
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
            p99: options.p99.unwrap_or(usual.p99),
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
        refused(both, option, "a cluster has no sentinels");
        refused(at(&["http://a"]), RedisErrorKind::Url, "http");
    }

    /// Each option alone, with a value that cannot be: it has an effect if that is refused.
    #[test]
    fn every_option_reaches_the_builder() {
        type Change = fn(&mut RedisOptions);
        let bad: [(&str, Change); 11] = [
            ("sentinel_credentials", |options| {
                options.sentinel_credentials = Some(("user".into(), "secret".into()));
            }),
            ("belongs to a cluster", |options| options.sharded = true),
            ("log", |options| options.log_length = Some(0)),
            ("replicas", |options| {
                options.replica_wait = Some(Duration::ZERO);
            }),
            ("queue", |options| options.queue_bytes = Some(0)),
            ("queue", |options| {
                options.queue_deadline = Some(Duration::ZERO);
            }),
            ("fleet", |options| options.fleet = Some(0)),
            ("client name", |options| {
                options.client_name = Some(String::new());
            }),
            ("root_certificates", |options| {
                options.root_certificates = Some(Vec::new());
            }),
            ("never", |options| {
                options.modes = vec![("a.*".into(), "never".into())];
            }),
            ("pattern", |options| options.envelope = vec![String::new()]),
        ];
        for (words, change) in bad {
            let mut options = at(&["redis://a"]);
            change(&mut options);
            let error = options.build().expect_err(words);
            let kind = if words == "pattern" {
                RedisErrorKind::Pattern
            } else {
                RedisErrorKind::Option
            };
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{words}: {error}");
        }
        let linger = RedisOptions {
            linger: Some(Duration::from_secs(7)),
            ..at(&["redis://a"])
        };
        let builder = linger.builder().expect("a backplane that lingers");
        assert!(format!("{builder:?}").contains("linger: 7s"));
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
            p99: Some(3 * second),
            memory: Some(0.5),
        });
        assert_eq!((all.replicas, all.behind, all.memory), (7, 8, 0.5));
        assert_eq!(
            (all.stable, all.steady, all.p99),
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
