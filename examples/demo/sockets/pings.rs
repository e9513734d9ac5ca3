//! One connection that has nothing to do with the posts: it pings all the time, and
//! says how long the answers took. On a thread of its own, in the clients' process.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    client::request,
    frames::{self, PING, PONG},
    link::{Phase, Pings},
};

/// Between an answer and the next ping.
const PAUSE: Duration = Duration::from_millis(1);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

const STOP: u8 = u8::MAX;

pub(crate) struct Pinger {
    phase: Arc<AtomicU8>,
    thread: JoinHandle<io::Result<[Pings; 2]>>,
}

impl Pinger {
    /// Connects as nobody, who follows nobody.
    pub(crate) fn start(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&request(address, "nobody"))?;
        let phase = Arc::new(AtomicU8::new(Phase::Idle as u8));
        let seen = Arc::clone(&phase);
        let thread = thread::Builder::new().name("pinger".to_owned());
        let thread = thread.spawn(move || run(stream, &seen))?;
        Ok(Pinger { phase, thread })
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Ends the pinging: what was seen, idle and busy.
    pub(crate) fn stop(self) -> io::Result<[Pings; 2]> {
        self.phase.store(STOP, Relaxed);
        let seen = self.thread.join();
        seen.map_err(|_| io::Error::other("the pinger panicked"))?
    }
}

fn run(mut stream: TcpStream, phase: &AtomicU8) -> io::Result<[Pings; 2]> {
    let mut seen = [Pings::default(), Pings::default()];
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    bytes.clear();
    let mut number = 0_u64;
    loop {
        let begun = phase.load(Relaxed);
        if begun == STOP {
            return Ok(seen);
        }
        number += 1;
        let start = Instant::now();
        stream.write_all(&frames::control(PING, &number.to_be_bytes()))?;
        await_pong(&mut stream, &mut bytes, number)?;
        let answered = start.elapsed();
        let rest = Instant::now();
        thread::sleep(PAUSE);
        let overslept = rest.elapsed().saturating_sub(PAUSE);
        // What began in one phase and ended in another belongs to neither.
        if phase.load(Relaxed) == begun {
            let seen = &mut seen[usize::from(begun)];
            seen.answered.push(answered.as_nanos() as u64);
            seen.overslept.push(overslept.as_nanos() as u64);
        }
    }
}

fn await_pong(stream: &mut TcpStream, bytes: &mut Vec<u8>, number: u64) -> io::Result<()> {
    loop {
        while let Some(frame) = frames::read(bytes).map_err(io::Error::other)? {
            let is_it =
                frame.opcode == PONG && bytes[frame.payload.clone()] == number.to_be_bytes();
            if frame.opcode == PING {
                stream.write_all(&frames::control(PONG, &bytes[frame.payload.clone()]))?;
            }
            bytes.drain(..frame.payload.end);
            if is_it {
                return Ok(());
            }
        }
        let mut part = [0; 512];
        match stream.read(&mut part)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
}
