//! What a gateway allows: the numbers an operator turns.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use crate::lane::SliceLimits;

/// As long as anybody waits: clocks and their sums cannot say every duration.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// The limits of a [`Gateway`](super::Gateway). The defaults suit a server of a few
/// ten thousand connections. A time of more than ten years is taken as ten years.
///
/// ```
/// use std::time::Duration;
/// use distributary::gateway::Limits;
///
/// let limits = Limits::default()
///     .connections(20_000)
///     .per_second(2_000)
///     .ping(Duration::from_secs(30), Duration::from_secs(10));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Limits {
    pub(super) connections: usize,
    pub(super) per_second: u32,
    pub(super) per_address: usize,
    pub(super) per_address_per_second: u32,
    pub(super) handshakes: usize,
    pub(super) handshake_timeout: Duration,
    pub(super) trusted_proxies: usize,
    pub(super) memory: Option<u64>,
    pub(super) retry_after: (Duration, Duration),
    pub(super) lanes: usize,
    pub(super) slice: SliceLimits,
    pub(super) max_message: usize,
    pub(super) max_subscriptions: usize,
    pub(super) max_topics: usize,
    pub(super) fragment: usize,
    pub(super) unsent: u32,
    pub(super) ping_every: Duration,
    pub(super) ping_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: usize::MAX,
            per_second: u32::MAX,
            per_address: usize::MAX,
            per_address_per_second: u32::MAX,
            handshakes: 1_024,
            handshake_timeout: Duration::from_secs(10),
            trusted_proxies: 0,
            memory: None,
            retry_after: (Duration::from_secs(1), Duration::from_secs(10)),
            lanes: 0,
            slice: SliceLimits::default(),
            max_message: 64 << 10,
            max_subscriptions: 100,
            max_topics: 1_000,
            fragment: 64 << 10,
            unsent: 128 << 10,
            ping_every: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            write_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The most connections at a time; more are refused with 503. Default: no limit but
    /// the system's.
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = most;
        self
    }

    /// The most new connections in a second, in total; more are refused with 503. As
    /// many may come at once. Default: no limit.
    pub fn per_second(mut self, most: u32) -> Self {
        self.per_second = most;
        self
    }

    /// The most connections from one address at a time; more are refused with 429.
    /// Default: no limit.
    pub fn per_address(mut self, most: usize) -> Self {
        self.per_address = most;
        self
    }

    /// The most new connections in a second from one address; more are refused with
    /// 429. Default: no limit.
    pub fn per_address_per_second(mut self, most: u32) -> Self {
        self.per_address_per_second = most;
        self
    }

    /// The most handshakes under way at a time, `authorize` included; more are refused
    /// with 503. Default: 1,024.
    pub fn handshakes(mut self, most: usize) -> Self {
        self.handshakes = most;
        self
    }

    /// How long a handshake may take, `authorize` included, before the connection is
    /// dropped; a client whose request is there by then gets a 503. Default: 10 s.
    pub fn handshake_timeout(mut self, most: Duration) -> Self {
        self.handshake_timeout = most.min(LONGEST);
        self
    }

    /// How many proxies of your own stand before the gateway, each adding the address it
    /// sees to `X-Forwarded-For`. The address of a client is then the one that the
    /// outermost of them reports. Default: 0, the header is not looked at.
    pub fn trusted_proxies(mut self, how_many: usize) -> Self {
        self.trusted_proxies = how_many;
        self
    }

    /// Refuses new connections with 503 while the process holds more memory than this,
    /// in bytes (its resident set where the system tells it, else what the hub
    /// knows to hold). Connections that exist are kept. Default: no limit.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Between which times a refused client is told to come back; each draws its own.
    /// Default: 1 to 10 s.
    pub fn retry_after(mut self, least: Duration, most: Duration) -> Self {
        self.retry_after = (least.min(LONGEST), most.min(LONGEST));
        self
    }

    /// How many threads serve sockets. Default: 0, one for each core.
    pub fn lanes(mut self, threads: usize) -> Self {
        self.lanes = threads;
        self
    }

    /// How long a lane writes before it looks at reads, pings, closes and joins again.
    pub fn slice(mut self, limits: SliceLimits) -> Self {
        self.slice = limits;
        self
    }

    /// The largest message that a client may send, in bytes; a larger one closes it with
    /// code 1009. Default: 64 KiB.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// The most subscriptions that a client of the JSON protocol may make itself.
    /// Default: 100.
    pub fn max_subscriptions(mut self, most: usize) -> Self {
        self.max_subscriptions = most;
        self
    }

    /// The most topics and patterns that a client of the JSON protocol may follow by its
    /// own subscriptions taken together. Default: 1,000.
    pub fn max_topics(mut self, most: usize) -> Self {
        self.max_topics = most;
        self
    }

    /// The largest WebSocket fragment, in bytes of payload. Pings and closes go between
    /// the fragments of a larger message. Default: 64 KiB.
    pub fn fragment(mut self, bytes: usize) -> Self {
        self.fragment = bytes;
        self
    }

    /// How many bytes the system takes for a socket beyond what is on its way
    /// (`TCP_NOTSENT_LOWAT`). Default: 128 KiB.
    pub fn unsent(mut self, bytes: u32) -> Self {
        self.unsent = bytes;
        self
    }

    /// How often a client from which nothing was heard is pinged, and how long it may
    /// take to answer before it is closed. Default: 25 s, 20 s.
    pub fn ping(mut self, every: Duration, timeout: Duration) -> Self {
        self.ping_every = every.min(LONGEST);
        self.ping_timeout = timeout.min(LONGEST);
        self
    }

    /// How long a socket may take no byte of what waits for it before it is closed.
    /// Default: 30 s.
    pub fn write_timeout(mut self, most: Duration) -> Self {
        self.write_timeout = most.min(LONGEST);
        self
    }

    /// How long the answer to a close frame is waited for. Default: 5 s.
    pub fn close_timeout(mut self, most: Duration) -> Self {
        self.close_timeout = most.min(LONGEST);
        self
    }

    /// When one client that is turned or sent away should come back.
    pub(super) fn come_back(&self) -> Duration {
        let (least, most) = self.retry_after;
        // Every hasher of the standard library has random keys.
        let random = RandomState::new().hash_one(0_u8);
        let share = random as f64 / u64::MAX as f64;
        least + (most - least).mul_f64(share)
    }

    pub(super) fn check(&self) -> Result<(), LimitError> {
        let zero = |name| Err(LimitError::Zero { name });
        let durations = [
            ("handshake_timeout", self.handshake_timeout),
            ("ping (every)", self.ping_every),
            ("ping (timeout)", self.ping_timeout),
            ("write_timeout", self.write_timeout),
            ("close_timeout", self.close_timeout),
        ];
        let counts = [
            ("connections", self.connections),
            ("per_second", self.per_second as usize),
            ("per_address", self.per_address),
            (
                "per_address_per_second",
                self.per_address_per_second as usize,
            ),
            ("handshakes", self.handshakes),
            ("max_message", self.max_message),
        ];
        if self.memory == Some(0) {
            return zero("memory");
        }
        for (name, duration) in durations {
            if duration.is_zero() {
                return zero(name);
            }
        }
        for (name, count) in counts {
            if count == 0 {
                return zero(name);
            }
        }
        if self.fragment < 1_024 || self.fragment > 1 << 24 {
            return Err(LimitError::Fragment(self.fragment));
        }
        if self.retry_after.0 > self.retry_after.1 {
            return Err(LimitError::RetryAfter);
        }
        Ok(())
    }
}

