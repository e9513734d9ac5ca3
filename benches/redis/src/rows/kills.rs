//! What does a subscriber lose whose connection is ended?

use std::{
    thread,
    time::{Duration, Instant},
};

use distributary_bench_report::{
    Outcome,
    child::{CLIENT_CORE, Child},
    report::{Line, Target},
    rounds::{Contender, Unit, alternate_one},
};

use super::Row;
use crate::{
    peers,
    publisher::{Publisher, publish},
    server::Server,
};

pub(crate) const ROW: Row = Row {
    name: "kills",
    question: "A subscriber whose connection the server ends 20 times, while somebody publishes \
               plain payloads, 1,000 a second: messages lost per kill.",
    measure,
};

const KILLS: u64 = 20;
/// From one kill to the next.
const EVERY: Duration = Duration::from_millis(400);
const RATE: u64 = 1_000;
const ROUNDS: usize = 3;

fn measure() -> Outcome<Vec<Line>> {
    let figures = &[("", Unit::Count)];
    let mut contenders = ["distributary", "ioredis"]
        .map(|name| Contender::with_figures(name, figures, move || Ok(vec![lost_per_kill(name)?])));
    let samples = alternate_one(ROUNDS, &mut contenders)?;
    let what = "messages lost per kill";
    Ok(vec![
        Line::new(what, &samples[0]).target(Target::AtMost(30.0)),
        Line::new(what, &samples[0]).against(&samples[1]),
    ])
}

fn lost_per_kill(name: &str) -> Outcome<f64> {
    let server = Server::start()?;
    let channel = "kills";
    let child = match name {
        "ioredis" => Child::start(&peers::ioredis(&server.url(), channel)?, Some(CLIENT_CORE))?,
        _ => Child::own(
            &["--listen", name, &server.url(), channel],
            Some(CLIENT_CORE),
        )?,
    };
    child.hear_number("ready")?;
    let mut console = server.console()?;
    let mut publisher = Publisher::connect(&server)?;
    let message = publish("PUBLISH", channel, "x");
    let (mut sent, mut kills) = (0, 0);
    let begun = Instant::now();
    // A second before the first kill, and one after the last.
    let end = Duration::from_secs(2) + EVERY * KILLS as u32;
    while begun.elapsed() < end {
        let due = begun.elapsed().as_millis() as u64 * RATE / 1_000;
        while sent < due {
            publisher.send(&message)?;
            sent += 1;
        }
        let at = Duration::from_secs(1) + EVERY * kills as u32;
        if kills < KILLS && begun.elapsed() >= at {
            console.ask(&["CLIENT", "KILL", "TYPE", "pubsub"])?;
            kills += 1;
        }
        thread::sleep(Duration::from_micros(500));
    }
    publisher.send(&publish("PUBLISH", channel, "end"))?;
    let heard = child.hear_number("heard")?;
    Ok(sent.saturating_sub(heard) as f64 / KILLS as f64)
}
