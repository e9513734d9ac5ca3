//! Writes the event file that the demo plays: JSON lines in the formats of
//! Mastodon's streaming API and of Wikimedia's `recentchange` stream.
//!
//! ```text
//! cargo run --release --example generate_events -- --seed 1 --count 2400 > examples/data/events.jsonl
//! ```
//!
//! Every line is `{"topic": "...", "event": {...}}`. The same seed gives the
//! same bytes everywhere, and a larger count only appends lines. All persons,
//! places, pages and texts are invented; the formats are the real ones, field
//! by field (`mastodon/entity.rs`, `wikimedia/entity.rs`).

mod clock;
mod markup;
mod mastodon;
mod rng;
mod stream;
mod text;
mod weights;
mod wikimedia;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use stream::Stream;

const DEFAULT_SEED: u64 = 1;
const DEFAULT_COUNT: usize = 2_400;
const MAX_COUNT: usize = 10_000_000;

const USAGE: &str = "\
Writes events as JSON lines to standard output.

Usage: generate_events [--seed N] [--count N]

  --seed N    which events; the same seed gives the same bytes (default 1)
  --count N   how many lines, 1 to 10000000 (default 2400)
  --help      this text
";

fn main() -> ExitCode {
    let request = match Request::parse(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("generate_events: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Request::Generate { seed, count } = request else {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    };
    match write_lines(seed, count, BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough (`| head`).
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate_events: cannot write to standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_lines(seed: u64, count: usize, mut out: impl Write) -> io::Result<()> {
    for line in Stream::new(seed).take(count) {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[derive(Debug, PartialEq)]
enum Request {
    Generate { seed: u64, count: usize },
    Help,
}

impl Request {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, ArgumentError> {
        let (mut seed, mut count) = (DEFAULT_SEED, DEFAULT_COUNT);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            let mut value = || {
                inline
                    .clone()
                    .or_else(|| arguments.next())
                    .ok_or_else(|| ArgumentError::NoValue(name.clone()))
            };
            match name.as_str() {
                "--seed" => {
                    let text = value()?;
                    seed = text.parse().map_err(|_| ArgumentError::Seed(text))?;
                }
                "--count" => {
                    let text = value()?;
                    count = text
                        .parse()
                        .ok()
                        .filter(|count| (1..=MAX_COUNT).contains(count))
                        .ok_or(ArgumentError::Count(text))?;
                }
                "--help" | "-h" => return Ok(Self::Help),
                _ => return Err(ArgumentError::Unknown(name)),
            }
        }
        Ok(Self::Generate { seed, count })
    }
}

#[derive(Debug, PartialEq)]
enum ArgumentError {
    Unknown(String),
    NoValue(String),
    Seed(String),
    Count(String),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown argument {name:?}"),
            Self::NoValue(name) => write!(f, "{name} wants a value after it"),
            Self::Seed(text) => {
                write!(
                    f,
                    "--seed wants a whole number from 0 to {}, got {text:?}",
                    u64::MAX
                )
            }
            Self::Count(text) => {
                write!(
                    f,
                    "--count wants a whole number from 1 to {MAX_COUNT}, got {text:?}"
                )
            }
        }
    }
}

impl std::error::Error for ArgumentError {}
