//! The backplane on Redis beside the clients of Redis: what a message costs who receives
//! it, what hubs cost the server, and what a fleet does that loses it.
//!
//! ```text
//! cargo run --profile bench -p distributary-redis-bench -- --all         writes benches/redis/RESULTS.md
//! cargo run --profile bench -p distributary-redis-bench -- --only hot    prints one row
//! cargo run --profile bench -p distributary-redis-bench -- --list        says which there are
//! ```
//!
//! The program starts a [`server`] of its own on one core and, on the other, a process for
//! each of those that are compared; they take turns. Whoever lost a message is an error,
//! not a figure. Targets that are missed stay in the table as missed.

mod bystander;
mod console;
mod hub;
mod listeners;
mod peers;
mod publisher;
mod rows;
mod server;

use std::process::ExitCode;

use distributary_bench_report::{
    Outcome,
    bench::{self, Bench, Row},
    report::Line,
};

/// All of it.
struct Redis;

impl Bench for Redis {
    type Measure = rows::Measure;
    const PROGRAM: &'static str = env!("CARGO_PKG_NAME");
    const COMMAND: &'static str = "`make bench-redis`";
    const FOLDER: &'static str = env!("CARGO_MANIFEST_DIR");
    const CRATES: &'static [&'static str] =
        &["distributary", "redis-protocol", "tokio", "redis", "fred"];
    const ROWS: &'static [Row<Self::Measure>] = rows::ROWS;

    fn begin() -> Outcome<Self> {
        Ok(Redis)
    }

    fn measure(&mut self, row: &'static Row<Self::Measure>) -> Outcome<Vec<Line>> {
        (row.measure)()
    }

    fn describe(&self) -> Outcome<Vec<(&'static str, String)>> {
        Ok(vec![
            ("server", server::version()?),
            ("in Node", peers::versions()),
        ])
    }
}

fn main() -> ExitCode {
    bench::main(|arguments| match *arguments {
        ["--listen", name, url, channel] => listeners::run(name, url, channel),
        ["--hubs", url, first, count] => hub::crowd(url, first, count),
        ["--listener", url, topics, length] => hub::listener(url, topics, length),
        ["--member", url, number] => hub::member(url, number),
        _ => bench::run::<Redis>(arguments),
    })
}
