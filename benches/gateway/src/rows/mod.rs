//! The rows of the table, one module per question.
//!
//! The order is not free: rows with the same sockets come one after another and share
//! them, and a row that measures memory starts its servers anew.

mod fanout;
mod handshakes;
mod idle;
mod leave;
mod sinks;
mod stalled;
mod storm;
mod waiting;

use distributary_bench_report::{bench, report::Line, rounds::Unit};

use crate::{
    Outcome,
    fleet::{Contender, Figures, Fleet, Name},
};

/// How a row is measured.
pub(crate) type Measure = fn(&mut Fleet) -> Outcome<Vec<Line>>;

type Row = bench::Row<Measure>;

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    fanout::ROW,
    waiting::ROW,
    leave::ROW,
    waiting::LIMIT,
    stalled::ROW,
    idle::ROW,
    handshakes::ROW,
    storm::ROW,
    sinks::ROW,
];

/// Sockets of most rows.
const SOCKETS: usize = 10_000;
/// Bytes of most events.
const BYTES: usize = 1_024;
const NO_MEMORY: &str = "this system does not say how much memory is in use";

/// Measures each of these once, in a server that has seen nothing before, and while no
/// other runs.
fn fresh(
    fleet: &mut Fleet,
    names: &[Name],
    figures: &[Unit],
    mut measure: impl FnMut(&mut Contender) -> Outcome<Vec<f64>>,
) -> Figures {
    fleet.end();
    let all = names.iter().map(|&name| {
        let figures = fleet.alternate(&[name], 1, figures, &mut measure);
        fleet.end();
        figures
    });
    Figures::joined(all)
}
