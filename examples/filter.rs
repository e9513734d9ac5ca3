//! Tries filters at the command line.
//!
//! ```text
//! $ echo '{"patterns": ["{\"size\": [{\"numeric\": [\">\", 9]}]}"], "event": "{\"size\": 10}"}' | cargo run --example filter
//! {"match":true}
//! ```
//!
//! `--help` says what it reads and what it answers. An event that is not JSON is no error but matches only `{}`, as in a hub;
//! standard error says so.

#[macro_use]
mod pipe;

use std::{
    io::{self, BufRead},
    process::ExitCode,
};

use distributary::Filter;
use serde_json::{Value, json};

const USAGE: &str = "\
Tries filters: reads JSON lines on standard input and answers each with one line.

Usage: filter < LINES

  a line         {\"patterns\": [text, ...], \"event\": text}
  its answer     {\"match\": true}   some pattern admits the event
                 {\"match\": false}  none does
                 {\"error\": \"...\"}  a pattern or the line is wrong

With an event of null the question is only whether the patterns are valid.

  --help         this text
";

fn main() -> ExitCode {
    if let Some(argument) = std::env::args().nth(1) {
        if matches!(&*argument, "--help" | "-h") {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        eprintln!("filter: unknown argument {argument:?}\n\n{USAGE}");
        return ExitCode::from(2);
    }
    for line in io::stdin().lock().split(b'\n') {
        let line = match line {
            Ok(line) if line.trim_ascii().is_empty() => continue,
            Ok(line) => line,
            Err(error) => {
                eprintln!("filter: cannot read standard input: {error}");
                return ExitCode::FAILURE;
            }
        };
        let reply = match answer(&line) {
            Ok(matched) => json!({ "match": matched }),
            Err(error) => json!({ "error": error }),
        };
        println!("{reply}");
    }
    ExitCode::SUCCESS
}

fn answer(line: &[u8]) -> Result<bool, String> {
    let line: Value =
        serde_json::from_slice(line).map_err(|error| format!("the line is not JSON: {error}"))?;
    let patterns = line["patterns"]
        .as_array()
        .ok_or("the line has no list \"patterns\"")?;
    let filters = patterns
        .iter()
        .map(compile)
        .collect::<Result<Vec<_>, _>>()?;
    let event = match line.get("event") {
        None => return Err("the line has no \"event\": give its text, or null".to_owned()),
        Some(Value::Null) => return Ok(true),
        Some(Value::String(event)) => event,
        Some(other) => {
            return Err(format!(
                "\"event\" must be the text of an event or null, and is {other}"
            ));
        }
    };
    for filter in filters {
        match filter.matches_json(event.as_bytes()) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            // As in a hub: such an event matches nothing that asks for a field.
            Err(not_json) => eprintln!("{not_json}"),
        }
    }
    Ok(false)
}

fn compile(pattern: &Value) -> Result<Filter, String> {
    let text = pattern
        .as_str()
        .ok_or_else(|| format!("a pattern must be a text, and is {pattern}"))?;
    Filter::parse(text).map_err(|error| error.to_string())
}
