//! How fast do clients get in?

use std::{thread, time::Duration};

use distributary_bench_report::{
    report::{Line, Target},
    rounds::Unit,
};

use super::Row;
use crate::{
    Outcome,
    fleet::{Contender, Fleet, Name},
    wire::ALL,
};

pub(crate) const ROW: Row = Row {
    name: "handshakes",
    question: "5,000 clients connect, are let in and subscribed, so many at a time: per second. \
               Redis has no HTTP to parse.",
    measure,
};

const COUNT: usize = 5_000;
const IN_FLIGHT: [usize; 2] = [64, 512];
const ROUNDS: usize = 5;
/// In which a server takes note that they have gone.
const PAUSE: Duration = Duration::from_millis(150);

const NAMES: [Name; 6] = [
    Name::Distributary,
    Name::Bare,
    Name::Tungstenite,
    Name::WsBuffer,
    Name::Uws,
    Name::Redis,
];

const NEXT_TO_UWS: &str = "it parses, upgrades and subscribes on one thread; ours hands a \
                           connection from the thread that asks the application to the one \
                           that owns sockets";

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    fleet.end();
    // Once, so that all have grown to their size.
    fleet.alternate(&NAMES, 1, &[], |contender| {
        rate(contender, IN_FLIGHT[0])?;
        Ok(vec![])
    });
    let figures = fleet.alternate(&NAMES, ROUNDS, &[Unit::PerSecond; 2], |contender| {
        let rates = IN_FLIGHT
            .iter()
            .map(|&in_flight| rate(contender, in_flight));
        rates.collect()
    });
    let mut lines = Vec::new();
    for (figure, in_flight) in IN_FLIGHT.iter().enumerate() {
        let ours = figures.ours(figure);
        for (name, peer) in figures.peers(figure) {
            let line = Line::new(format!("{in_flight} at a time"), ours).against(peer);
            lines.push(match name {
                Name::Bare | Name::Redis => line,
                Name::Uws => line.target(Target::RatioAtLeast(1.0)).note(NEXT_TO_UWS),
                _ => line.target(Target::RatioAtLeast(1.0)),
            });
        }
    }
    Ok(lines)
}

fn rate(contender: &mut Contender, in_flight: usize) -> Outcome<f64> {
    let took = contender
        .load
        .figures(&format!("connect {COUNT} {in_flight} {ALL}"))?;
    contender.load.ask("clear")?;
    thread::sleep(PAUSE);
    Ok(COUNT as f64 / (took[0] / 1e9))
}
