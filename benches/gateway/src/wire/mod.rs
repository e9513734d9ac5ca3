//! The protocols of the servers, as far as a load generator needs them: it sends next to
//! nothing and counts what comes, so payloads are skipped, not kept.

mod resp;
mod websocket;

use std::time::Duration;

pub(crate) use websocket::{Scanner as WebSocketScanner, frame, handshake, masked};

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    WebSocket,
    /// Redis.
    Resp,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'b> {
    /// The connection is open, and subscribed if that was asked for.
    Ready,
    /// The last byte of an event. Its payload, where the scanner keeps them.
    Event(&'b [u8]),
    Ping(&'b [u8]),
    Pong,
    /// The server agrees that this is the end.
    Close,
}

/// The server said something that it should not have said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unexpected(pub(crate) String);

impl Unexpected {
    /// When the server wants the client to come back, if this is a refusal that says so.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let mut lines = self.0.lines();
        let refused = lines
            .next()
            .is_some_and(|line| line.starts_with("HTTP/1.1 503"));
        let mut headers = lines.filter_map(|line| line.split_once(':'));
        let (_, seconds) = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
        let seconds = seconds.trim().parse().ok()?;
        refused.then(|| Duration::from_secs(seconds))
    }
}

/// Where on a connection the next byte stands.
#[derive(Debug)]
pub(crate) enum Scanner {
    WebSocket(websocket::Scanner),
    Resp(resp::Scanner),
}

impl Protocol {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "websocket" => Some(Protocol::WebSocket),
            "resp" => Some(Protocol::Resp),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::WebSocket => "websocket",
            Protocol::Resp => "resp",
        }
    }

    pub(crate) fn scanner(self) -> Scanner {
        match self {
            Protocol::WebSocket => Scanner::WebSocket(websocket::Scanner::client()),
            Protocol::Resp => Scanner::Resp(resp::Scanner::default()),
        }
    }

    /// What a client says first: it wants the events that are called so, or with
    /// `probe` none. The answer to it ends with [`Item::Ready`].
    pub(crate) fn hello(self, path: &str) -> Vec<u8> {
        match self {
            Protocol::WebSocket => websocket::handshake(path, None).into_bytes(),
            Protocol::Resp if path == PROBE => b"ECHO ready\r\n".to_vec(),
            Protocol::Resp => format!("SUBSCRIBE {path}\r\n").into_bytes(),
        }
    }

    pub(crate) fn ping(self) -> Vec<u8> {
        match self {
            Protocol::WebSocket => masked(0x9, b"?"),
            Protocol::Resp => b"PING\r\n".to_vec(),
        }
    }

    /// The first half of a goodbye.
    pub(crate) fn close(self) -> Vec<u8> {
        match self {
            Protocol::WebSocket => masked(0x8, &1_000_u16.to_be_bytes()),
            Protocol::Resp => b"QUIT\r\n".to_vec(),
        }
    }
}

/// The path of a connection that subscribes to nothing.
pub(crate) const PROBE: &str = "probe";
/// The subprotocol in which clients subscribe by themselves.
pub(crate) const JSON_PROTOCOL: &str = "distributary.v1.json";
/// The path of one that gets what everybody gets.
pub(crate) const ALL: &str = "all";

impl Scanner {
    /// Takes bytes as they came.
    pub(crate) fn scan(
        &mut self,
        bytes: &[u8],
        each: impl FnMut(Item<'_>),
    ) -> Result<(), Unexpected> {
        match self {
            Scanner::WebSocket(scanner) => scanner.scan(bytes, each),
            Scanner::Resp(scanner) => scanner.scan(bytes, each),
        }
    }
}
