//! The events to play: JSON lines, checked as they are read.
//!
//! A line is `{"topic": …, "event": …}`, or any other object, which then is an event
//! of the topic `events`. The payload is the text that stood in the line, byte for
//! byte.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use distributary::Topic;
use serde_json::value::RawValue;

/// Where bare objects go.
const BARE: &str = "events";

/// The account that everybody follows, in the file that comes with the repository.
const FOLLOWED: &str = "timeline:account:109300311974412290";

pub(crate) struct Entry {
    pub(crate) topic: Topic,
    pub(crate) payload: Bytes,
}

/// Reads a whole file.
pub(crate) fn load(path: &Path) -> Result<Vec<Entry>, LoadError> {
    let error = |line, what| LoadError {
        path: path.to_owned(),
        line,
        what,
    };
    let file = File::open(path).map_err(|e| error(0, What::Io(e)))?;
    let mut file = BufReader::new(file);
    let mut entries = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let read = file.read_until(b'\n', &mut line);
        if read.map_err(|e| error(number, What::Io(e)))? == 0 {
            break;
        }
        if !line.trim_ascii().is_empty() {
            entries.push(parse(&line).map_err(|what| error(number, what))?);
        }
    }
    match entries.is_empty() {
        true => Err(error(0, What::Empty)),
        false => Ok(entries),
    }
}

fn parse(line: &[u8]) -> Result<Entry, What> {
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(line).map_err(What::Json)?;
    let (topic, payload) = match (object.len(), object.get("topic"), object.get("event")) {
        (2, Some(topic), Some(event)) => {
            let topic = serde_json::from_str::<String>(topic.get())
                .map_err(|_| What::Topic(format!("\"topic\" must be a string, and is {topic}")))?;
            (topic, event.get().as_bytes())
        }
        _ => (BARE.to_owned(), line.trim_ascii()),
    };
    Ok(Entry {
        topic: Topic::new(topic).map_err(|error| What::Topic(error.to_string()))?,
        payload: Bytes::copy_from_slice(payload),
    })
}

/// The topic that everybody follows: the account above if it is there, else the most
/// frequent one.
pub(crate) fn followed(entries: &[Entry]) -> Option<Topic> {
    let mut counts: HashMap<&Topic, usize> = HashMap::new();
    for entry in entries {
        *counts.entry(&entry.topic).or_default() += 1;
    }
    let rank = |topic: &Topic, count: usize| (topic.as_str() == FOLLOWED, count);
    let most = counts
        .into_iter()
        .max_by(|(a, x), (b, y)| rank(a, *x).cmp(&rank(b, *y)).then(b.cmp(a)));
    most.map(|(topic, _)| topic.clone())
}

/// The largest payload of a topic: what goes out again and again.
pub(crate) fn largest(entries: &[Entry], topic: &Topic) -> Option<Bytes> {
    let payloads = entries.iter().filter(|entry| entry.topic == *topic);
    let largest = payloads.max_by_key(|entry| entry.payload.len());
    largest.map(|entry| entry.payload.clone())
}

/// A file that cannot be played: where, and why.
#[derive(Debug)]
pub(crate) struct LoadError {
    path: PathBuf,
    /// From 1; 0 is the file as a whole.
    line: usize,
    what: What,
}

#[derive(Debug)]
enum What {
    Io(io::Error),
    Json(serde_json::Error),
    Topic(String),
    Empty,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        match &self.what {
            What::Io(error) => write!(f, ": cannot be read: {error}"),
            What::Json(error) => {
                // Its line is always the first: each line is parsed by itself.
                let text = error.to_string();
                let text = text.split(" at line ").next().unwrap_or_default();
                let column = error.column();
                write!(f, ": not a JSON object: {text} at column {column}")
            }
            What::Topic(text) => write!(f, ": {text}"),
            What::Empty => f.write_str(": holds no events: give a line of JSON for each"),
        }
    }
}

impl std::error::Error for LoadError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        let what = parse(line.as_bytes()).err().expect("an error");
        let path = "a.jsonl".into();
        LoadError {
            path,
            line: 3,
            what,
        }
        .to_string()
    }

    #[test]
    fn lines_with_a_topic_and_bare_objects_are_taken() {
        let entry = parse(br#" {"event": {"a": 1.50}, "topic": "t"} "#).unwrap();
        assert_eq!(entry.topic.as_str(), "t");
        assert_eq!(&entry.payload[..], br#"{"a": 1.50}"#);
        let bare = r#"{"topic": 7, "event": {}, "more": 1}"#;
        let entry = parse(bare.as_bytes()).unwrap();
        assert_eq!(entry.topic.as_str(), BARE);
        assert_eq!(&entry.payload[..], bare.as_bytes());
    }

    #[test]
    fn other_lines_are_refused_with_their_place() {
        assert_eq!(
            said(r#"{"a": 1,}"#),
            "a.jsonl:3: not a JSON object: trailing comma at column 9"
        );
        assert!(said("[1]").contains("a.jsonl:3: not a JSON object: invalid type"));
        assert!(said(r#"{"topic": 7, "event": {}}"#).contains("must be a string, and is 7"));
        assert!(said(r#"{"topic": "", "event": {}}"#).contains("empty"));
    }

    #[test]
    fn the_followed_topic_is_the_known_account_or_the_most_frequent() {
        let entry = |topic: &str, size| Entry {
            topic: Topic::new(topic).unwrap(),
            payload: vec![b'x'; size].into(),
        };
        let mut entries = vec![entry("a", 1), entry("b", 5), entry("b", 9), entry("b", 2)];
        let topic = followed(&entries).unwrap();
        assert_eq!(topic.as_str(), "b");
        assert_eq!(largest(&entries, &topic).unwrap().len(), 9);
        entries.push(entry(FOLLOWED, 1));
        assert_eq!(followed(&entries).unwrap().as_str(), FOLLOWED);
        assert!(followed(&[]).is_none());
    }
}
