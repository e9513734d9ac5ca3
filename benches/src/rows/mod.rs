//! The rows of the table, one module per question.

mod churn;
mod equality;
mod fanout;
mod growth;
mod join;
mod json;
mod leave;
mod memory;
mod mix;
mod patterns;
mod publish_call;
mod publishers;
mod tasks;

use crate::{Outcome, children::Case, report::Line};

/// A row: what it is called on the command line, what it answers, and how.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) question: &'static str,
    pub(crate) measure: fn() -> Outcome<Vec<Line>>,
}

/// All rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    fanout::ROW,
    tasks::THREADS,
    tasks::TASKS,
    publish_call::ROW,
    leave::ROW,
    join::ROW,
    memory::ROW,
    equality::ROW,
    json::ROW,
    mix::ROW,
    churn::ROW,
    patterns::ROW,
    growth::ROW,
    publishers::ROW,
];

/// Everything that is measured in a process of its own.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    let all = [join::CASES, memory::CASES, growth::CASES];
    all.into_iter().flatten()
}
