//! What is common to everything that looks at arrivals: when, by which way, and where to.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::{backplane::Origin, event::Publication};

/// A moment on both clocks, taken once per read of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) instant: Instant,
    /// Microseconds since the Unix epoch, as envelopes count.
    pub(crate) micros: u64,
}

impl Stamp {
    /// This moment.
    pub(crate) fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Stamp {
            instant: Instant::now(),
            // A system clock before 1970 is taken as 1970.
            micros: since_epoch.map_or(0, |time| time.as_micros() as u64),
        }
    }
}

/// Where arrivals go once it is decided what they are: a hub, or a list in tests.
pub(crate) trait Deliver {
    /// An event from another hub, once and in order.
    fn event(&mut self, event: Publication<&str>);

    /// The same, when it is known by whom and as which it was published.
    fn numbered(&mut self, event: Publication<&str>, origin: Origin) {
        let _ = origin;
        self.event(event);
    }

    /// Events of a topic that nobody will bring any more; how many, if that is known.
    fn lost(&mut self, topic: &str, missed: Option<u64>);
}
