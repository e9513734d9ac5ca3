//! What the command line asks for.

use std::{fmt, path::PathBuf};

use super::sockets;

pub(crate) const USAGE: &str = "\
Plays a file of events to a hub full of subscriptions, then to real sockets, and measures.

Usage: demo [--events FILE] [--subscriptions N] [--sockets N] [--seed N]

  --events FILE        JSON lines: {\"topic\": \"...\", \"event\": {...}}, or bare objects,
                       which go to the topic \"events\" (default: examples/data/events.jsonl)
  --subscriptions N    how many follow the one topic that everybody follows, 10 to 1000000;
                       two fifths as many are on other topics (default 50000)
  --sockets N          WebSocket clients, held by a second process, that follow it at the end;
                       0 to 20000, and no more than the system has descriptors for (default 10000)
  --seed N             what is drawn: filters, topics, who leaves (default 1)
  --help               this text

Exit code: 0 all is well, 1 a check failed, 2 wrong arguments or events.
";

/// The file that comes with the repository.
const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/events.jsonl");

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) events: PathBuf,
    pub(crate) subscriptions: usize,
    pub(crate) sockets: usize,
    pub(crate) seed: u64,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    Run(Options),
    /// Be the second process.
    HoldClients,
    Help,
}

impl Request {
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<Self, ArgumentError> {
        let mut options = Options {
            events: PathBuf::from(EVENTS),
            subscriptions: 50_000,
            sockets: 10_000,
            seed: 1,
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (argument, None),
            };
            if matches!(&*name, "--help" | "-h") {
                return Ok(Request::Help);
            }
            if name == sockets::link::ROLE {
                return Ok(Request::HoldClients);
            }
            if !matches!(
                &*name,
                "--events" | "--subscriptions" | "--sockets" | "--seed"
            ) {
                return Err(ArgumentError::Unknown(name));
            }
            let Some(value) = inline.or_else(|| arguments.next()) else {
                return Err(ArgumentError::NoValue(name));
            };
            match &*name {
                "--events" => options.events = value.into(),
                "--seed" => {
                    options.seed = value.parse().map_err(|_| ArgumentError::Seed(value))?;
                }
                "--sockets" => {
                    let number = value.parse().ok();
                    options.sockets = number
                        .filter(|number| (0..=20_000).contains(number))
                        .ok_or(ArgumentError::Sockets(value))?;
                }
                _ => {
                    let number = value.parse().ok();
                    options.subscriptions = number
                        .filter(|number| (10..=1_000_000).contains(number))
                        .ok_or(ArgumentError::Subscriptions(value))?;
                }
            }
        }
        Ok(Request::Run(options))
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum ArgumentError {
    Unknown(String),
    NoValue(String),
    Subscriptions(String),
    Sockets(String),
    Seed(String),
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown argument {name:?}"),
            Self::NoValue(name) => write!(f, "{name} wants a value after it"),
            Self::Subscriptions(text) => write!(
                f,
                "--subscriptions wants a whole number from 10 to 1000000, got {text:?}"
            ),
            Self::Sockets(text) => write!(
                f,
                "--sockets wants a whole number from 0 to 20000, got {text:?}"
            ),
            Self::Seed(text) => write!(
                f,
                "--seed wants a whole number from 0 to {}, got {text:?}",
                u64::MAX
            ),
        }
    }
}

impl std::error::Error for ArgumentError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Request, ArgumentError> {
        Request::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments_are_taken_in_either_form() {
        let asked = parse("--seed 9 --events=a=b.jsonl --subscriptions 10 --sockets=0");
        let options = Options {
            events: "a=b.jsonl".into(),
            subscriptions: 10,
            sockets: 0,
            seed: 9,
        };
        assert_eq!(asked, Ok(Request::Run(options)));
        assert_eq!(parse("--seed 9 -h"), Ok(Request::Help));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let text = String::from;
        assert_eq!(parse("-x"), Err(ArgumentError::Unknown(text("-x"))));
        assert_eq!(parse("--seed"), Err(ArgumentError::NoValue(text("--seed"))));
        assert_eq!(parse("--seed -1"), Err(ArgumentError::Seed(text("-1"))));
        for number in ["9", "1000001", "many"] {
            let line = format!("--subscriptions {number}");
            let error = ArgumentError::Subscriptions(text(number));
            assert_eq!(parse(&line), Err(error));
        }
        let error = ArgumentError::Sockets(text("20001"));
        assert_eq!(parse("--sockets 20001"), Err(error));
    }
}
