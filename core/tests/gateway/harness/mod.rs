//! What the tests of the gateway stand on: a gateway that does what the query of a URL
//! says, and clients that say exactly what a test wants said.

mod alone;
mod descriptors;
mod json;
mod program;
mod proxy;
mod raw;
mod rng;
mod server;
mod sse;

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) use alone::{alone, child_of, part, raise_descriptors};
pub(crate) use descriptors::{all_descriptors, sockets_at};
pub(crate) use json::Json;
pub(crate) use program::{Ends, finish};
pub(crate) use proxy::Proxy;
pub(crate) use raw::{
    BINARY, CLOSE, CONTINUATION, Frame, Head, PING, PONG, Raw, TEXT, frame, upgrade_request,
};
pub(crate) use rng::Rng;
pub(crate) use server::{Server, Setup, unhex};
pub(crate) use sse::Sse;

/// Longer than anything takes that is going to happen, on a busy machine and without
/// optimization.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is so. `what` names it for the one who reads the failure.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "it never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A payload that carries its number and is this long.
pub(crate) fn numbered(number: u64, bytes: usize) -> String {
    let number = number.to_string();
    let rest = " ".repeat(bytes.saturating_sub(number.len()));
    number + &rest
}

/// The number that a payload carries.
#[track_caller]
pub(crate) fn number(payload: &[u8]) -> u64 {
    let text = std::str::from_utf8(payload).expect("payloads of tests are text");
    text.trim_end().parse().expect("a numbered payload")
}
