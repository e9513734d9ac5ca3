//! What the server says, apart from events.

use bytes::Bytes;

use super::{VERSION, event::encode};
use crate::{event::Position, gateway::hooks::Message, subscription::CloseReason, topic::Topic};

/// What kind of error a client is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The client may not have this.
    Denied,
    /// The message cannot be understood, or asks for what cannot be.
    BadRequest,
    /// The client has as many subscriptions as it may.
    TooMany,
    /// There is no subscription of this id.
    Unknown,
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Code::Denied => "denied",
            Code::BadRequest => "bad_request",
            Code::TooMany => "too_many",
            Code::Unknown => "unknown",
        }
    }
}

/// The first message: what the client has to know of this connection. `granted` is how
/// many subscriptions the server makes, and a name for all of them.
pub(crate) fn welcome(ping_ms: u64, granted: Option<(usize, &str)>, ticket: Option<&str>) -> Bytes {
    let mut object = Object::new("welcome")
        .number("version", VERSION.into())
        .number("ping_ms", ping_ms);
    if let Some((subscriptions, grant)) = granted {
        object = object.number("subscriptions", subscriptions as u64);
        object = object.text("grant", grant);
    }
    if let Some(ticket) = ticket {
        object = object.text("ticket", ticket);
    }
    object.done()
}

/// A subscription has been made. `at` is where it begins in its topics that keep history.
pub(crate) fn subscribed<'t>(
    id: u32,
    at: impl IntoIterator<Item = (&'t Topic, &'t Position)>,
) -> Bytes {
    let mut positions = Vec::from(b"{");
    for (topic, position) in at {
        if positions.len() > 1 {
            positions.push(b',');
        }
        push_text(&mut positions, topic.as_str());
        positions.push(b':');
        push_text(&mut positions, &position.to_string());
    }
    positions.push(b'}');
    let object = Object::new("subscribed").number("id", id.into());
    object.json("at", &positions).done()
}

/// A subscription has been ended by the client.
pub(crate) fn unsubscribed(id: u32) -> Bytes {
    Object::new("unsubscribed").number("id", id.into()).done()
}

/// A subscription missed events: so many, or an unknown number for this reason.
pub(crate) fn lagged(id: u32, missed: Result<u64, &str>) -> Bytes {
    let object = Object::new("lagged").number("id", id.into());
    match missed {
        Ok(missed) => object.number("missed", missed).done(),
        Err(reason) => object.json("missed", b"null").text("reason", reason).done(),
    }
}

/// A subscription has ended by itself.
pub(crate) fn closed(id: u32, reason: CloseReason) -> Bytes {
    let reason = match reason {
        CloseReason::HubClosed => "hub_closed",
        CloseReason::SlowConsumer => "slow_consumer",
        CloseReason::Lost => "lost",
        CloseReason::Panicked => "panicked",
    };
    let object = Object::new("closed").number("id", id.into());
    object.text("reason", reason).done()
}

/// The connection will be closed; the client should come back after this time.
pub(crate) fn reconnect(after_ms: u64) -> Bytes {
    Object::new("reconnect").number("after_ms", after_ms).done()
}

/// The answer to a `ping`.
pub(crate) fn pong() -> Bytes {
    Bytes::from_static(br#"{"type":"pong"}"#)
}

/// A message of the application. A text that is JSON becomes its `data` as it is.
pub(crate) fn message(message: Message) -> Bytes {
    let payload = match message {
        Message::Text(text) => Bytes::from(text),
        Message::Binary(bytes) => bytes,
    };
    let (field, value) = encode(&payload);
    Object::new("message").json(field, &value).done()
}

/// Something that the client asked for is not done.
pub(crate) fn error(id: Option<u32>, code: Code, message: &str) -> Bytes {
    let mut object = Object::new("error");
    if let Some(id) = id {
        object = object.number("id", id.into());
    }
    let object = object.text("code", code.name());
    object.text("message", message).done()
}

/// An object as it is written.
pub(super) struct Object(Vec<u8>);

impl Object {
    pub(super) fn new(kind: &'static str) -> Self {
        Object([br#"{"type":""#, kind.as_bytes(), b"\""].concat())
    }

    pub(super) fn number(self, field: &'static str, value: u64) -> Self {
        self.json(field, value.to_string().as_bytes())
    }

    pub(super) fn text(mut self, field: &'static str, value: &str) -> Self {
        self.field(field);
        push_text(&mut self.0, value);
        self
    }

    /// A value that is JSON already.
    pub(super) fn json(mut self, field: &'static str, value: &[u8]) -> Self {
        self.field(field);
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn done(mut self) -> Bytes {
        self.0.push(b'}');
        Bytes::from(self.0)
    }

    fn field(&mut self, field: &'static str) {
        for part in [b",\"", field.as_bytes(), b"\":"] {
            self.0.extend_from_slice(part);
        }
    }
}

/// Writes a text as a JSON string.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut plain = text.as_bytes();
    let needs_escape = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    while let Some(at) = plain.iter().position(needs_escape) {
        out.extend_from_slice(&plain[..at]);
        match plain[at] {
            byte @ (b'"' | b'\\') => out.extend([b'\\', byte]),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            byte => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(br"\u00");
                out.extend_from_slice(&digits);
            }
        }
        plain = &plain[at + 1..];
    }
    out.extend_from_slice(plain);
    out.push(b'"');
}
