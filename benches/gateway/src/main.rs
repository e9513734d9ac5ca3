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

use std::{env, fs, path::Path, process::ExitCode, time::Instant};

use distributary_bench_report::{
    Outcome, machine,
    report::{self, Section},
};
use fleet::Fleet;
use rustix::process::{Resource, getrlimit, setrlimit};

/// The crates whose versions decide the figures.
const CRATES: [&str; 5] = ["distributary", "bytes", "mio", "tokio", "tokio-tungstenite"];

const USAGE: &str = "usage: distributary-gateway-bench --all | --only ROW... | --list";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        ["--all"] => all(),
        ["--only", ref names @ ..] if !names.is_empty() => only(names),
        ["--list"] => {
            for row in rows::ROWS {
                println!("{:<12} {}", row.name, row.question);
            }
            Ok(())
        }
        ["--server", name] => raise_limit().and_then(|()| servers::run(name)),
        ["--load", protocol, address, control] => load(protocol, address, control),
        ["--probe", protocol, address] => probe(protocol, address),
        ["--sinks", sinks] => sinks.parse().map_err(Into::into).and_then(sinks::run),
        _ => Err(USAGE.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn load(protocol: &str, address: &str, control: &str) -> Outcome<()> {
    raise_limit()?;
    load::run(&load::Server {
        protocol: wire::Protocol::parse(protocol).ok_or(USAGE)?,
        address: address.parse()?,
        control: control::Kind::parse(control).ok_or(USAGE)?,
    })
}

fn probe(protocol: &str, address: &str) -> Outcome<()> {
    let protocol = wire::Protocol::parse(protocol).ok_or(USAGE)?;
    probe::run(protocol, address.parse()?)
}

/// Takes as many descriptors as this process may have.
fn raise_limit() -> Outcome<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

fn only(names: &[&str]) -> Outcome<()> {
    raise_limit()?;
    let mut fleet = Fleet::new()?;
    for name in names {
        let row = rows::ROWS.iter().find(|row| row.name == *name);
        let row = row.ok_or_else(|| format!("there is no row {name:?}: --list names them"))?;
        fleet.begin(row.name);
        let lines = (row.measure)(&mut fleet)?;
        println!("{}", Section::new(row.name, row.question, &lines).markdown);
    }
    Ok(())
}

fn all() -> Outcome<()> {
    raise_limit()?;
    let started = Instant::now();
    let mut fleet = Fleet::new()?;
    let mut sections = Vec::new();
    for row in rows::ROWS {
        eprintln!("{:>4} s  {}", started.elapsed().as_secs(), row.name);
        fleet.begin(row.name);
        let lines = (row.measure)(&mut fleet)?;
        sections.push(Section::new(row.name, row.question, &lines));
    }
    let versions = CRATES.map(machine::with_version);
    let machine = machine::describe("`make bench-gateway`", &versions, &fleet.describe());
    let text = report::render(&machine, started.elapsed(), &sections);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
    fs::write(&path, text)?;
    let took = started.elapsed().as_secs();
    eprintln!("{took:>4} s  written: {}", path.display());
    Ok(())
}
