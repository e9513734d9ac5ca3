//! Ports that nobody listens on.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    sync::Mutex,
};

/// Below what Linux and macOS give to outgoing connections.
const RANGE: Range<u16> = 12_000..32_000;

static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// So far above its port is the bus of a node of a cluster. Settable only since Redis 7.
pub(crate) const BUS: u16 = 10_000;

/// A port that nobody listens on and that no other test of this process has had. Another
/// process may still be quicker: who binds it has to be ready to ask again.
pub(crate) fn another() -> u16 {
    free(RANGE, &[0])
}

/// The same, where the bus of a node has its port too.
pub(crate) fn with_bus() -> u16 {
    free(RANGE.start..RANGE.end - BUS, &[0, BUS])
}

/// A port of the range that is free, and so far above it too.
fn free(range: Range<u16>, offsets: &[u16]) -> u16 {
    let mut taken = TAKEN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let taken = taken.get_or_insert_default();
    for n in 0..10_000_u32 {
        let dice = RandomState::new().hash_one((n, std::process::id()));
        let port = range.start + (dice % u64::from(range.end - range.start)) as u16;
        let ports = || offsets.iter().map(|offset| port + offset);
        let is_free =
            |port| !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if ports().all(is_free) {
            taken.extend(ports());
            return port;
        }
    }
    panic!("no free port between {} and {}", range.start, range.end);
}
