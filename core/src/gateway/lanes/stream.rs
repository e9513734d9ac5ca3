//! The sockets that lanes serve.

use std::{net::TcpStream, os::unix::net::UnixStream};

/// A socket, not blocking.
#[derive(Debug)]
pub(in crate::gateway) enum Stream {
    Tcp(TcpStream),
    /// The near end of a pair whose far end a task copies to a stream of another kind
    /// (TLS, say) that was taken over.
    Pipe(UnixStream),
}
