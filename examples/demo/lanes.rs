//! Two lane threads and what they deliver to.
//!
//! Each thread owns a lane and turns it, as an event loop would. Its sink does the
//! small work that a connection costs before the socket: it counts bytes and mixes
//! the first bytes of each event into a check. And it keeps book of every delivery,
//! so that the books can be compared with what should have been delivered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use distributary::{
    CloseReason, Event, Flow, Hub, Lane, MemberId, Remote, Selector, Sink, SubscribeOptions, Token,
};

use super::Failure;

/// How many lanes there are.
pub(crate) const LANES: usize = 2;

/// The books are kept by stage, so that stages can be checked apart.
pub(crate) const STAGES: usize = 3;
/// All events of the file.
pub(crate) const STREAM: usize = 0;
/// Nothing is published; some leave and join.
pub(crate) const IDLE: usize = 1;
/// One large event goes out again and again; as many leave and join.
pub(crate) const BUSY: usize = 2;

/// How long a lane may take to answer before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection: number `n` lives on lane `n % LANES`.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) number: usize,
    member: MemberId,
}

/// What one connection has had.
#[derive(Clone, Copy, Default)]
pub(crate) struct Book {
    pub(crate) received: [u32; STAGES],
    pub(crate) missed: [u32; STAGES],
    bytes: u64,
    check: u64,
}

impl Book {
    /// Events that were delivered or told as missed.
    pub(crate) fn told(&self, stage: usize) -> u64 {
        u64::from(self.received[stage]) + u64::from(self.missed[stage])
    }
}

/// The lanes, for the thread that started them.
pub(crate) struct Lanes {
    entrance: Entrance,
    threads: Vec<JoinHandle<Tally>>,
    settled: Receiver<Settled>,
}

/// The way in and out of the lanes, for any thread.
#[derive(Clone)]
pub(crate) struct Entrance {
    remotes: Vec<Remote>,
    shared: Arc<Shared>,
}

struct Shared {
    /// Raised to ask every lane to say when it has nothing left to do.
    mark: AtomicU64,
    stage: AtomicUsize,
    stop: AtomicBool,
    /// Turns that each lane has begun.
    turns: [AtomicU64; LANES],
    /// For each connection the last turn in which something may still be delivered:
    /// the one that was under way when its unsubscribe had been posted.
    doors: Vec<AtomicU64>,
}

/// A lane has nothing left to do.
struct Settled {
    lane: usize,
    /// The mark it had seen before.
    mark: u64,
    /// When its last delivery was made.
    last: Instant,
}

impl Lanes {
    /// Starts the threads, with room for so many connections in all.
    pub(crate) fn start(hub: &Hub, connections: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            mark: AtomicU64::new(0),
            stage: AtomicUsize::new(STREAM),
            stop: AtomicBool::new(false),
            turns: [const { AtomicU64::new(0) }; LANES],
            doors: (0..connections).map(|_| AtomicU64::new(u64::MAX)).collect(),
        });
        let (tell, settled) = mpsc::channel();
        let mut lanes = Lanes {
            entrance: Entrance {
                remotes: Vec::new(),
                shared,
            },
            threads: Vec::new(),
            settled,
        };
        for number in 0..LANES {
            let lane = Lane::new(hub);
            lanes.entrance.remotes.push(lane.remote());
            let tally = Tally {
                number,
                turn: 0,
                stage: STREAM,
                books: vec![Book::default(); connections.div_ceil(LANES)],
                after_leaving: 0,
                closed: 0,
                shared: Arc::clone(&lanes.entrance.shared),
            };
            let tell = tell.clone();
            let name = format!("lane-{number}");
            let thread = thread::Builder::new().name(name);
            let thread = thread.spawn(move || run(lane, tally, &tell))?;
            lanes.threads.push(thread);
        }
        Ok(lanes)
    }

    /// The way in and out, for other threads.
    pub(crate) fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// Waits until everything that was published or posted before has been dealt with.
    /// When the last delivery of all was made.
    pub(crate) fn settle(&self) -> Result<Instant, Failure> {
        let mark = self.entrance.shared.mark.fetch_add(1, SeqCst) + 1;
        self.entrance.call();
        let mut last = [None; LANES];
        while last.contains(&None) {
            let settled = self.settled.recv_timeout(PATIENCE);
            let settled = settled.map_err(|_| "a lane has stopped answering")?;
            if settled.mark >= mark {
                last[settled.lane] = Some(settled.last);
            }
        }
        let last = last.into_iter().flatten().max();
        Ok(last.unwrap_or_else(Instant::now))
    }

    /// Opens the books of a stage. The lanes have settled before.
    pub(crate) fn enter(&self, stage: usize) {
        self.entrance.shared.stage.store(stage, SeqCst);
    }

    /// Ends the threads and takes their books.
    pub(crate) fn stop(self) -> Result<Books, Failure> {
        self.entrance.shared.stop.store(true, SeqCst);
        self.entrance.call();
        let mut tallies = Vec::new();
        for thread in self.threads {
            tallies.push(thread.join().map_err(|_| "a lane thread panicked")?);
        }
        Ok(Books(tallies))
    }
}

