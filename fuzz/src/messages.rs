//! Messages of the JSON protocol: what is read against a reader that parses everything first, and that whatever an application
//! says comes back from its message.
//!
//! An input is a message; the same bytes are also what the application says.

use std::collections::BTreeMap;
use std::time::Duration;

use distributary::fuzzing::gateway::{Request, json_message, json_request};
use distributary::{
    Budget, Overflow, Position, Resume, Selector, SubscribeOptions, Template, Topic, Variables,
};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::fields::Pairs;

/// How deep a message may be nested.
const MAX_DEPTH: usize = 100;

/// Checks one input.
pub fn run(input: &[u8]) {
    said_by_application(input);
    let text = String::from_utf8_lossy(input);
    let found = json_request(&text);
    if let Err((_, message)) = &found {
        assert!(!message.is_empty() && message.len() < 2_000, "{message}");
    }
    let Ok(value) = serde_json::from_str::<Value>(&text) else {
        // What is only passed on may hold halves of surrogate pairs and numbers that nobody can.
        let is_passed_on = text.contains("\\u") || text.contains(['e', 'E']);
        assert!(
            found.is_err() || is_passed_on,
            "no JSON, yet {found:?}: {text}"
        );
        return;
    };
    // A value keeps no integer of more digits.
    if has_long_number(&text) {
        return;
    }
    let expected = read(&text, &value);
    match (found, expected) {
        (Ok(found), Some(expected)) => {
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{text}")
        }
        (Err((id, _)), None) => {
            let given = value
                .get("id")
                .and_then(Value::as_u64)
                .and_then(|id| u32::try_from(id).ok());
            assert!(id.is_none() || id == given, "{id:?}: {text}");
        }
        (found, expected) => panic!("{found:?} but {expected:?}: {text}"),
    }
}

fn has_long_number(text: &str) -> bool {
    text.as_bytes()
        .split(|byte| !byte.is_ascii_digit())
        .any(|digits| digits.len() > 18)
}

/// The same, step by step; `None` if it is to be refused.
fn read(text: &str, value: &Value) -> Option<Request> {
    let fields = fields(text)?;
    (depth(value) <= MAX_DEPTH).then_some(())?;
    let only = |known: &[&str]| {
        fields
            .keys()
            .all(|field| known.contains(&field.as_str()))
            .then_some(())
    };
    match value.get("type")?.as_str()? {
        "ping" => {
            only(&["type"])?;
            Some(Request::Ping)
        }
        "message" => {
            only(&["type", "data"])?;
            Some(Request::Message(fields.get("data")?.get().to_owned()))
        }
        "unsubscribe" => {
            only(&["type", "id"])?;
            Some(Request::Unsubscribe(id(value)?))
        }
        "subscribe" => {
            only(&[
                "type",
                "id",
                "topics",
                "patterns",
                "where",
                "variables",
                "from",
                "overflow",
                "budget",
            ])?;
            Some(Request::Subscribe {
                id: id(value)?,
                selector: selector(value, &fields)?,
                options: options(value, &fields)?,
            })
        }
        _ => None,
    }
}

/// An object's fields, unless one comes twice.
fn fields(text: &str) -> Option<BTreeMap<String, Box<RawValue>>> {
    let Pairs(pairs) = serde_json::from_str(text).ok()?;
    let count = pairs.len();
    let fields: BTreeMap<_, _> = pairs.into_iter().collect();
    (fields.len() == count).then_some(fields)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn id(value: &Value) -> Option<u32> {
    let id = i32::try_from(value.get("id")?.as_u64()?).ok()?;
    (id > 0).then_some(id.unsigned_abs())
}

fn selector(value: &Value, fields: &BTreeMap<String, Box<RawValue>>) -> Option<Selector> {
    let names = |field: &str| -> Option<Vec<String>> {
        match value.get(field) {
            None => Some(Vec::new()),
            Some(names) => names
                .as_array()?
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect(),
        }
    };
    let mut selector: Option<Selector> = None;
    for topic in names("topics")? {
        selector = Some(match selector {
            Some(selector) => selector.and_topic(topic).ok()?,
            None => Selector::topic(topic).ok()?,
        });
    }
    for pattern in names("patterns")? {
        selector = Some(match selector {
            Some(selector) => selector.and_pattern(pattern).ok()?,
            None => Selector::pattern(pattern).ok()?,
        });
    }
    let selector = selector?;
    let variables = match value.get("variables") {
        None => Variables::new(),
        Some(variables) => {
            self::fields(fields["variables"].get())?;
            value.get("where")?;
            Variables::from(variables.as_object()?)
        }
    };
    match fields.get("where") {
        None => Some(selector),
        Some(pattern) => {
            let template = Template::parse(pattern.get()).ok()?;
            Some(selector.filter(template.bind(&variables).ok()?))
        }
    }
}

fn options(value: &Value, fields: &BTreeMap<String, Box<RawValue>>) -> Option<SubscribeOptions> {
    let mut options = SubscribeOptions::new();
    if let Some(positions) = value.get("from") {
        self::fields(fields["from"].get())?;
        let mut resume = Resume::new();
        for (topic, position) in positions.as_object()? {
            let position: Position = position.as_str()?.parse().ok()?;
            resume = resume.topic(Topic::new(topic).ok()?, position);
        }
        options = options.resume(resume);
    }
    if let Some(overflow) = value.get("overflow") {
        options = options.overflow(match overflow.as_str()? {
            "drop_oldest" => Overflow::DropOldest,
            "drop_newest" => Overflow::DropNewest,
            "disconnect" => Overflow::Disconnect,
            "keep_latest" => Overflow::KeepLatest,
            _ => return None,
        });
    }
    if let Some(given) = value.get("budget") {
        let mut budget = Budget::default();
        for (name, _) in self::fields(fields["budget"].get())? {
            let most = given.get(&name)?.as_u64()?;
            let size = usize::try_from(most).ok()?;
            budget = match name.as_str() {
                "events" => budget.events(size.min(1_024)).ok()?,
                "bytes" => budget.bytes(size.min(64 << 20)).ok()?,
                "age_ms" => budget.age(Duration::from_millis(most)).ok()?,
                _ => return None,
            };
        }
        options = options.budget(budget);
    }
    Some(options)
}

/// Whatever an application says, a client gets it back from the one field that holds it.
fn said_by_application(payload: &[u8]) {
    let message = json_message(payload.to_vec().into());
    let fields = fields(std::str::from_utf8(&message).expect("messages are text"))
        .expect("a message is an object");
    assert_eq!(fields["type"].get(), r#""message""#);
    assert_eq!(fields.len(), 2, "{fields:?}");
    let text =
        |field: &str| -> String { serde_json::from_str(fields[field].get()).expect("a text") };
    if let Some(data) = fields.get("data") {
        let given = std::str::from_utf8(payload).expect("JSON is text");
        assert_eq!(data.get(), given.trim_matches([' ', '\t', '\n', '\r']));
    } else if fields.contains_key("text") {
        assert_eq!(text("text").as_bytes(), payload);
        if let Ok(value) = serde_json::from_slice::<Value>(payload) {
            assert!(depth(&value) > MAX_DEPTH, "told as text: {value}");
        }
    } else {
        let bytes = data_encoding::BASE64.decode(text("base64").as_bytes());
        assert_eq!(bytes.as_deref(), Ok(payload));
        assert!(std::str::from_utf8(payload).is_err());
    }
}
