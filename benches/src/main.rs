//! Distributary beside its peers: every figure that the project promises, measured in
//! one run on one machine.
//!
//! ```text
//! cargo run --profile bench -p distributary-benches -- --all          writes benches/RESULTS.md
//! cargo run --profile bench -p distributary-benches -- --only leave   prints one row
//! cargo run --profile bench -p distributary-benches -- --list         says which there are
//! ```
//!
//! A row answers a question that a user asks. Ours and the peers do the same job in
//! alternating rounds, each delivery is counted, and a run that lost one is an error,
//! not a figure. Targets that are missed stay in the table as missed.

mod children;
mod peers;
mod rows;
mod sinks;

use std::{env, fs, io, path::Path, process::ExitCode, time::Instant};

use distributary_bench_report::{Outcome, kept, machine, process, report, rounds};
use report::Section;
use rows::Row;

/// The crates whose versions decide the figures.
const CRATES: [&str; 12] = [
    "distributary",
    "a-tree",
    "async-broadcast",
    "bus",
    "bytes",
    "crossbeam-channel",
    "dashmap",
    "flume",
    "kanal",
    "parking_lot",
    "quamina",
    "tokio",
];

const USAGE: &str = "usage: distributary-benches --all | --only ROW... | --list";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ended = match &arguments[..] {
        ["--all"] => all(),
        ["--only", names @ ..] if !names.is_empty() => names.iter().try_for_each(|name| only(name)),
        ["--list"] => {
            for row in rows::ROWS {
                println!("{:<14} {}", row.name, row.question);
            }
            Ok(())
        }
        ["--row", name] => row(name).and_then(|row| {
            children::end_with_parent();
            let lines = (row.measure)()?;
            print!("{}", Section::new(row.name, row.question, &lines).to_text());
            Ok(())
        }),
        ["--case", case] => children::act(case),
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

fn row(name: &str) -> Outcome<&'static Row> {
    let known = rows::ROWS.iter().find(|row| row.name == name);
    known.ok_or_else(|| format!("there is no row {name:?}: --list names them").into())
}

fn only(name: &str) -> Outcome<()> {
    let row = row(name)?;
    let lines = (row.measure)()?;
    println!("{}", Section::new(row.name, row.question, &lines).markdown);
    Ok(())
}

/// The report as it was written last, and by others; nothing where there is none.
fn written(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read,
    }
}

fn all() -> Outcome<()> {
    let started = Instant::now();
    let mut sections = Vec::new();
    for row in rows::ROWS {
        eprintln!("{:>4} s  {}", started.elapsed().as_secs(), row.name);
        sections.push(Section::from_text(&children::run(&["--row", row.name])?)?);
    }
    let machine = machine::describe("`make bench`", &CRATES.map(machine::with_version), &[]);
    let text = report::render(&machine, started.elapsed(), &sections);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md");
    fs::write(&path, kept::with_parts_of(&written(&path)?, &text)?)?;
    let took = started.elapsed().as_secs();
    eprintln!("{took:>4} s  written: {}", path.display());
    Ok(())
}
