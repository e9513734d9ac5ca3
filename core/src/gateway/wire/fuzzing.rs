//! What clients send, read for the fuzz targets.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::{
    decode::{
        Decoder, Violation,
        naive::{self, Said},
    },
    json::{self, Asked},
};
use crate::{feed::Budget, gateway::hooks::Message, hub::SubscribeOptions, selector::Selector};

/// What a connection's bytes say, message by message, and what is wrong with them.
pub type Heard = (Vec<String>, Option<String>);

/// What the bytes of a WebSocket say when they come in pieces of these sizes, the rest
/// in one. `most` is the length of the largest message allowed.
pub fn websocket(bytes: &[u8], pieces: &[usize], most: usize) -> Heard {
    let mut decoder = Decoder::default();
    let mut said = Vec::new();
    let mut rest = bytes.to_owned();
    let mut pieces = pieces.iter().copied();
    while !rest.is_empty() {
        let size = pieces.next().unwrap_or(usize::MAX).min(rest.len());
        let after = rest.split_off(size);
        let fed = decoder.feed(&mut rest, most, &mut |incoming| {
            said.push(Said::from(incoming));
            ControlFlow::Continue(())
        });
        assert!(decoder.held() <= most + 256, "holds {}", decoder.held());
        if let Err(violation) = fed {
            assert_eq!(decoder.held(), 0);
            return heard(said, Some(violation));
        }
        rest = after;
    }
    heard(said, None)
}

/// The same by a decoder that keeps nothing and begins anew.
pub fn naive_websocket(bytes: &[u8], most: usize) -> Heard {
    let (said, violation) = naive::decode(bytes, most);
    heard(said, violation)
}

fn heard(said: Vec<Said>, violation: Option<Violation>) -> Heard {
    let said = said.into_iter().map(|said| format!("{said:?}")).collect();
    (said, violation.map(|violation| format!("{violation:?}")))
}

/// What a client of the JSON protocol asked for.
#[derive(Debug)]
pub enum Request {
    /// A subscription.
    Subscribe {
        /// Its number.
        id: u32,
        /// What it is to.
        selector: Selector,
        /// How it is served.
        options: SubscribeOptions,
    },
    /// The end of the subscription of this number.
    Unsubscribe(u32),
    /// A sign of life.
    Ping,
    /// Something for the application.
    Message(String),
}

/// Reads a message of the JSON protocol.
///
/// # Errors
/// The number of the subscription that it is about, as far as it could be read, and what
/// the client is told.
pub fn json_request(text: &str) -> Result<Request, (Option<u32>, String)> {
    match json::parse(text, Budget::default()) {
        Ok(Asked::Subscribe { id, wish }) => Ok(Request::Subscribe {
            id,
            selector: wish.selector,
            options: wish.options,
        }),
        Ok(Asked::Unsubscribe { id }) => Ok(Request::Unsubscribe(id)),
        Ok(Asked::Ping) => Ok(Request::Ping),
        Ok(Asked::Message(data)) => Ok(Request::Message(data)),
        Err(refused) => Err((refused.id, refused.message)),
    }
}

/// A message of the application as a client of the JSON protocol gets it.
pub fn json_message(payload: Bytes) -> Bytes {
    json::message(Message::Binary(payload))
}
