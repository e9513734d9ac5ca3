//! Tries filters at the command line.
//!
//! Reads JSON lines `{"patterns": [text, …], "event": text}` on standard input and answers each with one line: `{"match": true}`
//! if some pattern admits the event, `{"match": false}` if none does, `{"error": "…"}` if a pattern or the line is wrong. With an
//! event of `null` the question is only whether the patterns are valid. An event that is not JSON is no error but matches only
//! `{}`, as in a hub; standard error says so.
//!
//! ```text
//! $ echo '{"patterns": ["{\"size\": [{\"numeric\": [\">\", 9]}]}"], "event": "{\"size\": 10}"}' | cargo run --example filter
//! {"match":true}
//! ```

use std::io::{self, BufRead, Write};

use distributary::Filter;
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reply = match answer(&line) {
            Ok(matched) => json!({ "match": matched }),
            Err(error) => json!({ "error": error }),
        };
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
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
    let event = match &line["event"] {
        Value::Null => return Ok(true),
        Value::String(event) => event,
        other => {
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
