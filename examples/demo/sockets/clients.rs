//! The second process: thousands of WebSocket clients on one thread, as lean as they
//! can be, so that what is measured is the server.
//!
//! Each client checks every message it gets against the post whose turn it is, byte for
//! byte. A message that is lost, doubled or out of order is therefore found, and who it
//! happened to.

use std::{
    io::{self, BufRead, ErrorKind, Read, Write},
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    thread,
};

use mio::{Events, Interest, Poll, Registry, Token, Waker, net::TcpStream};

use super::super::{Failure, memory::Resident};
use super::{
    frames::{self, BINARY, CLOSE, Frame, PING, PONG, TEXT},
    link::{self, Order, Report, Summary, now},
    pings::Pinger,
};

/// Handshakes under way at a time.
const HANDSHAKES: usize = 128;

/// Rings when there is an order.
const ORDERS: Token = Token(usize::MAX);

/// Sent away, as a gateway that is closed does.
const GOING_AWAY: u16 = 1001;

/// Takes orders until there are no more.
pub(crate) fn run() -> ExitCode {
    match Crowd::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever gave the orders prints it; gone, nobody wants to know.
            let _ = link::report(&Report::Failed(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

/// The request that a client begins with.
pub(crate) fn request(address: SocketAddr, name: &str) -> Vec<u8> {
    // The key is any sixteen bytes in base64.
    format!(
        "GET /?name={name} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ZGVtb19jbGllbnRfa2V5IQ==\r\n\r\n"
    )
    .into_bytes()
}

struct Client {
    /// `None` once it is over.
    stream: Option<TcpStream>,
    stage: Stage,
    /// What has come and is not yet whole.
    rest: Vec<u8>,
    /// The beginning of a message that comes in fragments.
    message: Vec<u8>,
    /// Posts received.
    seen: usize,
    /// Only what it should, so far.
    is_well: bool,
    /// The code that the server closed with.
    code: Option<u16>,
    leaving: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Connecting,
    Asked,
    Open,
}

struct Crowd {
    poll: Poll,
    clients: Vec<Client>,
    pinger: Option<Pinger>,
    address: Option<SocketAddr>,
    posts: Vec<Vec<u8>>,
    /// How many are to be connected, and how many are.
    count: usize,
    connected: usize,
    /// What everybody who stays is to have, and how many do not have it yet.
    expected: usize,
    behind: usize,
    waiting: bool,
    /// How many are to leave, once all together have so many posts.
    leave: Option<(usize, u64)>,
    summary: Summary,
}

impl Crowd {
    fn serve() -> Result<(), Failure> {
        let poll = Poll::new()?;
        let orders = listen(poll.registry())?;
        let mut crowd = Crowd {
            poll,
            clients: Vec::new(),
            pinger: None,
            address: None,
            posts: Vec::new(),
            count: 0,
            connected: 0,
            expected: 0,
            behind: 0,
            waiting: false,
            leave: None,
            summary: Summary::default(),
        };
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match crowd.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() != ORDERS {
                    crowd.ready(event.token().0, &mut buffer)?;
                    continue;
                }
                loop {
                    match orders.try_recv() {
                        Ok(Order::End) => return crowd.end(),
                        Ok(order) => crowd.take(order)?,
                        Err(mpsc::TryRecvError::Empty) => break,
                        // Whoever gave the orders has gone.
                        Err(mpsc::TryRecvError::Disconnected) => return Ok(()),
                    }
                }
            }
            crowd.connect()?;
        }
    }

    fn take(&mut self, order: Order) -> Result<(), Failure> {
        match order {
            Order::Connect {
                address,
                count,
                posts,
            } => {
                self.posts = posts.into_iter().map(String::into_bytes).collect();
                self.count = count;
                self.address = Some(address);
                self.pinger = Some(Pinger::start(address)?);
                // Answered when all are connected.
                return Ok(());
            }
            Order::Phase(phase) => {
                if let Some(pinger) = &self.pinger {
                    pinger.enter(phase);
                }
            }
            Order::Expect(posts) => {
                self.expected = posts;
                let clients = self.clients.iter();
                self.behind = clients.filter(|client| client.is_behind(posts)).count();
                self.waiting = true;
            }
            Order::Leave { count, after } => self.leave = Some((count, after)),
            Order::Hush => {
                if let Some(pinger) = self.pinger.take() {
                    [self.summary.idle, self.summary.busy] = pinger.stop()?;
                }
            }
            Order::End => {}
        }
        link::report(&Report::Ready)?;
        self.look()
    }

    /// Begins as many handshakes as may be under way.
    fn connect(&mut self) -> Result<(), Failure> {
        let Some(address) = self.address else {
            return Ok(());
        };
        while self.clients.len() < self.count && self.clients.len() < self.connected + HANDSHAKES {
            let mut stream = TcpStream::connect(address)?;
            let token = Token(self.clients.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, token, interest)?;
            self.clients.push(Client {
                stream: Some(stream),
                stage: Stage::Connecting,
                rest: Vec::new(),
                message: Vec::new(),
                seen: 0,
                is_well: true,
                code: None,
                leaving: false,
            });
        }
        Ok(())
    }

    /// A socket can be read, or written for the first time.
    fn ready(&mut self, number: usize, buffer: &mut [u8]) -> Result<(), Failure> {
        let lost = |error| format!("client {number}: {error}");
        let Some(address) = self.address else {
            return Ok(());
        };
        loop {
            let client = &mut self.clients[number];
            let Some(stream) = &mut client.stream else {
                return Ok(());
            };
            if client.stage == Stage::Connecting {
                if let Some(error) = stream.take_error()? {
                    return Err(lost(error).into());
                }
                if stream.peer_addr().is_err() {
                    return Ok(());
                }
                stream.set_nodelay(true)?;
                // It fits into an empty socket whole.
                stream.write_all(&request(address, &number.to_string()))?;
                client.stage = Stage::Asked;
            }
            match stream.read(buffer) {
                Ok(0) => {
                    self.over(number);
                    return self.look();
                }
                Ok(read) => {
                    self.hear(number, &buffer[..read])
                        .map_err(|error| lost(io::Error::other(error)))?;
                    self.look()?;
                    if read < buffer.len() {
                        // The socket is empty; whatever comes is announced anew.
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Reset: no wonder for one who has left or was sent away.
                Err(_) if client.leaving || client.code.is_some() => {
                    self.over(number);
                    return self.look();
                }
                Err(error) => return Err(lost(error).into()),
            }
        }
    }

    /// Takes what has come for a client.
    fn hear(&mut self, number: usize, bytes: &[u8]) -> Result<(), String> {
        let rest = std::mem::take(&mut self.clients[number].rest);
        let joined;
        let mut bytes = match rest.is_empty() {
            true => bytes,
            false => {
                joined = [&rest, bytes].concat();
                &joined
            }
        };
        if self.clients[number].stage == Stage::Asked {
            let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else {
                self.clients[number].rest = bytes.to_vec();
                return Ok(());
            };
            if !bytes.starts_with(b"HTTP/1.1 101 ") {
                let line = bytes
                    .split(|byte| *byte == b'\r')
                    .next()
                    .unwrap_or_default();
                return Err(format!("turned away: {}", String::from_utf8_lossy(line)));
            }
            bytes = &bytes[end + 4..];
            self.open(number)?;
        }
        while let Some(frame) = frames::read(bytes)? {
            self.frame(number, &frame, &bytes[frame.payload.clone()])?;
            bytes = &bytes[frame.payload.end..];
        }
        self.clients[number].rest.extend_from_slice(bytes);
        Ok(())
    }

    /// A handshake has succeeded.
    fn open(&mut self, number: usize) -> Result<(), String> {
        let client = &mut self.clients[number];
        client.stage = Stage::Open;
        self.connected += 1;
        let report = match self.connected {
            connected if connected == self.count => Report::Ready,
            connected if connected % 500 == 0 => Report::Connecting(connected),
            _ => return Ok(()),
        };
        link::report(&report).map_err(|error| error.to_string())
    }

    fn frame(&mut self, number: usize, frame: &Frame, payload: &[u8]) -> Result<(), String> {
        let client = &mut self.clients[number];
        if client.code.is_some() {
            self.summary.after_close += 1;
            return Ok(());
        }
        match frame.opcode {
            PING => client.say(&frames::control(PONG, payload)),
            PONG => {}
            CLOSE => {
                let code = payload
                    .first_chunk()
                    .map_or(0, |code| u16::from_be_bytes(*code));
                client.code = Some(code);
                if !client.leaving {
                    client.say(&frames::control(CLOSE, payload));
                }
            }
            0 | TEXT | BINARY if !frame.last => client.message.extend_from_slice(payload),
            0 => {
                client.message.extend_from_slice(payload);
                let message = std::mem::take(&mut client.message);
                self.post(number, &message);
            }
            TEXT | BINARY => self.post(number, payload),
            other => return Err(format!("a frame of kind {other}")),
        }
        Ok(())
    }

    /// A whole message has come.
    fn post(&mut self, number: usize, message: &[u8]) {
        let client = &mut self.clients[number];
        let turn = client.seen % self.posts.len().max(1);
        if self.posts.get(turn).is_none_or(|post| post != message) {
            self.summary.out_of_turn += 1;
            client.is_well = false;
        }
        let was_behind = client.is_behind(self.expected);
        client.seen += 1;
        self.summary.posts += 1;
        if was_behind && !client.is_behind(self.expected) {
            self.behind -= 1;
        }
    }

    /// Whether something that was waited for has come about.
    fn look(&mut self) -> Result<(), Failure> {
        if let Some((count, after)) = self.leave
            && self.summary.posts >= after
        {
            self.leave = None;
            self.let_go(count);
            link::report(&Report::Left)?;
        }
        if self.waiting && self.behind == 0 {
            self.waiting = false;
            link::report(&Report::Received(now()))?;
        }
        Ok(())
    }

    /// Lets clients leave, from all over the crowd: one half says goodbye, the other is
    /// gone without a word.
    fn let_go(&mut self, count: usize) {
        let step = (self.clients.len() / count.max(1)).max(1);
        for (turn, number) in (0..self.clients.len())
            .step_by(step)
            .take(count)
            .enumerate()
        {
            let client = &mut self.clients[number];
            if client.is_behind(self.expected) {
                self.behind -= 1;
            }
            client.leaving = true;
            self.summary.left.push((number, now()));
            match turn % 2 {
                0 => client.say(&frames::control(CLOSE, &1_000_u16.to_be_bytes())),
                _ => client.stream = None,
            }
        }
    }

    /// A connection is over.
    fn over(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.is_behind(self.expected) {
            self.behind -= 1;
        }
        if !client.leaving && client.code.is_none() {
            client.is_well = false;
        }
        client.stream = None;
    }

    fn end(mut self) -> Result<(), Failure> {
        let stayed = || self.clients.iter().filter(|client| !client.leaving);
        self.summary.stayed = stayed().count();
        let complete = stayed().filter(|client| client.is_well && client.seen == self.expected);
        self.summary.complete = complete.count();
        let sent_away = stayed().filter(|client| client.code == Some(GOING_AWAY));
        self.summary.sent_away = sent_away.count();
        self.summary.resident = Resident::read();
        Ok(link::report(&Report::Summary(self.summary))?)
    }
}

impl Client {
    /// Whether it has still to get something.
    fn is_behind(&self, expected: usize) -> bool {
        self.stream.is_some() && !self.leaving && self.seen < expected
    }

    /// Sends a control frame. So few are sent that they always fit; where they do not,
    /// the connection has broken, and reading finds out.
    fn say(&mut self, frame: &[u8]) {
        if let Some(stream) = &mut self.stream {
            let _ = stream.write(frame);
        }
    }
}

/// Reads orders on a thread of its own, since standard input has no readiness.
fn listen(registry: &Registry) -> io::Result<Receiver<Order>> {
    let waker = Arc::new(Waker::new(registry, ORDERS)?);
    let (pass, orders) = mpsc::channel();
    thread::Builder::new()
        .name("orders".to_owned())
        .spawn(move || {
            for line in io::stdin().lock().lines() {
                let order = line.ok().and_then(|line| serde_json::from_str(&line).ok());
                let Some(order) = order else { break };
                if pass.send(order).is_err() {
                    break;
                }
                let _ = waker.wake();
            }
            drop(pass);
            let _ = waker.wake();
        })?;
    Ok(orders)
}
