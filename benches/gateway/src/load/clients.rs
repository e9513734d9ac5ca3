//! Sockets that are connected, that receive, and that leave.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, SockRef, Socket, Type};

use super::Server;
use crate::{
    Outcome,
    clock::now,
    wire::{ALL, Item, Protocol, Scanner},
};

/// What anything may take before it is an error.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait for anything at all.
const SILENCE: Duration = Duration::from_secs(20);

pub(super) struct Clients {
    protocol: Protocol,
    address: SocketAddr,
    poll: Poll,
    ready: Events,
    buffer: Vec<u8>,
    /// By token. An empty place is one that has left.
    places: Vec<Option<Client>>,
    /// They do not read, so they need not be looked at.
    stalled: Vec<TcpStream>,
    /// Clients that are open.
    open: usize,
    /// Events that have come whole, to all that are open together.
    events: usize,
}

struct Client {
    stream: TcpStream,
    scanner: Scanner,
    /// Events that it has had of those that are counted.
    events: usize,
    /// What is said when the connection stands.
    hello: Option<Vec<u8>>,
}

impl Clients {
    pub(super) fn new(server: &Server) -> Outcome<Self> {
        Ok(Clients {
            protocol: server.protocol,
            address: server.address,
            poll: Poll::new()?,
            ready: Events::with_capacity(1_024),
            buffer: vec![0; 64 << 10],
            places: Vec::new(),
            stalled: Vec::new(),
            open: 0,
            events: 0,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.open
    }

    /// Connects so many, so many at a time. How long it took, in nanoseconds.
    pub(super) fn connect(
        &mut self,
        count: usize,
        in_flight: usize,
        path: impl Fn(usize) -> String,
    ) -> Outcome<u64> {
        self.fill(count, in_flight, None, path)
    }

    fn fill(
        &mut self,
        count: usize,
        in_flight: usize,
        receive_buffer: Option<usize>,
        path: impl Fn(usize) -> String,
    ) -> Outcome<u64> {
        let started = now();
        let (before, deadline) = (self.open, Instant::now() + PATIENCE);
        let mut free = 0;
        let mut begun = 0;
        while self.open < before + count {
            while begun < count && begun < self.open - before + in_flight {
                while self.places.get(free).is_some_and(Option::is_some) {
                    free += 1;
                }
                if free == self.places.len() {
                    self.places.push(None);
                }
                let mut stream = connecting(self.address, receive_buffer)?;
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll
                    .registry()
                    .register(&mut stream, Token(free), interest)?;
                self.places[free] = Some(Client {
                    stream,
                    scanner: self.protocol.scanner(),
                    events: 0,
                    hello: Some(self.protocol.hello(&path(begun))),
                });
                begun += 1;
            }
            self.turn(deadline)?;
        }
        Ok(now() - started)
    }

    /// Connects so many that never read again.
    pub(super) fn stall(&mut self, count: usize, receive_buffer: usize) -> Outcome<()> {
        let first = self.places.len();
        // Behind all others, so that they can be told apart.
        self.places
            .iter()
            .position(Option::is_none)
            .map_or(Ok(()), |_| Err("stalled clients come before any has left"))?;
        self.fill(count, 64, Some(receive_buffer), |_| ALL.to_owned())?;
        for client in self.places.drain(first..).flatten() {
            let mut stream = client.stream;
            self.poll.registry().deregister(&mut stream)?;
            self.stalled.push(stream);
            self.open -= 1;
        }
        Ok(())
    }

    /// Publishes so many events, and waits until everybody has them. How long it took.
    pub(super) fn receive(
        &mut self,
        times: usize,
        publish: impl FnOnce() -> Outcome<()>,
    ) -> Outcome<u64> {
        self.forget_events();
        let started = now();
        publish()?;
        self.receive_rest(times)?;
        Ok(now() - started)
    }

    /// As [`receive`](Self::receive), but so many leave as soon as half of all have the
    /// first event. When the last of them had left.
    pub(super) fn receive_and_leave(
        &mut self,
        leaving: usize,
        times: usize,
        publish: impl FnOnce() -> Outcome<()>,
    ) -> Outcome<u64> {
        self.forget_events();
        let deadline = Instant::now() + PATIENCE;
        publish()?;
        while self.events < self.open / 2 {
            self.turn(deadline)?;
        }
        let apart = (self.open / leaving.max(1)).max(1);
        let open = self.places.iter_mut().filter(|place| place.is_some());
        let left = open.step_by(apart).take(leaving).filter_map(Option::take);
        let had: usize = left.map(|client| client.events).sum();
        let left_at = now();
        self.events -= had;
        self.open -= leaving;
        self.receive_rest(times)?;
        Ok(left_at)
    }

    fn forget_events(&mut self) {
        self.events = 0;
        let open = self.places.iter_mut().flatten();
        open.for_each(|client| client.events = 0);
    }

    fn receive_rest(&mut self, times: usize) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        let awaited = self.open * times;
        while self.events < awaited {
            self.turn(deadline)?;
        }
        match self.events == awaited {
            true => Ok(()),
            false => Err(format!("{} events came, {awaited} were awaited", self.events).into()),
        }
    }

    /// Everybody leaves, without a farewell: nothing of them stays in the system.
    pub(super) fn clear(&mut self) {
        let stalled = self.stalled.drain(..);
        let others = self.places.drain(..).flatten().map(|client| client.stream);
        for stream in stalled.chain(others) {
            // A plain close is as good, but leaves the port taken for a minute.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        self.open = 0;
    }

    /// Reads from everybody for whom there is something.
    fn turn(&mut self, deadline: Instant) -> Outcome<()> {
        match self.poll.poll(&mut self.ready, Some(SILENCE)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        if self.ready.is_empty() || Instant::now() > deadline {
            let (open, events) = (self.open, self.events);
            return Err(format!("too slow: {open} are open, {events} events came").into());
        }
        for event in &self.ready {
            let Some(Some(client)) = self.places.get_mut(event.token().0) else {
                continue;
            };
            if event.is_writable() && client.hello.is_some() {
                client.speak()?;
            }
            if event.is_readable() {
                let (opened, events) = client.read(&mut self.buffer)?;
                self.open += opened;
                self.events += events;
            }
        }
        Ok(())
    }
}

impl Client {
    /// Says hello, which is short enough for an empty socket.
    fn speak(&mut self) -> Outcome<()> {
        if let Some(error) = self.stream.take_error()? {
            return Err(format!("not connected: {error}").into());
        }
        if let Some(hello) = self.hello.take() {
            match self.stream.write(&hello) {
                Ok(written) if written == hello.len() => {}
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    self.hello = Some(hello);
                }
                Err(error) => return Err(error.into()),
                Ok(_) => return Err("a new connection takes no hello".into()),
            }
        }
        Ok(())
    }

    /// Reads all there is: whether it has opened, and how many events have ended.
    fn read(&mut self, buffer: &mut [u8]) -> Outcome<(usize, usize)> {
        let (mut opened, mut events) = (0, 0);
        let mut answers = Vec::new();
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Err("the server has closed a connection".into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let each = |item: Item<'_>| match item {
                Item::Ready => opened += 1,
                Item::Event(_) => events += 1,
                Item::Ping(payload) => answers.extend(crate::wire::masked(0xA, payload)),
                Item::Pong | Item::Close => {}
            };
            self.scanner
                .scan(&buffer[..read], each)
                .map_err(|error| error.0)?;
            // A short read has emptied the socket: what comes later is a new edge.
            if read < buffer.len() {
                break;
            }
        }
        self.events += events;
        if !answers.is_empty() {
            self.stream.write_all(&answers)?;
        }
        Ok((opened, events))
    }
}

/// A socket on its way to the server.
pub(super) fn connecting(address: SocketAddr, receive_buffer: Option<usize>) -> Outcome<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(TcpStream::from_std(socket.into()))
}

/// A connect that has not ended yet, which `io::ErrorKind` does not name.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();
