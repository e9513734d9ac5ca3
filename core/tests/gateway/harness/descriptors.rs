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
    let port = format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inodes = table.lines().skip(1).filter_map(|line| {
        let columns: Vec<_> = line.split_whitespace().collect();
        columns[1].ends_with(&port).then(|| columns[9].to_owned())
    });
    inodes
        .filter(|inode| own.contains(&format!("socket:[{inode}]")))
        .count()
}
