//! What the process that serves and the process that holds the clients say to each
//! other: lines of JSON, on the clients' standard input and output.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use super::super::{Failure, memory::Resident};

/// Makes this program hold clients; given by itself to itself.
pub(crate) const ROLE: &str = "--hold-clients";

/// Nanoseconds since 1970: the clock that both processes have.
pub(crate) type Stamp = u64;

pub(crate) fn now() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// What the clients are told. All but the last are answered.
#[derive(Serialize, Deserialize)]
pub(crate) enum Order {
    /// Connect so many, and one that only pings. These posts will come, again and again
    /// in this order.
    Connect {
        address: SocketAddr,
        count: usize,
        posts: Vec<String>,
    },
    /// From now on pings count as these.
    Phase(Phase),
    /// Say when everybody who stays has got so many posts since the beginning.
    Expect(usize),
    /// Let so many leave as soon as all together have got so many posts.
    Leave { count: usize, after: u64 },
    /// Stop pinging.
    Hush,
    /// All have been closed: tell what you saw.
    End,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Idle,
    Busy,
}

/// What the clients tell.
#[derive(Serialize, Deserialize)]
pub(crate) enum Report {
    /// So many are connected by now.
    Connecting(usize),
    /// The order has been carried out; as for what it waits for, it is being watched.
    Ready,
    /// Everybody has what was expected, the last one since then.
    Received(Stamp),
    /// Those who were to leave have left.
    Left,
    Summary(Summary),
    /// They cannot go on.
    Failed(String),
}

/// What the clients saw.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Who stayed, and how many of them got exactly what was expected.
    pub(crate) stayed: usize,
    pub(crate) complete: usize,
    /// Of these, how many were sent away with code 1001.
    pub(crate) sent_away: usize,
    /// Who left, and when.
    pub(crate) left: Vec<(usize, Stamp)>,
    /// Posts received in all.
    pub(crate) posts: u64,
    /// Messages that were not the post whose turn it was, whoever got them.
    pub(crate) out_of_turn: u64,
    /// Messages after a close.
    pub(crate) after_close: u64,
    pub(crate) idle: Pings,
    pub(crate) busy: Pings,
    pub(crate) resident: Option<Resident>,
}

/// How long an unrelated connection waited, in nanoseconds.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Pings {
    /// From a ping to its answer.
    pub(crate) answered: Vec<u64>,
    /// By how much the thread that pings overslept: what the machine adds.
    pub(crate) overslept: Vec<u64>,
}

/// The clients' process, for the one that serves. Killed when dropped.
pub(crate) struct Clients {
    child: Child,
    orders: ChildStdin,
    reports: Receiver<Report>,
}

impl Clients {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(ROLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("the clients' process cannot be started: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, told) = pipes.ok_or("the clients' process has no pipes")?;
        let (tell, reports) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(told).lines() {
                let read = line.and_then(|line| Ok(serde_json::from_str(&line)?));
                let report = read.unwrap_or_else(|error| Report::Failed(error.to_string()));
                // Nobody listens any more when the demo has given up.
                let _ = tell.send(report);
            }
        });
        Ok(Clients {
            child,
            orders,
            reports,
        })
    }

    /// Gives an order that is carried out at once.
    pub(crate) fn order(&mut self, order: &Order) -> Result<(), Failure> {
        self.tell(order)?;
        match self.next()? {
            Report::Ready => Ok(()),
            _ => Err("the clients' process answers something else".into()),
        }
    }

    /// Gives an order without waiting for an answer.
    pub(crate) fn tell(&mut self, order: &Order) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let told = self.orders.write_all(&line);
        Ok(told.map_err(|error| format!("the clients' process has ended: {error}"))?)
    }

    /// The next report, if one comes in bounded time.
    pub(crate) fn next(&mut self) -> Result<Report, Failure> {
        const PATIENCE: Duration = Duration::from_secs(30);
        match self.reports.recv_timeout(PATIENCE) {
            Ok(Report::Failed(error)) => Err(format!("the clients' process: {error}").into()),
            Ok(report) => Ok(report),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("the clients' process said nothing for {PATIENCE:?}").into())
            }
            Err(RecvTimeoutError::Disconnected) => Err("the clients' process has ended".into()),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // It has nothing to lose; an error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a report to standard output.
pub(crate) fn report(report: &Report) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}
