//! When does a server know who has left, while it is busy?

use distributary_bench_report::{
    report::{Line, Target},
    rounds::Unit,
};

use super::{Row, SOCKETS};
use crate::{
    Outcome,
    fleet::{Fleet, Name},
};

pub(crate) const ROW: Row = Row {
    name: "leave",
    question: "Ten events of 4 KiB for 10,000 sockets are published at once, and 500 clients leave \
               in the middle of the first: from the last of them having closed its socket until \
               the server has taken note of all.",
    measure,
};

const LEAVING: usize = 500;
const BYTES: usize = 4_096;
const EVENTS: usize = 10;
const ROUNDS: usize = 3;
const MOST: f64 = 20e6;

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    let figures = fleet.alternate(&Name::ALL, ROUNDS, &[Unit::Nanos], |contender| {
        contender.fill(SOCKETS)?;
        let order = format!("leave {LEAVING} {BYTES} {EVENTS}");
        contender.load.figures(&order)
    });
    let (ours, what) = (figures.ours(0), "500 leave");
    let mut lines = vec![Line::new(what, ours).target(Target::AtMost(MOST))];
    let peers = figures.peers(0);
    lines.extend(peers.map(|(_, peer)| Line::new(what, ours).against(peer)));
    Ok(lines)
}
