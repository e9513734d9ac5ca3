//! The clients: one thread, one poll, and a die.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};
use socket2::{Domain, SockRef, Socket, Type};

use super::{
    DURATION,
    member::{Fate, Kind, Member},
};
use crate::harness::{PATIENCE, Rng};

/// Handshakes under way at a time.
const OPENING: usize = 200;
/// Between two throws of the die.
const BEAT: Duration = Duration::from_millis(10);
/// Loopback addresses that they come from, so that ports last.
const ADDRESSES: u64 = 8;
/// Of so many clients, one may stall.
const STALLS: u64 = 10;

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    member: Member,
    /// May stall: has little room, and listens to what is too much for it.
    heavy: bool,
    /// Does not read till then.
    stalled: Option<Instant>,
    /// Has stalled: it may have been sent away for it.
    has_stalled: bool,
}

#[derive(Debug, Default)]
struct Tally {
    joined: u64,
    came_back: u64,
    left: u64,
    unsubscribed: u64,
    killed: u64,
    stalled: u64,
    sent_away: u64,
    /// Of these, such that never stalled on purpose: this machine is busy.
    sent_away_busy: u64,
    events: u64,
    lagged: u64,
}

struct Crowd {
    server: SocketAddr,
    poll: Poll,
    rng: Rng,
    clients: Vec<Option<Client>>,
    /// Places to be taken: by one who comes back, or by a newcomer.
    vacant: Vec<(usize, Option<(Member, bool)>)>,
    opening: usize,
    tally: Tally,
    /// Somebody has seen the last event.
    ending: bool,
}

pub(super) fn run(server: SocketAddr, seed: u64, sockets: u64) {
    let mut crowd = Crowd {
        server,
        poll: Poll::new().unwrap(),
        rng: Rng::new(!seed),
        clients: (0..sockets).map(|_| None).collect(),
        vacant: (0..sockets as usize).map(|place| (place, None)).collect(),
        opening: 0,
        tally: Tally::default(),
        ending: false,
    };
    let mut events = Events::with_capacity(1_024);
    let deadline = Instant::now() + DURATION + 4 * PATIENCE;
    let mut beat = Instant::now();
    while !crowd.is_done() {
        if Instant::now() > deadline {
            crowd.complain();
        }
        crowd.poll.poll(&mut events, Some(BEAT)).unwrap();
        for event in &events {
            crowd.serve(event.token().0);
        }
        if beat.elapsed() >= BEAT {
            beat = Instant::now();
            crowd.join();
            crowd.beat();
        }
    }
    for client in crowd.clients.iter().flatten() {
        crowd.tally.events += client.member.events;
        crowd.tally.lagged += client.member.lagged;
    }
    println!("{:#?}", crowd.tally);
    let tally = &crowd.tally;
    let happened = [
        tally.came_back,
        tally.left,
        tally.unsubscribed,
        tally.killed,
        tally.stalled,
        tally.sent_away + tally.lagged,
    ];
    assert!(happened.iter().all(|times| *times > 0), "too tame a crowd");
}

impl Crowd {
    fn is_done(&self) -> bool {
        self.ending
            && self.vacant.is_empty()
            && self
                .clients
                .iter()
                .flatten()
                .all(|client| client.member.is_done())
    }

    /// Ends the test, with what is not as it should be.
    fn complain(&self) -> ! {
        let clients = self.clients.iter().flatten();
        let late: Vec<_> = clients.filter(|client| !client.member.is_done()).collect();
        for client in late.iter().take(5) {
            let member = &client.member;
            eprintln!(
                "{:?}, open {}: {:?}",
                member.kind, member.is_open, member.tracks
            );
        }
        panic!("{} of them did not see the last event", late.len());
    }

