//! Does anybody wait while an event goes out?
//!
//! A connection that is subscribed to nothing pings five thousand times a second, and
//! fresh ones say goodbye now and then. Of each event the longest wait counts. What the
//! probe itself waits on this machine stands beside: a server with nothing to do, and a
//! timer with nothing to wait for.

use std::{thread, time::Duration};

use distributary_bench_report::{
    report::{Line, Target},
    rounds::Unit,
};
use rustix::process::{Resource, getrlimit};

use super::{BYTES, Row, SOCKETS};
use crate::{
    Outcome,
    fleet::{Contender, Fleet, Name},
};

pub(crate) const ROW: Row = Row {
    name: "waiting",
    question: "The longest that an unrelated ping, and an unrelated close, waits for its answer \
               while an event of 1 KiB goes to 10,000 sockets.",
    measure: |fleet| measure(fleet, &NAMES, SOCKETS),
};

pub(crate) const LIMIT: Row = Row {
    name: "limit",
    question: "The same at as many sockets as one server process and one client process may have \
               here.",
    measure: |fleet| measure(fleet, &OF_LIMIT, most_sockets()),
};

const ROUNDS: usize = 21;
/// Between pings, in microseconds.
const PING_EVERY: usize = 200;
/// Goodbyes in an event, and the time between, in microseconds.
const CLOSES: usize = 24;
const CLOSE_EVERY: usize = 4_000;
/// As long as events take.
const IDLE: Duration = Duration::from_millis(80);
const MOST: f64 = 2e6;
/// Descriptors that are no sockets of clients, and probes.
const OTHERS: u64 = 200;
/// Of the 28,232 ports that one address may be connected from, some are not free again
/// yet.
const PORTS: u64 = 25_000;

/// Everybody but the slowest, which says the same as its brother.
const NAMES: [Name; 6] = [
    Name::Distributary,
    Name::Bare,
    Name::Tungstenite,
    Name::WsBuffer,
    Name::Uws,
    Name::Redis,
];

/// One of each kind: with more than half of an address' ports taken, the kernel searches
/// long for another, and each server more costs seconds.
const OF_LIMIT: [Name; 4] = [Name::Distributary, Name::Bare, Name::Tungstenite, Name::Uws];

fn measure(fleet: &mut Fleet, names: &[Name], sockets: usize) -> Outcome<Vec<Line>> {
    fleet.alternate(names, 1, &[], |contender| {
        contender.fill(sockets)?;
        contender.load.ask(&format!("event {BYTES} 2"))?;
        Ok(vec![])
    });
    let units = [Unit::Nanos; 4];
    let busy = fleet.alternate(names, ROUNDS, &units, |contender| {
        let mut took = 0.0;
        let mut figures = probed(contender, |contender| {
            took = contender.load.figures(&format!("event {BYTES} 1"))?[0];
            Ok(())
        })?;
        figures.push(took / contender.clients as f64);
        Ok(figures)
    });
    let idle = fleet.alternate(&[Name::Distributary], ROUNDS, &units[..3], |contender| {
        probed(contender, |_| {
            thread::sleep(IDLE);
            Ok(())
        })
    });
    let mut lines = Vec::new();
    for (figure, what) in [(0, "a ping"), (1, "a close")] {
        let ours = busy.ours(figure);
        lines.push(Line::new(what, ours).target(Target::AtMost(MOST)));
        let peers = busy.peers(figure);
        lines.extend(peers.map(|(_, peer)| Line::new(what, ours).against(peer)));
        lines.push(Line::new(
            format!("{what}, while nothing happens"),
            idle.ours(figure),
        ));
    }
    let timer = Line::new("a timer of the probe, during our events", busy.ours(2));
    lines.push(timer.note("what a probe that asks nothing waits on this machine"));
    let ours = Line::new("time to the last client, per socket", busy.ours(3));
    lines.push(ours.note(format!("{sockets} sockets, with the probe beside")));
    Ok(lines)
}

/// The longest waits for a pong and for a close, and the worst of the probe's timer.
fn probed(
    contender: &mut Contender,
    during: impl FnOnce(&mut Contender) -> Outcome<()>,
) -> Outcome<Vec<f64>> {
    let start = format!("start {PING_EVERY} {CLOSES} {CLOSE_EVERY}");
    contender.probe()?.ask(&start)?;
    let went = during(contender);
    let figures = contender.probe()?.figures("stop")?;
    went?;
    let [pong, close, _, timer] = figures[..] else {
        return Err(format!("{figures:?} is not what a probe sees").into());
    };
    Ok(vec![pong, close, timer])
}

fn most_sockets() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(PORTS);
    limit.saturating_sub(OTHERS).min(PORTS) as usize
}
