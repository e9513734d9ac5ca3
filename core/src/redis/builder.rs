//! How a Redis backplane is described before there is one.

use std::{sync::Arc, time::Duration};

use super::{
    error::{RedisError, RedisErrorKind},
    modes::{Mode, ModeError, Modes, Way},
    plane::Redis,
    socket::Tls,
    target::{Credentials, Target, Topology},
};

/// A server that answers nothing for longer is given up.
const LONGEST_REPLICA_WAIT: Duration = Duration::from_secs(2);

/// Longer times are as long as this, some thirty years: a moment can have it added.
pub(super) const LONGEST: Duration = Duration::from_secs(1 << 30);

/// Everything that was asked for, checked.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) tls: Option<Tls>,
    /// Subscriptions by slot.
    pub(crate) sharded: bool,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_deadline: Duration,
    pub(crate) linger: Duration,
    pub(crate) fleet: Option<u32>,
    pub(crate) client_name: Option<String>,
    pub(crate) modes: Modes,
    pub(crate) log_length: u64,
    pub(crate) replica_wait: Duration,
}

/// Describes a [`Redis`] backplane; from [`Redis::at`] and its kin.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build is called"]
pub struct RedisBuilder {
    pub(super) settings: Settings,
    roots: Option<Vec<u8>>,
}

impl RedisBuilder {
    pub(crate) fn new(target: Target) -> Self {
        RedisBuilder {
            settings: Settings {
                target,
                tls: None,
                sharded: false,
                queue_bytes: 16 * 1024 * 1024,
                queue_deadline: Duration::from_secs(10),
                linger: Duration::from_secs(2),
                fleet: None,
                client_name: None,
                modes: Modes::default(),
                log_length: 10_000,
                replica_wait: Duration::from_millis(500),
            },
            roots: None,
        }
    }

    /// Uses sharded pub/sub: an event goes to the one shard of its topic's slot, not to
    /// every node of the cluster. Patterns cannot be heard then, and Redis 7 is needed.
    pub fn sharded(mut self) -> Self {
        self.settings.sharded = true;
        self
    }

