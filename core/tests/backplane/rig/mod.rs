//! What the tests hurt: real servers on private ports, and a proxy that fails on demand.
//!
//! Everything is ended when it is dropped, by its process id. Ports are outside the range
//! that the system gives to outgoing connections: a client that keeps trying a dead
//! server's port can there meet itself.

#![allow(dead_code, unused_imports, reason = "each test takes what it needs")]

mod cluster;
mod console;
mod ports;
mod process;
mod proxy;
mod sentinel;
mod server;
mod tests;
mod tls;

pub(crate) use cluster::{Cluster, MASTERS};
pub(crate) use console::{Answer, Console};
pub(crate) use ports::another;
pub(crate) use process::{Folder, Process, example, signal};
pub(crate) use proxy::{Flow, Proxy};
pub(crate) use sentinel::{NAME, Watched};
pub(crate) use server::{Plan, RIG, Release, Server};
pub(crate) use tls::Authority;

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that takes milliseconds on a machine at rest.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again until it holds; fails with `what` when it does not in time.
#[track_caller]
pub(crate) fn until(what: &str, holds: impl FnMut() -> bool) {
    until_within(PATIENCE, what, holds);
}

/// The same with a bound of its own; how long it took.
#[track_caller]
pub(crate) fn until_within(
    most: Duration,
    what: &str,
    mut holds: impl FnMut() -> bool,
) -> Duration {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < most, "waited {most:?} in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
    since.elapsed()
}
