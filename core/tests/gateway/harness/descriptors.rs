//! What this process holds open, as the system tells it.

use std::{collections::HashSet, fs, net::SocketAddr};

/// How many descriptors this process has.
pub(crate) fn all_descriptors() -> usize {
    // One of them reads the directory.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// How many sockets this process has whose own end is this address: those of a gateway
/// that listens there, its listener included. Other tests of the same process do not
/// disturb the count.
pub(crate) fn sockets_at(address: SocketAddr) -> usize {
    let own: HashSet<String> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.to_owned()))
        .collect();
    // The table has a line for every connection of the machine, so it is searched for
    // the few that matter: `sl local_address rem_address ...`, the inode tenth.
    let table = fs::read("/proc/self/net/tcp").unwrap();
    let port = format!(":{:04X} ", address.port());
    let inodes = memchr::memmem::find_iter(&table, &port).filter_map(|at| {
        let start = memchr::memrchr(b'\n', &table[..at])? + 1;
        let end = at + memchr::memchr(b'\n', &table[at..])?;
        let line = std::str::from_utf8(&table[start..end]).ok()?;
        let mut columns = line.split_whitespace();
        let is_own_end = columns.nth(1)?.ends_with(port.trim_end());
        is_own_end.then(|| columns.nth(7).map(str::to_owned))?
    });
    inodes
        .filter(|inode| own.contains(&format!("socket:[{inode}]")))
        .count()
}
