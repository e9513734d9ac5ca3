//! The rows of the table, one module per question.

mod again;
mod hot;
mod interest;
mod kills;
mod storm;

use distributary_bench_report::{Outcome, bench, report::Line};

/// How a row is measured: with a server of its own.
pub(crate) type Measure = fn() -> Outcome<Vec<Line>>;

type Row = bench::Row<Measure>;

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[hot::ROW, interest::ROW, kills::ROW, again::ROW, storm::ROW];
