//! What wakes the side that answers: one byte in a pair of sockets.
//!
//! A selector of Python's watches it, be it an event loop's or that of a thread. Whoever
//! rings needs no interpreter and never waits.

use std::{
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    sync::Arc,
};

use pyo3::prelude::*;

/// Both ends.
pub(super) struct Ring {
    strike: UnixStream,
    listen: UnixStream,
}

impl Ring {
    pub(super) fn new() -> io::Result<Self> {
        let (strike, listen) = UnixStream::pair()?;
        strike.set_nonblocking(true)?;
        listen.set_nonblocking(true)?;
        Ok(Ring { strike, listen })
    }

    pub(super) fn ring(&self) {
        // Full means that it is readable already.
        let _ = (&self.strike).write(&[1]);
    }

    /// Makes it unreadable until the next ring.
    pub(super) fn hush(&self) {
        let mut bytes = [0; 64];
        let _ = (&self.listen).read(&mut bytes);
    }
}

/// A ring as Python watches it. It outlives its gateway, so that a selector never watches
/// a descriptor that means something else by then.
#[pyclass(frozen, module = "distributary._native")]
pub(crate) struct Bell {
    ring: Arc<Ring>,
}

impl Bell {
    pub(super) fn new(ring: &Arc<Ring>) -> Self {
        let ring = Arc::clone(ring);
        Bell { ring }
    }
}

#[pymethods]
impl Bell {
    /// What becomes readable.
    fn fileno(&self) -> i32 {
        self.ring.listen.as_raw_fd()
    }

    /// Wakes whoever watches.
    fn ring(&self) {
        self.ring.ring();
    }
}
