//! Does it hold for more sockets than there can be here?

use distributary_bench_report::{
    child::{Child, SERVER_CORE},
    report::{Line, Target},
    rounds::{Samples, Unit},
};

use super::Row;
use crate::{Outcome, fleet::Fleet};

pub(crate) const ROW: Row = Row {
    name: "sinks",
    question: "The same lanes over sinks that take 4 µs each instead of sockets: the longest that a \
               ping and a close wait during an event.",
    measure,
};

const SINKS: [usize; 2] = [40_000, 100_000];
const WARM_UP: usize = 2;
const ROUNDS: usize = 21;
const MOST: f64 = 2e6;

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    fleet.end();
    let mut lines = Vec::new();
    for sinks in SINKS {
        let mut lane = Child::own(&["--sinks", &sinks.to_string()], Some(SERVER_CORE))?;
        let rounds = (0..WARM_UP + ROUNDS).map(|_| lane.figures("event"));
        let rounds = rounds.collect::<Outcome<Vec<_>>>()?;
        let counted = &rounds[WARM_UP..];
        let samples = |figure: usize, of: usize| {
            let values = counted.iter().map(|round| round[figure] / of as f64);
            Samples::new("distributary", Unit::Nanos, values.collect())
        };
        let line = |what, samples: &Samples| Line::new(format!("{what}, {sinks} sinks"), samples);
        lines.extend([
            line("a ping", &samples(0, 1)).target(Target::AtMost(MOST)),
            line("a close", &samples(1, 1)).target(Target::AtMost(MOST)),
            line("the event, per sink", &samples(2, sinks)),
        ]);
    }
    Ok(lines)
}
