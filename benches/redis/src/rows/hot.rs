//! What does a message cost who receives it?

use distributary_bench_report::{
    Outcome,
    child::{CLIENT_CORE, Child},
    report::{Line, Target},
    rounds::{Contender, Samples, Unit, alternate},
};

use super::Row;
use crate::{
    peers,
    publisher::{Publisher, publish},
    server::{Server, processor_time},
};

pub(crate) const ROW: Row = Row {
    name: "hot",
    question: "Receiving one hot channel, 200 bytes a message: processor time of the process \
               per message, until the application has it. Ours goes through a hub.",
    measure,
};

const BYTES: usize = 200;
const ROUNDS: usize = 7;
/// Messages of a round, as fast as the server sends them.
const BURST: u64 = 300_000;
/// Messages of a round, and how many a second, at a pace.
const PACED: u64 = 40_000;
const PACE: u64 = 20_000;

/// Each listens to a channel of its own: whoever has no turn hears nothing.
fn channel(name: &str) -> String {
    format!("hot:{name}")
}

/// One that listens, in its process.
struct Listener {
    name: &'static str,
    child: Child,
}

const FIGURES: &[(&str, Unit)] = &[("burst", Unit::Nanos), ("paced", Unit::Nanos)];

fn measure() -> Outcome<Vec<Line>> {
    let server = Server::start()?;
    let mut listeners = Vec::new();
    for name in ["distributary", "redis-rs", "fred", "ioredis"] {
        let (url, channel) = (server.url(), channel(name));
        let child = match name {
            "ioredis" => Child::start(&peers::ioredis(&url, &channel)?, Some(CLIENT_CORE))?,
            _ => Child::own(&["--listen", name, &url, &channel], Some(CLIENT_CORE))?,
        };
        child
            .hear_number("ready")
            .map_err(|error| format!("{name}: {error}"))?;
        listeners.push(Listener { name, child });
    }
    let mut contenders: Vec<Contender<'_>> = listeners
        .iter()
        .map(|listener| {
            Contender::with_figures(listener.name, FIGURES, || round(&server, listener))
        })
        .collect();
    let figures = alternate(ROUNDS, &mut contenders)?;
    drop(contenders);
    Ok(lines(&figures))
}

fn lines(figures: &[Vec<Samples>]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (place, what) in ["as fast as they come", "20,000 a second"]
        .iter()
        .enumerate()
    {
        for peer in &figures[1..] {
            let line = Line::new(*what, &figures[0][place]).against(&peer[place]);
            lines.push(match place {
                0 if peer[place].of.starts_with("redis-rs") => {
                    line.target(Target::RatioAtMost(1.0))
                }
                _ => line,
            });
        }
    }
    lines
}

fn round(server: &Server, listener: &Listener) -> Outcome<Vec<f64>> {
    let mut publisher = Publisher::connect(server)?;
    let channel = channel(listener.name);
    let message = publish("PUBLISH", &channel, &"x".repeat(BYTES));
    let end = publish("PUBLISH", &channel, "end");
    let mut measured = |paced: bool| -> Outcome<f64> {
        let before = processor_time(&listener.child)?;
        let count = match paced {
            false => {
                let part = message.repeat(1_000);
                for _ in 0..BURST / 1_000 {
                    publisher.send(&part)?;
                }
                BURST
            }
            true => {
                publisher.pace(std::slice::from_ref(&message), PACE, PACED)?;
                PACED
            }
        };
        publisher.send(&end)?;
        let heard = listener.child.hear_number("heard")?;
        if heard != count {
            return Err(format!("{heard} of {count} messages came").into());
        }
        let spent = processor_time(&listener.child)? - before;
        Ok(spent as f64 / count as f64)
    };
    Ok(vec![measured(false)?, measured(true)?])
}
