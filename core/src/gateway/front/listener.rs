//! The listening socket.
//!
//! A storm of newcomers is taken in turns of [`TURN`], so that other tasks of the
//! runtime go on between them. Sockets are accepted without telling the runtime's poll
//! about them: see [`Socket`](super::socket::Socket).

use std::{
    fs::File,
    io,
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use socket2::{Domain, Protocol, SockRef, Type};
use tokio::io::unix::AsyncFd;

use super::Inner;
use crate::gateway::{lanes::set_options, limits::Limits};

/// Connections that the system keeps for us between turns.
const BACKLOG: i32 = 4_096;

/// Connections accepted before other tasks have their turn.
const TURN: usize = 64;

/// How long nothing is accepted when the system has nothing to accept with: no
/// descriptor, no memory. The backlog keeps those who wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections. Where the process has no descriptor left it gives up one of its
/// own for a moment, so that who comes then is told so and who asks after the gateway's
/// health gets an answer.
pub(super) struct Listener {
    socket: AsyncFd<mio::net::TcpListener>,
    /// A descriptor that is held for nothing else.
    spare: Mutex<Option<File>>,
}

/// A connection from the listener.
pub(super) struct Caller {
    pub(super) stream: TcpStream,
    pub(super) address: IpAddr,
    /// It has the last descriptor there was, and must not keep it.
    pub(super) is_last: bool,
}

impl Listener {
    /// Listens there. Belongs to the runtime in which it is called.
    pub(super) fn bind(address: SocketAddr, limits: &Limits) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        // A restart need not wait for the connections of its predecessor to be forgotten.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // For those that are accepted.
        set_options(&SockRef::from(&socket), limits)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let listener = mio::net::TcpListener::from_std(socket.into());
        #[allow(
            deprecated,
            reason = "its successor is unsafe, for descriptors that may change; this one does not"
        )]
        let listener = AsyncFd::new(listener)?;
        Ok(Listener {
            socket: listener,
            spare: Mutex::new(spare()),
        })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }

    /// Accepts until the runtime ends.
    pub(super) async fn run(self, front: Arc<Inner>, arrived: impl Fn(&Arc<Inner>, Caller)) {
        while let Ok(turn) = self.turn(&front, &arrived).await {
            match turn {
                Turn::Caught => {}
                Turn::More => tokio::task::yield_now().await,
                Turn::Short => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn turn(
        &self,
        front: &Arc<Inner>,
        arrived: &impl Fn(&Arc<Inner>, Caller),
    ) -> io::Result<Turn> {
        let mut ready = self.socket.readable().await?;
        let mut is_last = false;
        {
            let mut held = self.spare.lock();
            *held = held.take().or_else(spare);
        }
        for _ in 0..TURN {
            match ready.try_io(|listener| listener.get_ref().accept()) {
                Ok(Ok((stream, peer))) => {
                    let caller = Caller {
                        stream: stream.into(),
                        address: peer.ip(),
                        is_last,
                    };
                    arrived(front, caller);
                    if is_last {
                        return Ok(Turn::Short);
                    }
                }
                Ok(Err(error)) => {
                    let meters = &front.shared.meters.front;
                    meters.accept_errors.fetch_add(1, Ordering::Relaxed);
                    if concerns_one(&error) {
                        continue;
                    }
                    is_last = !is_last && self.spare.lock().take().is_some();
                    if !is_last {
                        return Ok(Turn::Short);
                    }
                }
                Err(_nobody) => return Ok(Turn::Caught),
            }
        }
        Ok(Turn::More)
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// How a turn ended.
enum Turn {
    /// Nobody waits.
    Caught,
    More,
    /// The system is short of something.
    Short,
}

/// Whether an error is about the connection that was to be accepted, and the next may
/// do better.
fn concerns_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
