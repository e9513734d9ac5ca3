//! A socket that costs the runtime's poll nothing until it has to wait.
//!
//! Most clients send their request with the last segment of TCP's handshake or right
//! behind it, so that it is there when the socket is first read. Such a socket goes to
//! a lane without ever having been registered here: four system calls and a wake-up
//! saved of about ten.
//!
//! hyper has it while the application is asked, and reads nothing meanwhile: whether the
//! client is still there is seen from outside, by a [`Socket`] that is a second handle.

use std::{
    future::{Future, poll_fn},
    io::{self, Read, Write},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::{gateway::lanes::NO_SIGNAL, sync::Mutex};

/// How much is read at a time: more than the head of most requests.
const READ: usize = 2_048;

/// A socket, not blocking, on its way through the handshake. Its handles are used by one
/// task, one after the other; the lock is for the compiler.
#[derive(Clone)]
pub(super) struct Socket(Arc<Mutex<State>>);

enum State {
    /// Not known to the runtime.
    Fresh(std::net::TcpStream),
    Waiting(tokio::net::TcpStream),
    /// Taken away, or it could not be registered.
    Lost,
}

impl Socket {
    pub(super) fn fresh(stream: std::net::TcpStream) -> Self {
        Socket(Arc::new(Mutex::new(State::Fresh(stream))))
    }

    /// Takes it away from the runtime again, and from the other handles.
    pub(super) fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.0.lock().take() {
            State::Fresh(stream) => Ok(stream),
            State::Waiting(stream) => stream.into_std(),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Takes it away from the other handles.
    pub(super) fn into_tokio(self) -> io::Result<tokio::net::TcpStream> {
        self.0.lock().take().into_tokio()
    }

    /// Until the client has closed its side, or the connection is broken. Nothing is read.
    ///
    /// A client that closes its sending side alone is not told apart from one that has
    /// gone: it could neither answer a ping nor say goodbye, and a lane lets go of it.
    pub(super) async fn closed(&self) {
        poll_fn(|cx| self.0.lock().poll_closed(cx)).await;
    }
}

impl State {
    fn take(&mut self) -> Self {
        std::mem::replace(self, State::Lost)
    }

    /// Lets the runtime know of it.
    fn into_tokio(self) -> io::Result<tokio::net::TcpStream> {
        match self {
            State::Fresh(stream) => tokio::net::TcpStream::from_std(stream),
            State::Waiting(stream) => Ok(stream),
            State::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn waiting(&mut self) -> io::Result<Pin<&mut tokio::net::TcpStream>> {
        *self = State::Waiting(self.take().into_tokio()?);
        match self {
            State::Waiting(stream) => Ok(Pin::new(stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(stream) = self.waiting() else {
            return Poll::Ready(());
        };
        while ready!(stream.poll_read_ready(cx)).is_ok() {
            // Ready it is: what for is known without waiting.
            match ready!(pin!(stream.ready(Interest::READABLE)).poll(cx)) {
                Ok(ready) if !ready.is_read_closed() => {
                    // Something was sent ahead, which is the lane's to read. The system tells
                    // again when more comes, or the end.
                    let _ = stream.try_io(Interest::READABLE, || {
                        Err::<(), _>(io::ErrorKind::WouldBlock.into())
                    });
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }

    /// Does this at once if the socket is fresh and ready for it; `None` if it is to
    /// wait.
    fn at_once<T>(
        &mut self,
        mut act: impl FnMut(&std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let State::Fresh(stream) = self else {
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        let room = buffer.remaining().min(READ);
        let free = buffer.initialize_unfilled_to(room);
        match state.at_once(|mut stream| stream.read(free)) {
            Some(Ok(read)) => {
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => state.waiting()?.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if let Some(done) = state.at_once(|mut stream| stream.write(bytes)) {
            return Poll::Ready(done);
        }
        let stream = state.waiting()?;
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
        match &mut *self.0.lock() {
            State::Fresh(stream) => Poll::Ready(stream.shutdown(std::net::Shutdown::Write)),
            State::Waiting(stream) => Pin::new(stream).poll_shutdown(cx),
            State::Lost => Poll::Ready(Ok(())),
        }
    }
}