impl Entrance {
    /// Subscribes connection `number`.
    pub(crate) fn join(&self, number: usize, selector: Selector) -> Result<Seat, Failure> {
        let remote = &self.remotes[number % LANES];
        let token = Token(number as u64);
        let member = remote.subscribe(selector, token, SubscribeOptions::new())?;
        Ok(Seat { number, member })
    }

    /// Disconnects a connection. How long the call took.
    pub(crate) fn leave(&self, seat: Seat) -> Duration {
        let lane = seat.number % LANES;
        let start = Instant::now();
        self.remotes[lane].unsubscribe(seat.member);
        let took = start.elapsed();
        // Whatever turn the lane is in now, the next one begins with the command.
        // An addition of 0, because the lane's own addition then comes after it.
        let turn = self.shared.turns[lane].fetch_add(0, SeqCst);
        self.shared.doors[seat.number].store(turn, SeqCst);
        took
    }

    /// Has every lane take a turn.
    fn call(&self) {
        self.remotes.iter().for_each(Remote::call);
    }
}

/// The loop of a lane thread.
fn run(mut lane: Lane, mut tally: Tally, tell: &Sender<Settled>) -> Tally {
    let shared = Arc::clone(&tally.shared);
    let number = tally.number;
    let mut last = Instant::now();
    let mut told = 0;
    loop {
        // Read before the turn: what this turn leaves undone came later.
        let stop = shared.stop.load(SeqCst);
        let mark = shared.mark.load(SeqCst);
        tally.stage = shared.stage.load(SeqCst);
        tally.turn = shared.turns[number].fetch_add(1, SeqCst) + 1;
        let turn = lane.turn(&mut tally);
        if turn.delivered > 0 {
            last = Instant::now();
        }
        if turn.more {
            continue;
        }
        if mark > told {
            told = mark;
            let settled = Settled {
                lane: number,
                mark,
                last,
            };
            // Nobody listens any more when the demo has given up.
            let _ = tell.send(settled);
        }
        if stop {
            return tally;
        }
        lane.wait(Duration::MAX);
    }
}

/// The sink of one lane.
struct Tally {
    number: usize,
    turn: u64,
    stage: usize,
    books: Vec<Book>,
    /// Deliveries to those whose unsubscribe had been carried out.
    after_leaving: u64,
    /// Connections that the hub closed.
    closed: u64,
    shared: Arc<Shared>,
}

impl Tally {
    /// Whether nothing may be delivered to this connection any more.
    fn is_shut(&self, number: usize) -> bool {
        self.turn > self.shared.doors[number].load(SeqCst)
    }
}

impl Sink for Tally {
    fn deliver(&mut self, to: Token, events: &[Event]) -> Flow {
        let number = to.0 as usize;
        if self.is_shut(number) {
            self.after_leaving += 1;
            return Flow::AlreadyClosed;
        }
        let book = &mut self.books[number / LANES];
        book.received[self.stage] += events.len() as u32;
        for event in events {
            let payload = event.payload();
            book.bytes += payload.len() as u64;
            if let Some(head) = payload.first_chunk() {
                book.check = book.check.rotate_left(7) ^ u64::from_le_bytes(*head);
            }
        }
        Flow::Taken
    }

    fn lagged(&mut self, to: Token, missed: u64) -> Flow {
        self.books[to.0 as usize / LANES].missed[self.stage] += missed as u32;
        Flow::Taken
    }

    fn closed(&mut self, _: Token, _: CloseReason) {
        self.closed += 1;
    }
}

/// What all sinks have seen.
pub(crate) struct Books(Vec<Tally>);

impl Books {
    pub(crate) fn of(&self, number: usize) -> &Book {
        &self.0[number % LANES].books[number / LANES]
    }

    fn sum(&self, count: impl Fn(&Book) -> u64) -> u64 {
        let books = self.0.iter().flat_map(|tally| &tally.books);
        books.map(count).sum()
    }

    /// Events delivered in a stage.
    pub(crate) fn received(&self, stage: usize) -> u64 {
        self.sum(|book| u64::from(book.received[stage]))
    }

    /// Events told as missed in a stage.
    pub(crate) fn missed(&self, stage: usize) -> u64 {
        self.sum(|book| u64::from(book.missed[stage]))
    }

    /// Bytes delivered, and the check over them.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let books = self.0.iter().flat_map(|tally| &tally.books);
        let check = books.fold(0u64, |check, book| check.wrapping_add(book.check));
        (self.sum(|book| book.bytes), check)
    }

    /// Deliveries after an unsubscribe that had been carried out.
    pub(crate) fn after_leaving(&self) -> u64 {
        self.0.iter().map(|tally| tally.after_leaving).sum()
    }

    /// Connections that the hub closed.
    pub(crate) fn closed(&self) -> u64 {
        self.0.iter().map(|tally| tally.closed).sum()
    }
}
