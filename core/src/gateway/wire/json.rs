//! The JSON protocol: what its text messages say, and how they are written.
//!
//! The words are explained to the authors of clients in `PROTOCOL.md`. Here are two
//! directions: `parse` reads strictly what clients send, so that a misspelt field is an
//! error and not a subscription to something else; `build` and `event` write what
//! they get. Nothing here knows connections.

mod build;
mod event;
mod malformed;
mod parse;

#[cfg(test)]
mod tests;

use memchr::memchr2_iter;

pub(crate) use build::{
    Code, closed, error, lagged, message, pong, reconnect, subscribed, unsubscribed, welcome,
};
pub(crate) use event::{EventBody, TAIL};
pub(crate) use parse::{Asked, parse};

/// The name of the protocol, as the WebSocket handshake agrees on it.
pub(crate) const NAME: &str = "distributary.v1.json";
/// What a `welcome` says of it.
const VERSION: u32 = 1;
/// The largest id that a client may choose. Those beyond it, and 0, are the server's.
pub(crate) const LARGEST_ID: u32 = i32::MAX as u32;
/// How deep objects and lists may be nested in what is passed on as JSON: what the
/// parsers of most languages take.
const MAX_DEPTH: usize = 100;

/// Whether more than [`MAX_DEPTH`] objects and lists are open at a time, in a text that is
/// valid JSON.
fn is_too_deep(json: &[u8]) -> bool {
    // Long texts often hold few brackets, and to count those is much faster than to look
    // at every byte.
    if memchr2_iter(b'{', b'[', json).nth(MAX_DEPTH).is_none() {
        return false;
    }
    let mut open = 0_usize;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                if open > MAX_DEPTH {
                    return true;
                }
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => _ = bytes.next(),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    false
}
