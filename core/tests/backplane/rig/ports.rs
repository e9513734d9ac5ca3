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

/// A port that nobody listens on and that no other test of this process has had. Another
/// process may still be quicker: who binds it has to be ready to ask again.
pub(crate) fn another() -> u16 {
    let mut taken = TAKEN
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let taken = taken.get_or_insert_default();
    for n in 0..10_000_u32 {
        let dice = RandomState::new().hash_one((n, std::process::id()));
        let port = RANGE.start + (dice % u64::from(RANGE.end - RANGE.start)) as u16;
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return port;
        }
    }
    panic!("no free port between {} and {}", RANGE.start, RANGE.end);
}
