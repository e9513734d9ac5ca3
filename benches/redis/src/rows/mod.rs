//! The rows of the table, one module per question.

mod hot;
mod interest;
mod kills;
mod storm;

use distributary_bench_report::{Outcome, report::Line};

/// A row: what it is called on the command line, what it answers, and how.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) measure: fn() -> Outcome<Vec<Line>>,
}

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[hot::ROW, interest::ROW, kills::ROW, storm::ROW];
