//! The gateway beside its peers: ten thousand sockets, one load generator for all, and
//! every figure that the project promises, measured in one run on one machine.
//!
//! ```text
//! cargo run --profile bench -p distributary-gateway-bench -- --all           writes benches/gateway/RESULTS.md
//! cargo run --profile bench -p distributary-gateway-bench -- --only fanout   prints one row
//! cargo run --profile bench -p distributary-gateway-bench -- --list          says which there are
//! ```
//!
//! This program is all of it, in processes of their own: it starts the [`servers`] on
//! one core (some are not its own, see [`fleet`]), and for each server a [`load`]
//! generator and a [`probe`] on another core, and lets them take turns. Whoever lost an
//! event is an error, not a figure. Targets that are missed stay in the table as missed.

mod clock;
mod control;
mod fleet;
mod load;
mod probe;
mod rows;
mod servers;
mod sinks;
mod wire;

use std::process::ExitCode;

use distributary_bench_report::{
    Outcome,
    bench::{self, Bench, Row},
    report::Line,
};
use fleet::Fleet;
use rustix::process::{Resource, getrlimit, setrlimit};

impl Bench for Fleet {
    type Measure = rows::Measure;
    const PROGRAM: &'static str = env!("CARGO_PKG_NAME");
    const COMMAND: &'static str = "`make bench-gateway`";
    const FOLDER: &'static str = env!("CARGO_MANIFEST_DIR");
    const CRATES: &'static [&'static str] =
        &["distributary", "bytes", "mio", "tokio", "tokio-tungstenite"];
    const ROWS: &'static [Row<Self::Measure>] = rows::ROWS;

    fn begin() -> Outcome<Self> {
        raise_limit()?;
        Fleet::new()
    }

    fn measure(&mut self, row: &'static Row<Self::Measure>) -> Outcome<Vec<Line>> {
        self.begin_row(row.name);
        (row.measure)(self)
    }

    fn describe(&self) -> Outcome<Vec<(&'static str, String)>> {
        Ok(self.conditions())
    }
}

const UNKNOWN: &str = "no such protocol or control";

fn main() -> ExitCode {
    bench::main(|arguments| match *arguments {
        ["--server", name] => raise_limit().and_then(|()| servers::run(name)),
        ["--load", protocol, address, control] => load(protocol, address, control),
        ["--probe", protocol, address] => probe(protocol, address),
        ["--sinks", sinks] => sinks.parse().map_err(Into::into).and_then(sinks::run),
        _ => bench::run::<Fleet>(arguments),
    })
}

fn load(protocol: &str, address: &str, control: &str) -> Outcome<()> {
    raise_limit()?;
    load::run(&load::Server {
        protocol: wire::Protocol::parse(protocol).ok_or(UNKNOWN)?,
        address: address.parse()?,
        control: control::Kind::parse(control).ok_or(UNKNOWN)?,
    })
}

fn probe(protocol: &str, address: &str) -> Outcome<()> {
    let protocol = wire::Protocol::parse(protocol).ok_or(UNKNOWN)?;
    probe::run(protocol, address.parse()?)
}

/// Takes as many descriptors as this process may have.
fn raise_limit() -> Outcome<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
