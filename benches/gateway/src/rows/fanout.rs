//! How long until the last of ten thousand clients has an event?

use distributary_bench_report::{
    report::{Line, Target},
    rounds::Unit,
};

use super::{BYTES, Row, SOCKETS};
use crate::{
    Outcome,
    fleet::{Fleet, Name},
};

pub(crate) const ROW: Row = Row {
    name: "fanout",
    question: "One event of 1 KiB to 10,000 WebSockets (Redis: RESP subscribers), from the order to \
               publish until the last client has all of it: per socket.",
    measure,
};

/// Events that are not counted: buffers and caches of a server find their size.
const WARM_UP: usize = 3;
const ROUNDS: usize = 25;

const NEXT_TO_UWS: &str = "both come down to the system's `send`, within a few percent of the \
                           bare loop; ours looks at its poll after each half millisecond, \
                           theirs once all is written";

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    fleet.alternate(&Name::ALL, 1, &[], |contender| {
        contender.fill(SOCKETS)?;
        contender.load.ask(&format!("event {BYTES} {WARM_UP}"))?;
        Ok(vec![])
    });
    let figures = fleet.alternate(&Name::ALL, ROUNDS, &[Unit::Nanos], |contender| {
        let took = contender.load.figures(&format!("event {BYTES} 1"))?;
        Ok(vec![took[0] / contender.clients as f64])
    });
    let ours = figures.ours(0);
    let line = |(name, peer)| {
        let most = match name {
            Name::Bare => 1.1,
            _ => 1.0,
        };
        let line = Line::new("time to the last client, per socket", ours).against(peer);
        let line = line.target(Target::RatioAtMost(most));
        match name {
            Name::Uws => line.note(NEXT_TO_UWS),
            _ => line,
        }
    };
    Ok(figures.peers(0).map(line).collect())
}