    /// Lets some of those in who are not there.
    fn join(&mut self) {
        while self.opening < OPENING
            && let Some((place, before)) = self.vacant.pop()
        {
            let heavy = before
                .as_ref()
                .map_or_else(|| self.rng.below(STALLS) == 0, |before| before.1);
            let member = match before {
                Some((member, _)) => {
                    self.tally.came_back += 1;
                    member
                }
                None => Member::new(&mut self.rng, heavy),
            };
            let mut stream = self.connect(heavy);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut stream, Token(place), interest)
                .unwrap();
            self.clients[place] = Some(Client {
                stream,
                member,
                heavy,
                stalled: None,
                has_stalled: false,
            });
            self.opening += 1;
            self.tally.joined += 1;
        }
    }

    fn connect(&mut self, heavy: bool) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let from = [127, 0, 0, 1 + self.rng.below(ADDRESSES) as u8];
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        if heavy {
            socket.set_recv_buffer_size(64 << 10).unwrap();
        }
        socket.set_nonblocking(true).unwrap();
        // It goes on in the background.
        match socket.connect(&self.server.into()) {
            Err(error) if !is_under_way(&error) => panic!("{error}"),
            _ => TcpStream::from_std(socket.into()),
        }
    }

    /// Something happens to some of them.
    fn beat(&mut self) {
        for place in 0..self.clients.len() {
            let Some(client) = &mut self.clients[place] else {
                continue;
            };
            if client
                .stalled
                .is_some_and(|until| self.ending || Instant::now() >= until)
            {
                client.stalled = None;
                self.serve(place);
            }
        }
        if self.ending || !self.vacant.is_empty() {
            return;
        }
        for _ in 0..3 {
            let place = self.rng.below(self.clients.len() as u64) as usize;
            self.happen(place);
        }
    }

    fn happen(&mut self, place: usize) {
        let Some(client) = &mut self.clients[place] else {
            return;
        };
        if !client.member.is_open || client.member.goodbye {
            return;
        }
        match self.rng.below(8) {
            0 => {
                self.tally.left += 1;
                match client.member.kind {
                    // There is no other way to say so.
                    Kind::Sse => self.gone(place, None),
                    _ => {
                        client.member.close();
                        client.stalled = None;
                        self.serve(place);
                    }
                }
            }
            1 | 2 => {
                self.tally.killed += 1;
                let socket = SockRef::from(&client.stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
                let back = client.member.back();
                self.gone(place, Some(back));
            }
            3 | 4 => {
                if client.member.unsubscribe(&mut self.rng) {
                    self.tally.unsubscribed += 1;
                    self.serve(place);
                }
            }
            _ => {
                // One that can stall is worth a search.
                let stalls = (place..self.clients.len()).find(|place| {
                    let client = self.clients[*place].as_ref();
                    client.is_some_and(Client::may_stall)
                });
                if let Some(client) = stalls.and_then(|place| self.clients[place].as_mut()) {
                    let millis = 2_000 + self.rng.below(18_000);
                    client.stalled = Some(Instant::now() + Duration::from_millis(millis));
                    client.has_stalled = true;
                    self.tally.stalled += 1;
                }
            }
        }
    }

    /// A place becomes vacant, for this one if somebody comes back.
    fn gone(&mut self, place: usize, back: Option<Member>) {
        if let Some(client) = self.clients[place].take() {
            if !client.member.is_open {
                self.opening -= 1;
            }
            self.tally.events += client.member.events;
            self.tally.lagged += client.member.lagged;
            self.vacant
                .push((place, back.map(|member| (member, client.heavy))));
        }
    }

    /// Writes and reads as far as it goes.
    fn serve(&mut self, place: usize) {
        let Some(client) = &mut self.clients[place] else {
            return;
        };
        let was_open = client.member.is_open;
        let fate = client.exchange();
        if client.member.is_open && !was_open {
            self.opening -= 1;
        }
        self.ending |= client.member.is_done();
        let fate = fate.unwrap_or_else(|wrong| panic!("{client:?}: {wrong}"));
        match fate {
            None => {}
            Some(Fate::Closed(Some(4_000))) if client.member.goodbye => self.gone(place, None),
            // Who does not read is not told for long why it is sent away, or that its
            // goodbye was heard.
            Some(Fate::Reset) if client.has_stalled && client.member.goodbye => {
                self.gone(place, None);
            }
            Some(Fate::Closed(Some(1_013)) | Fate::Reset) if client.may_be_sent_away() => {
                self.tally.sent_away += 1;
                self.tally.sent_away_busy += u64::from(!client.has_stalled);
                self.gone(place, None);
            }
            Some(other) => panic!("{client:?} ended: {other:?}"),
        }
    }
}

impl Client {
    fn may_stall(&self) -> bool {
        let free = self.member.is_open && !self.member.goodbye;
        self.heavy && free && self.stalled.is_none()
    }

    /// Whether it speaks nothing in which it could be told that it missed something.
    fn may_be_sent_away(&self) -> bool {
        self.member.kind == Kind::Plain
    }

    fn exchange(&mut self) -> Result<Option<Fate>, String> {
        let mut chunk = [0; 16 << 10];
        loop {
            while !self.member.out.is_empty() {
                match self.stream.write(&self.member.out) {
                    Ok(written) => drop(self.member.out.drain(..written)),
                    // Not connected yet, or full; or gone, which reading finds out.
                    Err(_) => break,
                }
            }
            if self.stalled.is_some() {
                return Ok(None);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Some(Fate::Over)),
                Ok(read) => {
                    if let Some(fate) = self.member.take_in(&chunk[..read])? {
                        return Ok(Some(fate));
                    }
                }
                // What was answered while reading has gone out, or waits for the poll.
                Err(error) if waits(&error) => return Ok(None),
                Err(_) => return Ok(Some(Fate::Reset)),
            }
        }
    }
}

fn waits(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted
    )
}

fn is_under_way(error: &std::io::Error) -> bool {
    waits(error) || error.raw_os_error() == Some(libc::EINPROGRESS)
}
