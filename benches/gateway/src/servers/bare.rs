//! The floor: one thread, one poll, and for an event a loop that writes one frame to one
//! socket after another.
//!
//! It does what any server has to (it answers handshakes, pings and closes, and what a
//! socket does not take waits with a reference to the frame) and nothing else: no
//! subscriptions, no limits, no timeouts, and nobody is served while it writes.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
};

use bytes::Bytes;
use mio::{
    Events, Interest, Poll, Registry, Token,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{listen, orders::payload};
use crate::{
    Outcome,
    clock::now,
    wire::{Item, PROBE, WebSocketScanner, frame},
};

const CLIENTS: Token = Token(0);
const ORDERS: Token = Token(1);
/// Tokens of sockets begin here.
const FIRST: usize = 2;

pub(super) fn run() -> Outcome<()> {
    let mut clients = TcpListener::from_std(listen()?);
    let mut orders = TcpListener::from_std(listen()?);
    let mut poll = Poll::new()?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut clients, CLIENTS, Interest::READABLE)?;
    registry.register(&mut orders, ORDERS, Interest::READABLE)?;
    println!(
        "ready {} {}",
        clients.local_addr()?.port(),
        orders.local_addr()?.port()
    );
    let mut server = Server {
        registry,
        sockets: Vec::new(),
        free: Vec::new(),
        subscribed: 0,
        watchers: Vec::new(),
        buffer: vec![0; 16 << 10],
    };
    let mut ready = Events::with_capacity(1_024);
    loop {
        match poll.poll(&mut ready, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &ready {
            match event.token() {
                CLIENTS => server.accept(&clients, || State::Asking(Vec::new()))?,
                ORDERS => server.accept(&orders, || State::Ordering(Vec::new()))?,
                Token(token) => server.serve(token - FIRST, event.is_writable())?,
            }
        }
    }
}

struct Server {
    registry: Registry,
    sockets: Vec<Option<Socket>>,
    free: Vec<usize>,
    subscribed: usize,
    /// Who wants to know when no more than so many subscribers are left.
    watchers: Vec<(usize, usize)>,
    buffer: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    state: State,
    subscribed: bool,
    /// What it did not take yet: frames, and how much of the first it has.
    behind: VecDeque<Bytes>,
}

enum State {
    /// The request has come so far.
    Asking(Vec<u8>),
    Open(WebSocketScanner),
    /// A line has come so far.
    Ordering(Vec<u8>),
}

/// What is to be done after a socket was read.
enum Then {
    Nothing,
    Subscribe,
    Obey(Vec<String>),
    End,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener, state: impl Fn() -> State) -> Outcome<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or(self.sockets.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.registry
                .register(&mut stream, Token(FIRST + place), interest)?;
            let socket = Some(Socket {
                stream,
                state: state(),
                subscribed: false,
                behind: VecDeque::new(),
            });
            match place == self.sockets.len() {
                true => self.sockets.push(socket),
                false => self.sockets[place] = socket,
            }
        }
    }

    fn serve(&mut self, place: usize, writable: bool) -> Outcome<()> {
        let Some(Some(socket)) = self.sockets.get_mut(place) else {
            return Ok(());
        };
        let mut then = socket.read(&mut self.buffer).unwrap_or(Then::End);
        if writable && socket.flush().is_err() {
            then = Then::End;
        }
        match then {
            Then::Nothing => {}
            Then::Subscribe => {
                socket.subscribed = true;
                self.subscribed += 1;
            }
            Then::Obey(lines) => lines.iter().try_for_each(|line| self.obey(place, line))?,
            Then::End => self.end(place),
        }
        Ok(())
    }

    fn obey(&mut self, place: usize, line: &str) -> Outcome<()> {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["publish", bytes] => self.publish(bytes.parse()?),
            ["watch", left] => {
                self.watchers.push((left.parse()?, place));
                self.tell();
            }
            ref other => return Err(format!("what is {other:?}?").into()),
        }
        Ok(())
    }

    fn publish(&mut self, bytes: usize) {
        let frame = Bytes::from(frame(0x1, payload(bytes).as_bytes()));
        for place in 0..self.sockets.len() {
            if let Some(Some(socket)) = self.sockets.get_mut(place)
                && socket.subscribed
                && socket.send(&frame).is_err()
            {
                self.end(place);
            }
        }
    }

    fn end(&mut self, place: usize) {
        let ended = self.sockets[place].take();
        self.free.push(place);
        if ended.is_some_and(|socket| socket.subscribed) {
            self.subscribed -= 1;
            self.tell();
        }
    }

    fn tell(&mut self) {
        let (subscribed, sockets) = (self.subscribed, &mut self.sockets);
        self.watchers.retain(|&(left, place)| {
            if subscribed > left {
                return true;
            }
            if let Some(Some(socket)) = sockets.get_mut(place) {
                // When it has gone, nobody wants to know any more.
                let _ = writeln!(socket.stream, "reached {}", now());
            }
            false
        });
    }
}

