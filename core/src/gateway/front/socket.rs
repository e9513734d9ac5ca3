//! A socket that costs the runtime's poll nothing until it has to wait.
//!
//! Most clients send their request with the last segment of TCP's handshake or right
//! behind it, so that it is there when the socket is first read. Such a socket goes to
//! a lane without ever having been registered here: four system calls and a wake-up
//! saved of about ten.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::gateway::lanes::NO_SIGNAL;

/// How much is read at a time: more than the head of most requests.
const READ: usize = 2_048;

/// A socket, not blocking, on its way through the handshake.
pub(super) enum Socket {
    /// Not known to the runtime.
    Fresh(std::net::TcpStream),
    Waiting(tokio::net::TcpStream),
    /// Could not be registered.
    Lost,
}

impl Socket {
    /// Takes it away from the runtime again.
    pub(super) fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self {
            Socket::Fresh(stream) => Ok(stream),
            Socket::Waiting(stream) => stream.into_std(),
            Socket::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Lets the runtime know of it.
    pub(super) fn into_tokio(self) -> io::Result<tokio::net::TcpStream> {
        match self {
            Socket::Fresh(stream) => tokio::net::TcpStream::from_std(stream),
            Socket::Waiting(stream) => Ok(stream),
            Socket::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn waiting(&mut self) -> io::Result<Pin<&mut tokio::net::TcpStream>> {
        *self = Socket::Waiting(std::mem::replace(self, Socket::Lost).into_tokio()?);
        match self {
            Socket::Waiting(stream) => Ok(Pin::new(stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Does this at once if the socket is fresh and ready for it; `None` if it is to
    /// wait.
    fn at_once<T>(
        &mut self,
        mut act: impl FnMut(&std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let Socket::Fresh(stream) = self else {
            return None;
        };
        loop {
            match act(stream) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                done => return Some(done),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining().min(READ);
        let free = buffer.initialize_unfilled_to(room);
        match self.at_once(|mut stream| stream.read(free)) {
            Some(Ok(read)) => {
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => self.waiting()?.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(done) = self.at_once(|mut stream| stream.write(bytes)) {
            return Poll::Ready(done);
        }
        let stream = self.waiting()?;
        // The runtime may not know yet that a socket it was just given takes bytes. hyper
        // does not always wait for that: of a request whose body it gave up it takes the
        // answer for written once it holds it.
        match SockRef::from(&*stream).send_with_flags(bytes, NO_SIGNAL) {
            Ok(sent) => Poll::Ready(Ok(sent)),
            Err(_) => stream.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Fresh(stream) => Poll::Ready(stream.shutdown(std::net::Shutdown::Write)),
            Socket::Waiting(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Lost => Poll::Ready(Ok(())),
        }
    }
}
