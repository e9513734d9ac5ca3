//! A pair of connected sockets: a byte that goes into one makes the other readable.
//!
//! Every event loop can watch a socket, and ringing needs neither the interpreter nor a
//! lock of the loop.

use std::io::{self, Read, Write};

#[cfg(unix)]
use std::os::{fd::AsRawFd, unix::net::UnixStream as Stream};
#[cfg(windows)]
use std::{net::TcpStream as Stream, os::windows::io::AsRawSocket};

pub(crate) struct Doorbell {
    ring: Stream,
    listen: Stream,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let (ring, listen) = pair()?;
        ring.set_nonblocking(true)?;
        listen.set_nonblocking(true)?;
        Ok(Doorbell { ring, listen })
    }

    /// Never waits. A pair that is full is readable already.
    pub(crate) fn ring(&self) {
        let _ = (&self.ring).write(&[1]);
    }

    /// Takes what was rung, so that it is readable only when somebody rings again.
    pub(crate) fn hear(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.listen).read(&mut bytes), Ok(64)) {}
    }

    /// What to watch.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> i64 {
        self.listen.as_raw_fd().into()
    }

    /// What to watch.
    #[cfg(windows)]
    pub(crate) fn descriptor(&self) -> i64 {
        self.listen.as_raw_socket() as i64
    }
}

#[cfg(unix)]
fn pair() -> io::Result<(Stream, Stream)> {
    Stream::pair()
}

/// By way of the loopback, as Windows has nothing else that a loop can watch.
#[cfg(windows)]
fn pair() -> io::Result<(Stream, Stream)> {
    let door = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let ring = Stream::connect(door.local_addr()?)?;
    ring.set_nodelay(true)?;
    loop {
        // Whoever else knocks is not let in.
        let (listen, from) = door.accept()?;
        if from == ring.local_addr()? {
            return Ok((ring, listen));
        }
    }
}
