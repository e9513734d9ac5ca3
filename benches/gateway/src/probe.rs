//! The probe: connections that want nothing but an answer, in a process of its own.
//!
//! One thread pings at fixed times, as long as the ping before was answered, and says
//! goodbye on a fresh connection now and then; another takes the answers. What counts is
//! the longest that anything was waited for. The process runs at real-time priority
//! where it may, so that it waits for the server and not for the load generator that it
//! shares a core with; by how much its own timer was late is told beside.

use std::{
    io::{ErrorKind, Read, Write, stdin},
    net,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

use crate::{
    Outcome,
    clock::now,
    wire::{Item, PROBE, Protocol, Scanner, masked},
};

/// No server is silent for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes lines until there are no more.
///
/// | line | does |
/// |---|---|
/// | `open COUNT PATH` | opens connections that ping |
/// | `start EVERY CLOSES CLOSE_EVERY` | begins, in microseconds |
/// | `stop` | ends, with the longest wait for a pong and for a close, how many pings there were, and the timer's own worst |
pub(crate) fn run(protocol: Protocol, server: net::SocketAddr) -> Outcome<()> {
    let mut pings = Vec::new();
    let mut line = String::new();
    while stdin().read_line(&mut line)? > 0 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["open", count, path] => {
                let count: usize = count.parse()?;
                let opened = (0..count).map(|_| Probe::open(protocol, server, path));
                opened.collect::<Outcome<Vec<_>>>().map(|opened| {
                    pings.extend(opened);
                    String::new()
                })
            }
            ["start", every, closes, close_every] => {
                let plan = Plan {
                    every: Duration::from_micros(every.parse()?),
                    close_every: Duration::from_micros(close_every.parse()?),
                };
                let count: usize = closes.parse()?;
                let closes = (0..count).map(|_| Probe::open(protocol, server, PROBE));
                let closes: Outcome<Vec<_>> = closes.collect();
                closes.and_then(|mut closes| plan.measure(protocol, &mut pings, &mut closes))
            }
            _ => Err(format!("what is {words:?}?").into()),
        };
        match answer {
            Ok(answer) => println!("ok {answer}"),
            Err(error) => println!("error {error}"),
        }
        line.clear();
    }
    Ok(())
}

struct Probe {
    stream: TcpStream,
    scanner: Scanner,
    /// When it asked, by the shared clock; 0 when nothing is awaited.
    asked: AtomicU64,
}

struct Plan {
    every: Duration,
    close_every: Duration,
}

impl Probe {
    fn open(protocol: Protocol, server: net::SocketAddr, path: &str) -> Outcome<Self> {
        let mut stream = net::TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&protocol.hello(path))?;
        let mut scanner = protocol.scanner();
        let (mut ready, mut buffer) = (false, [0; 4_096]);
        while !ready {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err("the server closes a probe".into());
            }
            let each = |item: Item<'_>| ready |= item == Item::Ready;
            scanner
                .scan(&buffer[..read], each)
                .map_err(|error| error.0)?;
        }
        stream.set_nonblocking(true)?;
        Ok(Probe {
            stream: TcpStream::from_std(stream),
            scanner,
            asked: AtomicU64::new(0),
        })
    }
}

/// The worst of what was seen, in nanoseconds.
#[derive(Default)]
struct Worst {
    pong: u64,
    close: u64,
    pings: u64,
}

impl Plan {
    fn measure(
        &self,
        protocol: Protocol,
        pings: &mut [Probe],
        closes: &mut [Probe],
    ) -> Outcome<String> {
        let mut poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        for (token, probe) in pings.iter_mut().chain(&mut *closes).enumerate() {
            registry.register(&mut probe.stream, Token(token), Interest::READABLE)?;
        }
        let ping_count = pings.len();
        let (mut streams, mut scanners, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        for probe in pings.iter_mut().chain(&mut *closes) {
            streams.push(&probe.stream);
            scanners.push(&mut probe.scanner);
            asked.push(&probe.asked);
        }
        let (asking, hearing) = (AtomicBool::new(true), AtomicBool::new(true));
        let (heard, lateness) = thread::scope(|scope| {
            let asker = Asker {
                protocol,
                streams: &streams,
                asked: &asked,
                pings: ping_count,
                plan: self,
            };
            let (asking, hearing) = (&asking, &hearing);
            let asker = scope.spawn(move || {
                let asked = asker.ask(asking);
                // Not before the last one was asked: its answer is heard, too.
                hearing.store(false, SeqCst);
                asked
            });
            let hearer = Hearer {
                streams: &streams,
                scanners,
                asked: &asked,
                pings: ping_count,
            };
            let hearer = scope.spawn(move || hearer.hear(&mut poll, hearing));
            println!("ok");
            let mut line = String::new();
            // Whatever it says, or when it ends: it is over.
            let ended = stdin().read_line(&mut line);
            asking.store(false, SeqCst);
            let lateness = asker.join().map_err(|_| "the asking thread panicked")??;
            let heard = hearer.join().map_err(|_| "the hearing thread panicked")??;
            ended?;
            Outcome::Ok((heard, lateness))
        })?;
        for probe in pings {
            registry.deregister(&mut probe.stream)?;
        }
        Ok(format!(
            "{} {} {} {lateness}",
            heard.pong, heard.close, heard.pings
        ))
    }
}

/// Writes. The first of the connections ping, the others say goodbye.
struct Asker<'p> {
    protocol: Protocol,
    streams: &'p [&'p TcpStream],
    asked: &'p [&'p AtomicU64],
    pings: usize,
    plan: &'p Plan,
}

