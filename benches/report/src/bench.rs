//! A benchmark as a program: rows that each answer a question, measured by name or all
//! together into a report.
//!
//! `--list` names them, `--only ROW...` measures some and prints them, `--all` measures
//! them in their order and writes `RESULTS.md`. A program has arguments of its own beside
//! these, for the parts that it plays in processes of their own.

use std::{env, fs, path::Path, process::ExitCode, time::Instant};

use crate::{
    Outcome, machine,
    report::{self, Line, Section},
};

/// A row: what it is called on the command line, what it answers, and how.
#[derive(Debug)]
pub struct Row<M> {
    /// One word.
    pub name: &'static str,
    /// What a user asks.
    pub question: &'static str,
    /// What finds the answer.
    pub measure: M,
}

/// A benchmark, while it runs.
pub trait Bench: Sized {
    /// What a row is measured by.
    type Measure: 'static;
    /// The program.
    const PROGRAM: &'static str;
    /// The command that is told to readers of the report.
    const COMMAND: &'static str;
    /// Where the report is written.
    const FOLDER: &'static str;
    /// The crates whose versions decide the figures.
    const CRATES: &'static [&'static str];
    /// All rows, in the order of the report.
    const ROWS: &'static [Row<Self::Measure>];

    /// What all rows need.
    ///
    /// # Errors
    /// When it cannot be had.
    fn begin() -> Outcome<Self>;

    /// The answer of one row.
    ///
    /// # Errors
    /// When there is none.
    fn measure(&mut self, row: &'static Row<Self::Measure>) -> Outcome<Vec<Line>>;

    /// What else the figures depend on, once all were measured.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn describe(&self) -> Outcome<Vec<(&'static str, String)>>;
}

/// Runs a program with the arguments of its process; an error is told and is its end.
pub fn main(run: impl FnOnce(&[&str]) -> Outcome<()>) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the arguments say that every benchmark takes.
///
/// # Errors
/// Of what is measured, or that these are other arguments.
pub fn run<B: Bench>(arguments: &[&str]) -> Outcome<()> {
    match arguments {
        ["--all"] => all::<B>(),
        ["--only", names @ ..] if !names.is_empty() => only::<B>(names),
        ["--list"] => {
            let widest = B::ROWS.iter().map(|row| row.name.len()).max();
            let width = widest.unwrap_or(0);
            for row in B::ROWS {
                println!("{:<width$} {}", row.name, row.question);
            }
            Ok(())
        }
        _ => Err(format!("usage: {} --all | --only ROW... | --list", B::PROGRAM).into()),
    }
}

fn only<B: Bench>(names: &[&str]) -> Outcome<()> {
    let row = |name: &&str| {
        let row = B::ROWS.iter().find(|row| row.name == *name);
        row.ok_or_else(|| format!("there is no row {name:?}: --list names them"))
    };
    let rows = names.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    let mut bench = B::begin()?;
    for row in rows {
        println!("{}", section(&mut bench, row)?.markdown);
    }
    Ok(())
}

fn all<B: Bench>() -> Outcome<()> {
    let started = Instant::now();
    let mut bench = B::begin()?;
    let mut sections = Vec::new();
    for row in B::ROWS {
        eprintln!("{:>4} s  {}", started.elapsed().as_secs(), row.name);
        sections.push(section(&mut bench, row)?);
    }
    let versions: Vec<String> = B::CRATES.iter().map(|n| machine::with_version(n)).collect();
    let machine = machine::describe(B::COMMAND, &versions, &bench.describe()?);
    let text = report::render(&machine, started.elapsed(), &sections);
    let path = Path::new(B::FOLDER).join("RESULTS.md");
    fs::write(&path, text)?;
    let took = started.elapsed().as_secs();
    eprintln!("{took:>4} s  written: {}", path.display());
    Ok(())
}

fn section<B: Bench>(bench: &mut B, row: &'static Row<B::Measure>) -> Outcome<Section> {
    let lines = bench.measure(row)?;
    Ok(Section::new(row.name, row.question, &lines))
}
