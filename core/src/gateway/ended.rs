//! Why a connection ended.

use std::fmt;

/// A code that an application may close a WebSocket with: 1000, or one of 3000 to 4999,
/// which protocols leave to applications (from 4000 on without registration).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: all is done.
    pub const NORMAL: CloseCode = CloseCode(1000);

    /// This code. `None` when it is not an application's to use.
    pub fn new(code: u16) -> Option<Self> {
        (code == 1000 || (3000..5000).contains(&code)).then_some(CloseCode(code))
    }

    /// The code as a number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Why a connection ended, as the gateway saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// The client said goodbye, or ended the stream between two messages.
    Left,
    /// The connection broke: reset, or ended in the middle of something.
    Broken,
    /// The client broke the protocol.
    Protocol,
    /// The client sent what was no text in a text message.
    NotText,
    /// The client sent more than it may.
    TooLarge,
    /// The client sent a message where nobody listens to any.
    Unwanted,
    /// It did not answer a ping in time.
    Silent,
    /// It took nothing of what waited for it in time.
    WriteTimeout,
    /// A subscription of its was closed because it did not keep up.
    Slow,
    /// It missed events and could not be told, or was to be closed for that.
    Lagged,
    /// The application closed it.
    Application,
    /// The application could not keep up with what it said.
    Overloaded,
    /// A hook of the application panicked.
    Panicked,
    /// The gateway was drained.
    Drained,
    /// The gateway or the hub was closed.
    Closed,
}

impl Ended {
    /// Every reason, in the order of [`Ended::index`].
    pub(super) const ALL: [Ended; 15] = [
        Ended::Left,
        Ended::Broken,
        Ended::Protocol,
        Ended::NotText,
        Ended::TooLarge,
        Ended::Unwanted,
        Ended::Silent,
        Ended::WriteTimeout,
        Ended::Slow,
        Ended::Lagged,
        Ended::Application,
        Ended::Overloaded,
        Ended::Panicked,
        Ended::Drained,
        Ended::Closed,
    ];

    /// Its place in [`Ended::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// A name for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Ended::Left => "left",
            Ended::Broken => "broken",
            Ended::Protocol => "protocol_error",
            Ended::NotText => "not_text",
            Ended::TooLarge => "too_large",
            Ended::Unwanted => "unwanted",
            Ended::Silent => "silent",
            Ended::WriteTimeout => "write_timeout",
            Ended::Slow => "slow",
            Ended::Lagged => "lagged",
            Ended::Application => "application",
            Ended::Overloaded => "overloaded",
            Ended::Panicked => "panicked",
            Ended::Drained => "drained",
            Ended::Closed => "closed",
        }
    }

    /// The code that a WebSocket is closed with for this reason, unless the application has
    /// said [another](super::Client::close_with).
    pub fn close_code(self) -> u16 {
        match self {
            Ended::Left | Ended::Application => 1000,
            Ended::Closed => 1001,
            Ended::Protocol | Ended::Broken => 1002,
            Ended::Unwanted => 1003,
            Ended::NotText => 1007,
            Ended::Silent => 1008,
            Ended::TooLarge => 1009,
            Ended::Panicked => 1011,
            Ended::Drained => 1012,
            Ended::Slow | Ended::Lagged | Ended::WriteTimeout | Ended::Overloaded => 1013,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ended::Left => "the client left",
            Ended::Broken => "the connection broke",
            Ended::Protocol => "protocol error",
            Ended::NotText => "text that is not UTF-8",
            Ended::TooLarge => "message too large",
            Ended::Unwanted => "messages are not taken here",
            Ended::Silent => "no answer to a ping",
            Ended::WriteTimeout => "nothing was taken in time",
            Ended::Slow => "too slow",
            Ended::Lagged => "events were missed",
            Ended::Application => "closed by the application",
            Ended::Overloaded => "too much was said",
            Ended::Panicked => "internal error",
            Ended::Drained => "service restart",
            Ended::Closed => "going away",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_have_codes_of_their_own() {
        for code in [1000, 3000, 4000, 4999] {
            assert_eq!(CloseCode::new(code).map(CloseCode::get), Some(code));
        }
        for code in [0, 999, 1001, 1006, 1015, 2999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(code), None);
        }
    }
}