    /// How many bytes of events may wait to be sent: 16 MiB unless set. In the modes with a
    /// log up to as many bytes again are kept for twenty seconds after they were
    /// acknowledged: a server that takes over may lack them.
    ///
    /// This bounds what is sent, not what arrives: see [`mode`](RedisBuilder::mode) on events
    /// that the server does not send to listeners.
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.settings.queue_bytes = bytes;
        self
    }

    /// How long an event may wait to be sent: ten seconds unless set.
    pub fn queue_deadline(mut self, deadline: Duration) -> Self {
        self.settings.queue_deadline = deadline.min(LONGEST);
        self
    }

    /// How long a topic that nobody here listens to any more is still heard, so that whoever
    /// comes back costs nothing: two seconds unless set. Zero gives it up at once: each time
    /// that a topic's last listener goes and another one comes, the server is told of both.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.settings.linger = linger.min(LONGEST);
        self
    }

    /// What is promised to events of topics that match the pattern; the first rule that
    /// matches a topic decides, and what no rule names travels live. The same rules belong
    /// in every hub; one that hears what its own would not have sent says `rules_differ` in
    /// its health.
    ///
    /// A server ends the connection of a listener for which more waits than its
    /// `client-output-buffer-limit pubsub` allows: 32 MiB at once, or 8 MiB for a minute,
    /// unless set. An event must stay well below that: a larger one cuts off every listener
    /// of its topic, with all else that this one hears, until it has connected again. In the
    /// modes with a log such an event is then read in pieces, and health says `oversized`;
    /// live, it is lost.
    ///
    /// # Errors
    /// The pattern cannot be read, or an earlier rule decides for all that it names.
    pub fn mode(self, pattern: impl AsRef<str>, mode: Mode) -> Result<Self, ModeError> {
        self.way(pattern.as_ref(), Way::of(mode))
    }

    /// Live, and in an envelope: gaps and duplicates are seen, attributes and keys travel
    /// too. Readers that know nothing of envelopes cannot read such topics.
    ///
    /// # Errors
    /// As with [`mode`](RedisBuilder::mode).
    pub fn envelope(self, pattern: impl AsRef<str>) -> Result<Self, ModeError> {
        self.way(pattern.as_ref(), Way::Enveloped)
    }

    /// About how many events the log of a topic keeps, in the modes that have one: 10,000
    /// unless set. A log that nothing was published to for a day goes away.
    pub fn log_length(mut self, events: u64) -> Self {
        self.settings.log_length = events;
        self
    }

    /// How long a durable event may wait for a replica once the log has it: half a second
    /// unless set. Whatever is sent on the same connection waits with it.
    pub fn replica_wait(mut self, wait: Duration) -> Self {
        self.settings.replica_wait = wait;
        self
    }

    fn way(mut self, pattern: &str, way: Way) -> Result<Self, ModeError> {
        self.settings.modes.rule(pattern, way)?;
        Ok(self)
    }

    /// How many hubs share the server. They come back from an outage at 200 a second;
    /// unless set, they are counted on the server.
    pub fn fleet(mut self, hubs: u32) -> Self {
        self.settings.fleet = Some(hubs);
        self
    }

    /// What connections are called in `CLIENT LIST`: `distributary-` and the hub's number
    /// unless set.
    pub fn client_name(mut self, name: impl Into<String>) -> Self {
        self.settings.client_name = Some(name.into());
        self
    }

    /// Trusts these certificates instead of the system's: one or more in PEM, the content of a
    /// file and not its name. Unless set, the system's are trusted, where the variables
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// The user and password for the sentinels themselves: those of the URLs unless set.
    pub fn sentinel_credentials(
        mut self,
        user: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        self.settings.target.sentinel_credentials = Some(Credentials {
            user: user.into(),
            password: password.into(),
        });
        self
    }

    /// Checks it all. Nothing is connected to before a hub is made with it.
    ///
    /// # Errors
    /// [`RedisError`] says which option cannot be and what it can be.
    pub fn build(mut self) -> Result<Redis, RedisError> {
        let refused =
            |option, detail: &str| Err(RedisError::of(option, RedisErrorKind::Option, detail));
        let settings = &mut self.settings;
        let cluster = settings.target.topology == Topology::Cluster;
        if settings.sharded && !cluster {
            return refused("sharded", "sharded is for a cluster: say that it is one");
        }
        if settings.target.sentinel_credentials.is_some()
            && !matches!(settings.target.topology, Topology::Sentinel { .. })
        {
            return refused(
                "sentinel_credentials",
                "sentinel_credentials have no effect without Sentinels: name the master that they know",
            );
        }
        if settings.queue_bytes == 0 {
            let detail = "queue_bytes is 0: a queue of no bytes can send nothing: give it more";
            return refused("queue_bytes", detail);
        }
        if settings.queue_deadline.is_zero() {
            let detail = "queue_deadline is 0: what may not wait cannot be sent: give it more";
            return refused("queue_deadline", detail);
        }
        if settings.log_length == 0 {
            let detail =
                "log_length is 0: a log of no events cannot be read after a break: give it more";
            return refused("log_length", detail);
        }
        if settings.replica_wait.is_zero() || settings.replica_wait > LONGEST_REPLICA_WAIT {
            let detail = "replica_wait is at least a moment and at most two seconds";
            return refused("replica_wait", detail);
        }
        if settings.fleet == Some(0) {
            return refused("fleet", "fleet is 0: there is one hub at least");
        }
        if let Some(name) = &settings.client_name
            && (name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return refused(
                "client_name",
                "client_name is of printable ASCII without spaces, as the server demands",
            );
        }
        settings.tls = match (settings.target.tls, &self.roots) {
            (true, roots) => Some(Tls::new(roots.as_deref())?),
            (false, None) => None,
            (false, Some(_)) => {
                return refused(
                    "root_certificates",
                    "root_certificates have no effect without TLS: use rediss://",
                );
            }
        };
        Ok(Redis::new(Arc::new(self.settings)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn times_without_end_can_be_added_to_a_moment() {
        let builder = Redis::at("redis://a").unwrap();
        let builder = builder.linger(Duration::MAX).queue_deadline(Duration::MAX);
        let Settings {
            linger,
            queue_deadline,
            ..
        } = builder.settings;
        for time in [linger, queue_deadline] {
            assert!(Instant::now().checked_add(time).is_some(), "{time:?}");
        }
    }
}
