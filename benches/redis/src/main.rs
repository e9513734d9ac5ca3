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

mod child;
mod console;
mod hub;
mod listeners;
mod peers;
mod publisher;
mod rows;
mod server;

use std::{env, fs, path::Path, process::ExitCode, time::Instant};

use distributary_bench_report::{
    Outcome, machine,
    report::{self, Section},
};

/// The crates whose versions decide the figures.
const CRATES: [&str; 5] = ["distributary", "redis-protocol", "tokio", "redis", "fred"];

const USAGE: &str = "usage: distributary-redis-bench --all | --only ROW... | --list";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match arguments[..] {
        ["--all"] => all(),
        ["--only", ref names @ ..] if !names.is_empty() => only(names),
        ["--list"] => {
            for row in rows::ROWS {
                println!("{:<10} {}", row.name, row.question);
            }
            Ok(())
        }
        ["--listen", name, url, channel] => listeners::run(name, url, channel),
        ["--hubs", url, first, count] => hub::crowd(url, first, count),
        ["--member", url, number] => hub::member(url, number),
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

fn only(names: &[&str]) -> Outcome<()> {
    for name in names {
        let row = rows::ROWS.iter().find(|row| row.name == *name);
        let row = row.ok_or_else(|| format!("there is no row {name:?}: --list names them"))?;
        let lines = (row.measure)()?;
        println!("{}", Section::new(row.name, row.question, &lines).markdown);
    }
    Ok(())
}

fn all() -> Outcome<()> {
    let started = Instant::now();
    let mut sections = Vec::new();
    for row in rows::ROWS {
        eprintln!("{:>4} s  {}", started.elapsed().as_secs(), row.name);
        let lines = (row.measure)()?;
        sections.push(Section::new(row.name, row.question, &lines));
    }
    let versions = CRATES.map(machine::with_version);
    let peers = [
        ("server", server::version()?),
        ("in Node", peers::versions()),
    ];
    let machine = machine::describe("`make bench-redis`", &versions, &peers);
    let text = report::render(&machine, started.elapsed(), &sections);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
    fs::write(&path, text)?;
    let took = started.elapsed().as_secs();
    eprintln!("{took:>4} s  written: {}", path.display());
    Ok(())
}
