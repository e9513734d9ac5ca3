//! The second process: thousands of WebSocket clients on one thread, as lean as they
//! can be, so that what is measured is the server.

use std::{
    io::{self, BufRead, ErrorKind},
    net::SocketAddr,
    process::ExitCode,
    sync::mpsc::{self, Receiver, TryRecvError},
    thread,
};

use mio::{Events, Interest, Poll, Registry, Token, Waker, net::TcpStream};

use super::{
    super::{Failure, memory::Resident},
    client::{Client, Heard},
    link::{self, Order, Report, Summary, now},
    pings::Pinger,
};

/// Handshakes under way at a time.
const HANDSHAKES: usize = 128;

/// Of so many clients that connect, one is told of.
const TOLD: usize = 500;

/// Rings when there is an order.
const ORDERS: Token = Token(usize::MAX);

/// Takes orders until there are no more.
pub(crate) fn run() -> ExitCode {
    match Swarm::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Whoever gave the orders prints it; gone, nobody wants to know.
            let _ = link::report(&Report::Failed(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

struct Swarm {
    poll: Poll,
    clients: Vec<Client>,
    pinger: Option<Pinger>,
    /// Where to connect, once that is known.
    address: Option<SocketAddr>,
    posts: Vec<Vec<u8>>,
    /// How many are to be connected, and how many are.
    count: usize,
    connected: usize,
    /// What everybody who stays is to have, and how many do not have it yet.
    expected: usize,
    behind: usize,
    /// Whether somebody waits until nobody is behind.
    is_awaited: bool,
    /// How many are to leave, once all together have so many posts.
    leave: Option<(usize, u64)>,
    summary: Summary,
}

impl Swarm {
    fn serve() -> Result<(), Failure> {
        let poll = Poll::new()?;
        let orders = listen(poll.registry())?;
        let mut swarm = Swarm {
            poll,
            clients: Vec::new(),
            pinger: None,
            address: None,
            posts: Vec::new(),
            count: 0,
            connected: 0,
            expected: 0,
            behind: 0,
            is_awaited: false,
            leave: None,
            summary: Summary::default(),
        };
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match swarm.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &events {
                if event.token() != ORDERS {
                    swarm.ready(event.token().0, &mut buffer)?;
                    continue;
                }
                loop {
                    match orders.try_recv() {
                        Ok(Order::End) => return swarm.end(),
                        Ok(order) => swarm.take(order)?,
                        Err(TryRecvError::Empty) => break,
                        // Whoever gave the orders has gone.
                        Err(TryRecvError::Disconnected) => return Ok(()),
                    }
                }
            }
            swarm.connect()?;
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
                self.is_awaited = true;
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
        while self.clients.len() < self.count.min(self.connected + HANDSHAKES) {
            let mut stream = TcpStream::connect(address)?;
            let token = Token(self.clients.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            registry.register(&mut stream, token, interest)?;
            self.clients.push(Client::new(Some(stream)));
        }
        Ok(())
    }

    /// A socket can be read, or written for the first time.
    fn ready(&mut self, number: usize, buffer: &mut [u8]) -> Result<(), Failure> {
        let lost = |error: String| format!("client {number}: {error}");
        let (Some(address), Some(client)) = (self.address, self.clients.get_mut(number)) else {
            return Ok(());
        };
        let asked = client.ask(address, &number.to_string());
        if !asked.map_err(|error| lost(error.to_string()))? {
            return Ok(());
        }
        loop {
            let client = &mut self.clients[number];
            let was_behind = client.is_behind(self.expected);
            let heard = match client.read(buffer) {
                Ok(0) => None,
                Ok(read) => {
                    let heard = client.hear(&buffer[..read], &self.posts).map_err(lost)?;
                    Some((heard, read))
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) if client.may_end() => None,
                Err(error) => return Err(lost(error.to_string()).into()),
            };
            if heard.is_none() {
                client.over();
            }
            self.behind -= usize::from(was_behind && !client.is_behind(self.expected));
            if let Some((heard, _)) = &heard {
                self.count(heard)?;
            }
            self.look()?;
            match heard {
                // It was full; there may be more.
                Some((_, read)) if read == buffer.len() => {}
                // The socket is empty; whatever comes is announced anew.
                _ => return Ok(()),
            }
        }
    }

    /// Adds up what a client has heard.
    fn count(&mut self, heard: &Heard) -> io::Result<()> {
        self.summary.posts += heard.posts;
        self.summary.out_of_turn += heard.out_of_turn;
        self.summary.after_close += heard.after_close;
        self.connected += usize::from(heard.opened);
        match self.connected {
            all if heard.opened && all == self.count => link::report(&Report::Ready),
            some if heard.opened && some % TOLD == 0 => link::report(&Report::Connecting(some)),
            _ => Ok(()),
        }
    }

    /// Whether something that is waited for has come about.
    fn look(&mut self) -> Result<(), Failure> {
        if let Some((count, after)) = self.leave
            && self.summary.posts >= after
        {
            self.leave = None;
            self.let_go(count);
            link::report(&Report::Left)?;
        }
        if self.is_awaited && self.behind == 0 {
            self.is_awaited = false;
            link::report(&Report::Received(now()))?;
        }
        Ok(())
    }

    /// Lets clients leave, from all over the crowd: one half says goodbye, the other is
    /// gone without a word.
    fn let_go(&mut self, count: usize) {
        let step = (self.clients.len() / count.max(1)).max(1);
        let leaving = (0..self.clients.len()).step_by(step).take(count);
        for (turn, number) in leaving.enumerate() {
            let client = &mut self.clients[number];
            self.behind -= usize::from(client.is_behind(self.expected));
            self.summary.left.push((number, now()));
            client.leave(turn % 2 == 0);
        }
    }

    fn end(mut self) -> Result<(), Failure> {
        let stayed = || self.clients.iter().filter(|client| client.has_stayed());
        let complete = stayed().filter(|client| client.is_complete(self.expected));
        let sent_away = stayed().filter(|client| client.was_sent_away());
        self.summary.complete = complete.count();
        self.summary.sent_away = sent_away.count();
        self.summary.stayed = stayed().count();
        self.summary.resident = Resident::read();
        Ok(link::report(&Report::Summary(self.summary))?)
    }
}

/// Reads orders on a thread of its own, since standard input has no readiness.
fn listen(registry: &Registry) -> io::Result<Receiver<Order>> {
    let waker = Waker::new(registry, ORDERS)?;
    let (pass, orders) = mpsc::channel();
    let thread = thread::Builder::new().name("orders".to_owned());
    thread.spawn(move || {
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
