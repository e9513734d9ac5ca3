//! A TCP proxy in front of a server, that fails as networks do.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::another;

/// What happens to bytes on their way, in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Flow {
    /// They go through.
    Open,
    /// They lie where they are, and nobody is told: connections stay up, new ones are
    /// made, nothing arrives. Opened again, all of it goes on.
    BlackHole,
    /// So many bytes a second, in each direction of each connection.
    Throttled(u64),
    /// Each part is that much later than it was sent.
    Late(Duration),
}

/// A proxy on a port of its own; ended when dropped.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    to: u16,
    state: Mutex<State>,
    turned: Condvar,
    accepted: AtomicU64,
}

struct State {
    flow: Flow,
    refusing: bool,
    ended: bool,
    /// Both ends of each connection.
    pairs: Vec<(TcpStream, TcpStream)>,
    /// What clients say by the first so many connections is swallowed.
    deaf: u64,
    /// The same, and it waits here.
    held: u64,
}

impl Proxy {
    /// In front of a port of this machine.
    pub(crate) fn before(to: u16) -> Proxy {
        let (port, listener) = loop {
            let port = another();
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                break (port, listener);
            }
        };
        let shared = Arc::new(Shared {
            to,
            state: Mutex::new(State {
                flow: Flow::Open,
                refusing: false,
                ended: false,
                pairs: Vec::new(),
                deaf: 0,
                held: 0,
            }),
            turned: Condvar::new(),
            accepted: AtomicU64::new(0),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.accept(port, listener))
        };
        Proxy {
            port,
            shared,
            accepting: Some(accepting),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Connections taken so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    pub(crate) fn flow(&self, flow: Flow) {
        self.shared.lock().flow = flow;
        self.shared.turned.notify_all();
    }

    /// Ends all connections, and takes new ones.
    pub(crate) fn cut(&self) {
        for pair in self.shared.lock().pairs.drain(..) {
            end(&pair);
        }
    }

    /// Swallows from now on what clients say by the connections that there are; what the
    /// server says goes through, and so does everything by new ones.
    pub(crate) fn deafen(&self) {
        self.shared.lock().deaf = self.accepted();
    }

    /// Keeps from now on what clients say by the connections that there are.
    pub(crate) fn hold(&self) {
        self.shared.lock().held = self.accepted();
    }

    /// Lets go on what was held.
    pub(crate) fn let_go(&self) {
        self.shared.lock().held = 0;
        self.shared.turned.notify_all();
    }

    /// Whether new connections are refused, as by a machine on which nobody listens.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.lock().refusing = refusing;
        // The listener's thread looks every few milliseconds.
        super::until("the proxy listens, or not", || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() == refusing
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.turned.notify_all();
        self.cut();
        if let Some(thread) = self.accepting.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn accept(self: &Arc<Self>, port: u16, listener: TcpListener) {
        let mut listener = Some(listener);
        loop {
            let (ended, refusing) = {
                let state = self.lock();
                (state.ended, state.refusing)
            };
            if ended {
                return;
            }
            if refusing {
                listener = None;
            } else if listener.is_none() {
                listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok();
            }
            let taken = listener.as_ref().and_then(|listener| {
                listener.set_nonblocking(true).ok()?;
                listener.accept().ok()
            });
            match taken {
                Some((client, _)) => self.join(client),
                None => thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Connects a client to the server. Where there is none, the client is let go.
    fn join(self: &Arc<Self>, client: TcpStream) {
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        client.set_nonblocking(false).ok();
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.to)) else {
            return;
        };
        for stream in [&client, &server] {
            stream.set_nodelay(true).ok();
        }
        let clones = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
        let (Some(kept), Some((from, to))) = (clones(), clones()) else {
            return;
        };
        let mut state = self.lock();
        if state.ended {
            return;
        }
        state.pairs.push(kept);
        drop(state);
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || there.pump(client, server, Some(number)));
        thread::spawn(move || back.pump(to, from, None));
    }

    /// Copies one direction until either end closes: what the client of this number says, or
    /// what the server says.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream, client: Option<u64>) {
        let is_lost = || client.is_some_and(|number| number < self.lock().deaf);
        let mut bytes = vec![0; 16 << 10];
        while let Ok(length) = from.read(&mut bytes) {
            if length == 0 || !self.passes(length, client) {
                break;
            }
            if !is_lost() && to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        end(&(from, to));
    }

    /// Waits until so many bytes may go on; false at the end.
    fn passes(&self, length: usize, client: Option<u64>) -> bool {
        let mut state = self.lock();
        loop {
            if state.ended {
                return false;
            }
            let is_held = client.is_some_and(|number| number < state.held);
            let wait = match state.flow {
                Flow::Open if !is_held => return true,
                Flow::Open | Flow::BlackHole => {
                    state = self
                        .turned
                        .wait(state)
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                    continue;
                }
                Flow::Throttled(rate) => Duration::from_secs_f64(length as f64 / rate as f64),
                Flow::Late(late) => late,
            };
            drop(state);
            thread::sleep(wait);
            return true;
        }
    }
}

fn end((one, other): &(TcpStream, TcpStream)) {
    for stream in [one, other] {
        stream.shutdown(Shutdown::Both).ok();
    }
}
