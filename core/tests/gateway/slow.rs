//! Slow sockets: what gives way, what they are told, and what they cost the others.

mod between;
mod policies;
mod sharing;

use crate::harness::{Json, Raw, Server, TEXT, until};

/// Bytes of an event that matter to a socket: a few fill all buffers on the way.
const HEAVY: usize = 256 << 10;
/// So many of them fill them for sure.
const MANY: u64 = 80;

/// A JSON client that reads only when it is told to, and has little room till then.
fn stalled_json(server: &Server, target: &str) -> Json {
    Json::over(Raw::narrow(server.address()), target)
}

/// The same, payloads as they are.
fn stalled(server: &Server, target: &str) -> Raw {
    let mut raw = Raw::narrow(server.address());
    raw.upgrade(target, "");
    // Heard by a gateway that serves it.
    raw.send(TEXT, "here");
    assert_eq!(raw.text(), "here");
    raw
}

#[track_caller]
fn wait_stalled(server: &Server, sockets: u64) {
    until("so many sockets stall", || {
        server.stats().stalled == sockets
    });
}
