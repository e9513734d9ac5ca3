//! The rows of the table, one module per question.
//!
//! The order is not free: rows with the same sockets come one after another and share
//! them, and a row that measures memory starts its servers anew.

mod fanout;

use distributary_bench_report::report::Line;

use crate::{Outcome, fleet::Fleet};

/// A row: what it is called on the command line, what it answers, and how.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) measure: fn(&mut Fleet) -> Outcome<Vec<Line>>,
}

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[fanout::ROW];

/// Sockets of most rows.
const SOCKETS: usize = 10_000;
/// Bytes of most events.
const BYTES: usize = 1_024;