impl Socket {
    fn send(&mut self, frame: &Bytes) -> io::Result<()> {
        let mut taken = 0;
        if self.behind.is_empty() {
            match self.stream.write(frame) {
                Ok(written) => taken = written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        if taken < frame.len() {
            self.behind.push_back(frame.slice(taken..));
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while let Some(first) = self.behind.front_mut() {
            match self.stream.write(first) {
                Ok(written) if written < first.len() => *first = first.slice(written..),
                Ok(_) => drop(self.behind.pop_front()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Outcome<Then> {
        let mut then = Then::Nothing;
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => return Ok(Then::End),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(then),
                Err(error) => return Err(error.into()),
            };
            match self.said(&buffer[..read])? {
                Then::Nothing => {}
                Then::End => return Ok(Then::End),
                other => then = other,
            }
            // A short read has emptied the socket: what comes later is a new edge.
            if read < buffer.len() {
                return Ok(then);
            }
        }
    }

    fn said(&mut self, bytes: &[u8]) -> Outcome<Then> {
        match &mut self.state {
            State::Asking(head) => {
                head.extend_from_slice(bytes);
                if !head.ends_with(b"\r\n\r\n") {
                    return Ok(Then::Nothing);
                }
                let (answer, subscribes) = answer(&String::from_utf8_lossy(head))?;
                self.stream.write_all(answer.as_bytes())?;
                self.state = State::Open(WebSocketScanner::frames());
                Ok(if subscribes {
                    Then::Subscribe
                } else {
                    Then::Nothing
                })
            }
            State::Open(scanner) => {
                let (mut answers, mut ended) = (Vec::new(), false);
                let each = |item: Item<'_>| match item {
                    Item::Ping(payload) => answers.extend(frame(0xA, payload)),
                    Item::Close => {
                        answers.extend(frame(0x8, &1_000_u16.to_be_bytes()));
                        ended = true;
                    }
                    Item::Ready | Item::Event(_) | Item::Pong => {}
                };
                scanner.scan(bytes, each).map_err(|error| error.0)?;
                // Short enough for any socket that was not stalled on purpose.
                self.stream.write_all(&answers)?;
                Ok(if ended { Then::End } else { Then::Nothing })
            }
            State::Ordering(line) => {
                let mut lines = Vec::new();
                for &byte in bytes {
                    match byte {
                        b'\n' => {
                            lines.push(String::from_utf8_lossy(line).into_owned());
                            line.clear();
                        }
                        other => line.push(other),
                    }
                }
                Ok(Then::Obey(lines))
            }
        }
    }
}

/// The answer to a handshake, and whether the client wants events.
fn answer(request: &str) -> Outcome<(String, bool)> {
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .ok_or("a request without a key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.trim().as_bytes())
    );
    Ok((answer, !request.starts_with(&format!("GET /{PROBE} "))))
}