/// A limit that admits nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitError {
    /// A limit of zero.
    Zero {
        /// Which one.
        name: &'static str,
    },
    /// Fragments of this size do not serve their purpose.
    Fragment(usize),
    /// The earliest time to come back lies after the latest.
    RetryAfter,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LimitError::Zero { name } => write!(
                f,
                "the limit `{name}` is 0, so nobody could be served: leave it out for the default"
            ),
            LimitError::Fragment(bytes) => write!(
                f,
                "fragments of {bytes} bytes: give 1024 to {} bytes",
                1 << 24
            ),
            LimitError::RetryAfter => f.write_str(
                "the earliest time to come back lies after the latest: give `retry_after(least, most)`",
            ),
        }
    }
}

impl std::error::Error for LimitError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_is_refused_by_its_name() {
        let zero = Duration::ZERO;
        let second = Duration::from_secs(1);
        let cases = [
            ("connections", Limits::default().connections(0)),
            ("per_second", Limits::default().per_second(0)),
            ("per_address", Limits::default().per_address(0)),
            (
                "per_address_per_second",
                Limits::default().per_address_per_second(0),
            ),
            ("handshakes", Limits::default().handshakes(0)),
            ("memory", Limits::default().memory(0)),
            ("max_message", Limits::default().max_message(0)),
            (
                "handshake_timeout",
                Limits::default().handshake_timeout(zero),
            ),
            ("ping (every)", Limits::default().ping(zero, second)),
            ("ping (timeout)", Limits::default().ping(second, zero)),
            ("write_timeout", Limits::default().write_timeout(zero)),
            ("close_timeout", Limits::default().close_timeout(zero)),
        ];
        for (name, limits) in cases {
            assert_eq!(limits.check(), Err(LimitError::Zero { name }));
        }
        assert_eq!(Limits::default().memory(1).check(), Ok(()));
    }

    #[test]
    fn a_clock_can_be_set_forward_by_every_time() {
        let never = Duration::MAX;
        let limits = Limits::default()
            .handshake_timeout(never)
            .ping(never, never)
            .write_timeout(never)
            .close_timeout(never)
            .retry_after(Duration::ZERO, never);
        assert_eq!(limits.check(), Ok(()));
        let now = std::time::Instant::now();
        for time in [
            limits.handshake_timeout,
            limits.ping_every + limits.ping_timeout,
            limits.write_timeout,
            limits.close_timeout,
            limits.come_back(),
        ] {
            assert!(now.checked_add(time).is_some(), "{time:?}");
        }
    }
}
