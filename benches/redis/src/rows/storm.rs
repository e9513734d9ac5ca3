//! What does a fleet do that loses its server?

use std::{
    ffi::OsString,
    thread,
    time::{Duration, Instant},
};

use distributary_bench_report::{
    Outcome,
    child::{self, Child},
    report::{Line, Target},
    rounds::{Samples, Unit},
};

use super::Row;
use crate::{
    bystander::Bystander,
    hub::COMMON,
    publisher::{Publisher, publish},
    server::Server,
};

pub(crate) const ROW: Row = Row {
    name: "storm",
    question: "1,000 processes with a hub each, 21 channels a hub, lose their server for 5 s.",
    measure,
};

const FLEET: usize = 1_000;
const AWAY: Duration = Duration::from_secs(5);
/// From the last process that came to the outage.
const SETTLING: Duration = Duration::from_secs(75);
/// How long the fleet may take to come, and to come back.
const PATIENCE: Duration = Duration::from_secs(120);
/// Processes that start at the same time.
const AT_ONCE: usize = 25;
/// How often connections are counted.
const LOOK: Duration = Duration::from_millis(50);

fn measure() -> Outcome<Vec<Line>> {
    let mut server = Server::start()?;
    let mut fleet = gather(&server)?;
    // A fleet in service: each has counted the others.
    thread::sleep(SETTLING);
    let bystander = Bystander::of(&server)?;
    thread::sleep(AWAY);
    let rest = bystander.worst()?;
    let before = attempts(&mut fleet)?;
    server.kill();
    let killed = Instant::now();
    let sleep = AWAY.saturating_sub(Duration::from_millis(200));
    thread::sleep(sleep);
    let after = attempts(&mut fleet)?;
    thread::sleep(AWAY.saturating_sub(killed.elapsed()));
    let tries: Vec<u64> = before.iter().zip(&after).map(|(b, a)| a - b).collect();
    server.restart()?;
    let back = watch(&server)?;
    heard_by_all(&server, &fleet)?;
    let total = attempts(&mut fleet)?.iter().sum::<u64>() - before.iter().sum::<u64>();
    let most = tries.iter().max().copied().unwrap_or(0);
    let one = |unit, value: f64| Samples::new("distributary", unit, vec![value]);
    Ok(vec![
        Line::new(
            "connects of a process while the server was away, at most",
            &one(Unit::Count, most as f64),
        )
        .target(Target::AtMost(3.0))
        .note(format!("{} in all", tries.iter().sum::<u64>())),
        Line::new(
            "connections taken in the busiest second",
            &one(Unit::Count, back.peak as f64),
        )
        .target(Target::AtMost(400.0))
        .note(format!("{total} attempts in all")),
        Line::new(
            "the longest wait of a bystander's PING",
            &one(Unit::Nanos, nanos(back.worst)),
        )
        .target(Target::AtMost(30e6))
        .note(format!(
            "{:.1} ms before the outage",
            rest.as_secs_f64() * 1e3
        )),
        Line::new("until all were back", &one(Unit::Nanos, nanos(back.took)))
            .target(Target::AtMost(15e9)),
    ])
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// Starts them, a few at a time.
fn gather(server: &Server) -> Outcome<Vec<Child>> {
    let url = server.url();
    let mut fleet = Vec::with_capacity(FLEET);
    while fleet.len() < FLEET {
        let first = fleet.len();
        for number in first..(first + AT_ONCE).min(FLEET) {
            fleet.push(member(&url, number)?);
        }
        for member in &fleet[first..] {
            member.hear_number("ready")?;
        }
    }
    Ok(fleet)
}

/// One of the fleet. It gives way to the server, as if on a machine of its own.
fn member(url: &str, number: usize) -> Outcome<Child> {
    let mut words: Vec<OsString> = ["nice", "-n", "5"].map(OsString::from).into();
    words.extend(child::own(&["--member", url, &number.to_string()])?);
    Child::start(&words, None)
}

/// Attempts to connect that each has made so far.
fn attempts(fleet: &mut [Child]) -> Outcome<Vec<u64>> {
    for member in fleet.iter_mut() {
        member.say("attempts")?;
    }
    fleet
        .iter()
        .map(|member| member.hear_number("attempts"))
        .collect()
}

/// What was seen while they came back.
struct Back {
    took: Duration,
    /// Connections within one second, at most.
    peak: u64,
    worst: Duration,
}

/// Looks on until all listen again.
fn watch(server: &Server) -> Outcome<Back> {
    let begun = Instant::now();
    let bystander = Bystander::of(server)?;
    let mut counter = server.console()?;
    // When, and how many until then.
    let mut taken: Vec<(Instant, u64)> = Vec::new();
    let mut peak = 0;
    while begun.elapsed() < PATIENCE {
        let (now, count) = (Instant::now(), counter.info("total_connections_received")?);
        taken.push((now, count));
        let second = taken
            .iter()
            .find(|(when, _)| now - *when <= Duration::from_secs(1));
        peak = peak.max(count - second.map_or(count, |(_, count)| *count));
        if counter.listeners(COMMON)? == FLEET as u64 {
            let (took, worst) = (begun.elapsed(), bystander.worst()?);
            return Ok(Back { took, peak, worst });
        }
        thread::sleep(LOOK);
    }
    Err(format!("not all are back after {PATIENCE:?}").into())
}

/// Who is counted by the server must also hear.
fn heard_by_all(server: &Server, fleet: &[Child]) -> Outcome<()> {
    Publisher::connect(server)?.send(&publish("PUBLISH", COMMON, "7"))?;
    for member in fleet {
        if member.hear_number("heard")? != 7 {
            return Err("something else was heard".into());
        }
    }
    Ok(())
}
