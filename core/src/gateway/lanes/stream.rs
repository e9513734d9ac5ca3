//! What lanes ask of a socket, and the sockets that they serve.

use std::io::{self, IoSlice, Read, Write};

use mio::{Interest, Registry, Token, event::Source};
use socket2::SockRef;

use crate::gateway::limits::Limits;

/// A byte stream that never blocks. A test or a bench has streams of its own.
pub(in crate::gateway) trait Transport {
    /// Sends what the system takes now.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// The same with bytes from several places.
    fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Receives what is there; 0 is the end.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Says that nothing more will be sent.
    fn finish(&self);

    /// Has the system forget what it has not sent, once this is dropped.
    fn abort(&self);
}

/// A connected socket before a lane has taken it in.
#[derive(Debug)]
pub(in crate::gateway) enum Stream {
    /// Not blocking.
    Tcp(std::net::TcpStream),
    /// The same with all options set.
    Prepared(std::net::TcpStream),
    /// The near end of a pair whose far end a task copies to a stream of another kind
    /// (TLS, say) that was taken over. Not blocking.
    Pipe(std::os::unix::net::UnixStream),
}

/// A socket of a lane.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(mio::net::TcpStream),
    Pipe(mio::net::UnixStream),
}

/// A write to a socket that was reset must be an error and nothing else.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(in crate::gateway) const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(in crate::gateway) const NO_SIGNAL: i32 = 0;

impl Stream {
    /// A connection of a listener that has the options of a lane's sockets: Linux hands
    /// them on, which spares three calls for each.
    pub(in crate::gateway) fn accepted(stream: std::net::TcpStream) -> Self {
        match cfg!(target_os = "linux") {
            true => Stream::Prepared(stream),
            false => Stream::Tcp(stream),
        }
    }
}

impl Socket {
    /// Takes a socket in: sets its options and has its readiness told as `token`.
    pub(super) fn adopt(
        stream: Stream,
        limits: &Limits,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match stream {
            Stream::Tcp(stream) => {
                set_options(&SockRef::from(&stream), limits)?;
                Socket::adopt(Stream::Prepared(stream), limits, registry, token)
            }
            Stream::Prepared(stream) => {
                let mut stream = mio::net::TcpStream::from_std(stream);
                stream.register(registry, token, interest)?;
                Ok(Socket::Tcp(stream))
            }
            Stream::Pipe(stream) => {
                let mut stream = mio::net::UnixStream::from_std(stream);
                stream.register(registry, token, interest)?;
                Ok(Socket::Pipe(stream))
            }
        }
    }
}

/// What every TCP socket of a lane has.
pub(in crate::gateway) fn set_options(socket: &SockRef<'_>, limits: &Limits) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    socket.set_tcp_notsent_lowat(limits.unsent)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(vanished(limits))?;
    Ok(())
}

/// When the system gives a peer up that acknowledges nothing: a client of Server-Sent
/// Events answers no ping, and what keeps its connection alive never fills a buffer. Later
/// than a write times out, which has a name of its own. For times that the system cannot
/// say its own decision holds.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn vanished(limits: &Limits) -> Option<std::time::Duration> {
    let after = limits.write_timeout.checked_add(limits.close_timeout)?;
    (after.as_millis() < i32::MAX as u128).then_some(after)
}

impl Transport for Socket {
    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write(bytes),
            Socket::Pipe(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => {
                SockRef::from(stream).send_vectored_with_flags(slices, NO_SIGNAL)
            }
            Socket::Pipe(stream) => {
                SockRef::from(stream).send_vectored_with_flags(slices, NO_SIGNAL)
            }
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).read(buffer),
            Socket::Pipe(stream) => (&mut &*stream).read(buffer),
        }
    }

    fn finish(&self) {
        // A socket that is gone already has nothing to finish.
        let _ = match self {
            Socket::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Socket::Pipe(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
    }

    fn abort(&self) {
        if let Socket::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_listener_hands_its_options_on() {
        let limits = Limits::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        set_options(&SockRef::from(&listener), &limits).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let options = SockRef::from(&accepted);
        assert!(options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_notsent_lowat().unwrap(), limits.unsent);
        assert_eq!(options.tcp_user_timeout().unwrap(), vanished(&limits));
    }
}
