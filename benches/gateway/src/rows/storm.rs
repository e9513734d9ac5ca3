//! Everybody comes back at once: does anybody lose anything, or wait?

use distributary_bench_report::{
    report::{Line, Target},
    rounds::Unit,
};

use super::Row;
use crate::{
    Outcome,
    fleet::{Contender, Fleet, Name},
    servers::storm_topic,
};

pub(crate) const ROW: Row = Row {
    name: "storm",
    question: "10,000 clients of the JSON protocol are cut off at once and come back within 5 s, \
               each at random, resuming where it was; 50 events a second go on meanwhile, one in \
               ten to everybody. Each client must have had every event once and in order.",
    measure,
};

const CLIENTS: usize = 10_000;
const SECONDS: usize = 5;
const ROUNDS: usize = 3;
/// Connections that stay, pinged in turn, one each millisecond.
const STAYING: usize = 100;
const PING_EVERY: usize = 1_000;
const MOST: f64 = 20e6;

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    fleet.end();
    let units = [Unit::Nanos, Unit::Nanos, Unit::Nanos, Unit::Count];
    let figures = fleet.alternate(&[Name::Distributary], ROUNDS, &units, rage);
    fleet.end();
    let ping = Line::new("a ping of 100 that stayed, at worst", figures.ours(0));
    let back = Line::new("from the cut until the last is back", figures.ours(1));
    let timer = Line::new("a timer of the probe, at worst", figures.ours(2));
    let refused = Line::new("told to come back later", figures.ours(3));
    Ok(vec![
        ping.target(Target::AtMost(MOST)),
        back.note(
            "the last one draws nearly 5 s; none has lost an event, or this would be an error",
        ),
        refused.note("503 with `Retry-After`, which the client obeys"),
        timer.note("what a probe that asks nothing waits on this machine"),
    ])
}

fn rage(contender: &mut Contender) -> Outcome<Vec<f64>> {
    let topic = storm_topic(None);
    contender.probe()?.ask(&format!("open {STAYING} {topic}"))?;
    contender.probe()?.ask(&format!("start {PING_EVERY} 0 0"))?;
    let stormed = contender
        .load
        .figures(&format!("storm {CLIENTS} {SECONDS}"));
    let probed = contender.probe()?.figures("stop")?;
    let stormed = stormed?;
    Ok(vec![probed[0], stormed[0], probed[3], stormed[1]])
}
