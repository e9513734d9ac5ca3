//! How long is a hub with many topics deaf whose connection is ended, and who waits for it?

use std::{
    thread,
    time::{Duration, Instant},
};

use distributary_bench_report::{
    Outcome,
    child::{CLIENT_CORE, Child},
    report::{Line, Target},
    rounds::{Contender, Samples, Unit, alternate},
};

use super::Row;
use crate::{bystander::Bystander, console::Console, server::Server};

pub(crate) const ROW: Row = Row {
    name: "again",
    question: "One hub listens to 100,000 topics, and the server, with its limits as shipped, \
               ends its connection: until all are confirmed again, and the longest wait of a \
               bystander's PING meanwhile.",
    measure,
};

const TOPICS: u64 = 100_000;
const SHORT: usize = 12;
const LONG: usize = 300;
const ROUNDS: usize = 5;
/// How long it may take, and how often to look.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(10);

const FIGURES: &[(&str, Unit)] = &[
    ("confirmed", Unit::Nanos),
    ("wait", Unit::Nanos),
    ("kill", Unit::Nanos),
];

/// A server, and the hub that listens.
struct Pair {
    server: Server,
    hub: Child,
}

fn measure() -> Outcome<Vec<Line>> {
    let mut pairs = [Pair::start(SHORT)?, Pair::start(LONG)?];
    let mut contenders = pairs
        .each_mut()
        .map(|pair| Contender::with_figures("distributary", FIGURES, || pair.round()));
    let figures = alternate(ROUNDS, &mut contenders)?;
    Ok([SHORT, LONG].iter().zip(&figures).flat_map(lines).collect())
}

fn lines((length, figures): (&usize, &Vec<Samples>)) -> [Line; 2] {
    let what = |what| format!("{what}, names of {length} bytes");
    [
        Line::new(what("until all are confirmed"), &figures[0]).target(Target::AtMost(3e9)),
        Line::new(what("the longest wait of a bystander"), &figures[1])
            .target(Target::AtMost(25e6))
            .note(format!(
                "after {:.0} ms in which the server lets go of the old connection",
                figures[2].median() / 1e6
            )),
    ]
}

impl Pair {
    fn start(length: usize) -> Outcome<Self> {
        let server = Server::as_shipped()?;
        let (topics, length) = (TOPICS.to_string(), length.to_string());
        let words = ["--listener", &server.url(), &topics, &length];
        let hub = Child::own(&words, Some(CLIENT_CORE))?;
        hub.hear_number("ready")?;
        Ok(Pair { server, hub })
    }

    fn round(&mut self) -> Outcome<Vec<f64>> {
        let mut console = self.server.console()?;
        // What belongs to the round before is over.
        thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        console.ask(&["CLIENT", "KILL", "TYPE", "pubsub"])?;
        let killed = begun.elapsed();
        let bystander = Bystander::of(&self.server)?;
        while subscribed(&mut console)? < TOPICS {
            if begun.elapsed() > PATIENCE {
                return Err(format!("not all are heard after {PATIENCE:?}").into());
            }
            thread::sleep(LOOK);
        }
        // The server knows all; so must the hub.
        self.hub.say("joined?")?;
        self.hub.hear_number("ready")?;
        let took = begun.elapsed();
        let worst = bystander.worst()?;
        Ok([took, worst, killed]
            .map(|time| time.as_nanos() as f64)
            .into())
    }
}

/// Channels that anybody listens to, counted once for each who does.
fn subscribed(console: &mut Console) -> Outcome<u64> {
    let list = console.ask(&["CLIENT", "LIST", "TYPE", "pubsub"])?;
    let counts = list.split(' ').filter_map(|word| word.strip_prefix("sub="));
    Ok(counts.map(str::parse::<u64>).sum::<Result<_, _>>()?)
}
