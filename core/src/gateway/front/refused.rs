//! Why a connection was turned away.

use std::fmt;

/// Why a connection was turned away before a lane had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refused {
    /// The gateway is being drained, or has been closed.
    Draining,
    /// The process holds more memory than it may.
    Memory,
    /// The process has no descriptor for it.
    Descriptors,
    /// There are as many connections as there may be.
    Connections,
    /// There are as many handshakes under way as there may be.
    Handshakes,
    /// More connections came in a second than may.
    Rate,
    /// This address has as many connections as one may.
    AddressConnections,
    /// More connections came from this address in a second than may.
    AddressRate,
    /// The path is not served.
    NotFound,
    /// The method is not GET.
    Method,
    /// The request is neither a WebSocket handshake nor one for a stream of events.
    BadRequest,
    /// The application said no.
    Application,
    /// The application's `authorize` panicked.
    Panicked,
    /// The handshake took too long.
    Timeout,
    /// The client went away during the handshake.
    Broken,
}

impl Refused {
    /// Every reason, in the order of [`Refused::index`].
    pub(in crate::gateway) const ALL: [Refused; 15] = [
        Refused::Draining,
        Refused::Memory,
        Refused::Descriptors,
        Refused::Connections,
        Refused::Handshakes,
        Refused::Rate,
        Refused::AddressConnections,
        Refused::AddressRate,
        Refused::NotFound,
        Refused::Method,
        Refused::BadRequest,
        Refused::Application,
        Refused::Panicked,
        Refused::Timeout,
        Refused::Broken,
    ];

    /// Its place in [`Refused::ALL`].
    pub(in crate::gateway) fn index(self) -> usize {
        self as usize
    }

    /// A name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Refused::Draining => "draining",
            Refused::Memory => "memory",
            Refused::Descriptors => "descriptors",
            Refused::Connections => "connections",
            Refused::Handshakes => "handshakes",
            Refused::Rate => "rate",
            Refused::AddressConnections => "address_connections",
            Refused::AddressRate => "address_rate",
            Refused::NotFound => "not_found",
            Refused::Method => "method",
            Refused::BadRequest => "bad_request",
            Refused::Application => "application",
            Refused::Panicked => "panicked",
            Refused::Timeout => "timeout",
            Refused::Broken => "broken",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Draining => "the service restarts: come back later",
            Refused::Memory => "the service is short of memory: come back later",
            Refused::Connections | Refused::Descriptors => "the service is full: come back later",
            Refused::Handshakes | Refused::Rate => "too many newcomers at once: come back later",
            Refused::AddressConnections => "too many connections from your address",
            Refused::AddressRate => "too many new connections from your address",
            Refused::NotFound => "nothing is served here",
            Refused::Method => "only GET is served here",
            Refused::BadRequest => "neither a WebSocket handshake nor a request for events",
            Refused::Application => "the application said no",
            Refused::Panicked => "internal error",
            Refused::Timeout => "the handshake took too long",
            Refused::Broken => "the client went away",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let mut names = std::collections::HashSet::new();
        for (place, refused) in Refused::ALL.into_iter().enumerate() {
            assert_eq!(refused.index(), place);
            assert!(names.insert(refused.name()), "{refused:?}");
        }
    }
}