impl Asker<'_> {
    /// Asks until it is told to stop. By how much its own timer was late, at worst.
    fn ask(&self, asking: &AtomicBool) -> Outcome<u64> {
        let (ping, close) = (self.protocol.ping(), self.protocol.close());
        let all = self.streams.iter().zip(self.asked);
        let mut closes = all.clone().skip(self.pings);
        let mut pings = all.take(self.pings).cycle();
        let mut worst = 0;
        let mut due = Instant::now();
        let mut close_due = due + self.plan.close_every;
        while asking.load(SeqCst) {
            due = (due + self.plan.every).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            worst = worst.max(due.elapsed().as_nanos() as u64);
            if let Some((stream, asked)) = pings.next()
                && asked.load(SeqCst) == 0
            {
                asked.store(now(), SeqCst);
                (&mut &**stream).write_all(&ping)?;
            }
            if Instant::now() >= close_due
                && let Some((stream, asked)) = closes.next()
            {
                close_due += self.plan.close_every;
                asked.store(now(), SeqCst);
                (&mut &**stream).write_all(&close)?;
            }
        }
        Ok(worst)
    }
}

/// Reads. The same connections, in the same order.
struct Hearer<'p> {
    streams: &'p [&'p TcpStream],
    scanners: Vec<&'p mut Scanner>,
    asked: &'p [&'p AtomicU64],
    pings: usize,
}

impl Hearer<'_> {
    /// Takes answers until nothing is asked or awaited any more.
    fn hear(mut self, poll: &mut Poll, hearing: &AtomicBool) -> Outcome<Worst> {
        let mut worst = Worst::default();
        let mut ready = Events::with_capacity(256);
        let mut buffer = vec![0; 64 << 10];
        let mut deadline = None;
        loop {
            if !hearing.load(SeqCst) {
                if self.asked.iter().all(|asked| asked.load(SeqCst) == 0) {
                    return Ok(worst);
                }
                if *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) < Instant::now() {
                    return Err("a ping or a close was not answered".into());
                }
            }
            match poll.poll(&mut ready, Some(Duration::from_millis(5))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for event in &ready {
                self.read(event.token().0, &mut buffer, &mut worst)?;
            }
        }
    }

    fn read(&mut self, number: usize, buffer: &mut [u8], worst: &mut Worst) -> Outcome<()> {
        let mut stream = self.streams[number];
        let asked = self.asked[number];
        loop {
            let read = match stream.read(buffer) {
                // Those that say goodbye may be closed.
                Ok(0) if number >= self.pings => return Ok(()),
                Ok(0) => return Err("the server has closed a probe".into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut said = Vec::new();
            let each = |item: Item<'_>| match item {
                Item::Pong => {
                    worst.pong = worst.pong.max(waited(asked));
                    worst.pings += 1;
                }
                Item::Close => worst.close = worst.close.max(waited(asked)),
                Item::Ping(payload) => said.extend(masked(0xA, payload)),
                Item::Ready | Item::Event(_) => {}
            };
            self.scanners[number]
                .scan(&buffer[..read], each)
                .map_err(|error| error.0)?;
            stream.write_all(&said)?;
        }
    }
}

/// For how long this was awaited; it is no more.
fn waited(asked: &AtomicU64) -> u64 {
    match asked.swap(0, SeqCst) {
        0 => 0,
        asked => now() - asked,
    }
}
