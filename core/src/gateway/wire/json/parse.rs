//! What clients say.
//!
//! Each field is first taken as the text that stands for it, and then read as what it
//! has to be. So numbers in filters are exact, what an application is handed is what the
//! client wrote, and every error names its field.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{
    Deserializer as _,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Code, LARGEST_ID, is_too_deep, malformed::Malformed};
use crate::{
    event::Position,
    feed::{Budget, Overflow},
    fields::{Number, Value},
    gateway::verdict::Wish,
    hub::{Resume, SubscribeOptions},
    predicate::{Filter, Template, Variable, Variables},
    selector::Selector,
    topic::Topic,
};

/// The most topics and patterns of one `subscribe`, and the most positions.
const MAX_NAMES: usize = 1_000;
/// The most variables of one `subscribe`.
const MAX_VARIABLES: usize = 100;

/// What a client asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    Subscribe {
        /// Chosen by the client, from 1 to [`LARGEST_ID`].
        id: u32,
        wish: Wish,
    },
    Unsubscribe {
        id: u32,
    },
    Ping,
    /// For the application: a JSON text.
    Message(String),
}

/// What a client asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The subscription it is about, as far as that could be read.
    pub(crate) id: Option<u32>,
    pub(crate) code: Code,
    pub(crate) message: String,
}

/// Reads a message. A client may ask for less than `most`, the budget that it gets when
/// it asks for none, and never gets more.
pub(crate) fn parse(text: &str, most: Budget) -> Result<Asked, Refused> {
    let mut id = None;
    asked(text, most, &mut id).map_err(|error| Refused {
        id,
        code: Code::BadRequest,
        message: error.to_string(),
    })
}

fn asked(text: &str, most: Budget, known_id: &mut Option<u32>) -> Result<Asked, Malformed> {
    let mut fields = Fields::read(text).map_err(Malformed::NotAnObject)?;
    if is_too_deep(text.as_bytes()) {
        return Err(Malformed::TooDeep);
    }
    *known_id = fields.left.get("id").and_then(|raw| id(raw).ok());
    let kind: String = read("type", "a text", fields.need("type")?)?;
    let asked = match kind.as_str() {
        "subscribe" => {
            fields.of = "\"subscribe\"";
            let id = id(fields.need("id")?)?;
            let wish = wish(&mut fields, most)?;
            Asked::Subscribe { id, wish }
        }
        "unsubscribe" => {
            fields.of = "\"unsubscribe\"";
            let id = id(fields.need("id")?)?;
            Asked::Unsubscribe { id }
        }
        "ping" => {
            fields.of = "\"ping\"";
            Asked::Ping
        }
        "message" => {
            fields.of = "\"message\"";
            Asked::Message(fields.need("data")?.get().to_owned())
        }
        _ => return Err(Malformed::UnknownType(kind)),
    };
    fields.finish()?;
    Ok(asked)
}

fn id(raw: &RawValue) -> Result<u32, Malformed> {
    let (field, expected) = ("id", "a whole number from 1 to 2147483647");
    match read(field, expected, raw)? {
        id @ 1..=LARGEST_ID => Ok(id),
        _ => Err(Malformed::Wrong { field, expected }),
    }
}

fn wish(fields: &mut Fields<'_>, most: Budget) -> Result<Wish, Malformed> {
    let mut names = |field| -> Result<Vec<String>, Malformed> {
        let raw = fields.take(field);
        raw.map_or(Ok(Vec::new()), |raw| read(field, "a list of texts", raw))
    };
    let (topics, patterns) = (names("topics")?, names("patterns")?);
    limit(
        "\"topics\" and \"patterns\"",
        topics.len() + patterns.len(),
        MAX_NAMES,
    )?;
    let mut selector = match patterns.split_first() {
        Some((first, _)) if topics.is_empty() => Selector::pattern(first)?,
        _ => Selector::topics(topics)?,
    };
    for pattern in patterns {
        selector = selector.and_pattern(pattern)?;
    }
    if let Some(filter) = filter(fields)? {
        selector = selector.filter(filter);
    }

    let mut options = SubscribeOptions::new();
    if let Some(raw) = fields.take("from") {
        options = options.resume(resume(raw)?);
    }
    if let Some(raw) = fields.take("overflow") {
        options = options.overflow(overflow(raw)?);
    }
    if let Some(raw) = fields.take("budget") {
        options = options.budget(budget(raw, most)?);
    }
    Ok(Wish { selector, options })
}

fn filter(fields: &mut Fields<'_>) -> Result<Option<Filter>, Malformed> {
    let pattern = fields.take("where");
    let mut variables = Variables::new();
    if let Some(raw) = fields.take("variables") {
        if pattern.is_none() {
            let of = "a message with \"variables\"";
            return Err(Malformed::Missing { field: "where", of });
        }
        let values = object("variables", "an object of values by name", raw)?.left;
        limit("\"variables\"", values.len(), MAX_VARIABLES)?;
        let values = values.into_iter();
        variables = values.map(|(name, raw)| (name, variable(raw))).collect();
    }
    let Some(pattern) = pattern else {
        return Ok(None);
    };
    Ok(Some(Template::parse(pattern.get())?.bind(&variables)?))
}

fn variable(raw: &RawValue) -> Variable {
    match raw.get().as_bytes().first() {
        Some(b'{') => Variable::Unusable("an object"),
        Some(b'[') => {
            let items: Option<Vec<Value>> = serde_json::from_str::<Vec<&RawValue>>(raw.get())
                .ok()
                .and_then(|items| items.into_iter().map(scalar).collect());
            items.map_or(
                Variable::Unusable("a list of other things than scalars"),
                Variable::List,
            )
        }
        _ => scalar(raw).map_or(Variable::Unusable("no value of JSON"), Variable::Scalar),
    }
}

fn scalar(raw: &RawValue) -> Option<Value> {
    Some(match raw.get() {
        "null" => Value::Null,
        "true" => true.into(),
        "false" => false.into(),
        text if text.starts_with('"') => {
            let text: String = serde_json::from_str(text).ok()?;
            text.as_str().into()
        }
        text => Number::from_json(text)?.into(),
    })
}

fn resume(raw: &RawValue) -> Result<Resume, Malformed> {
    let expected = "an object of positions by topic";
    let positions = object("from", expected, raw)?;
    limit("\"from\"", positions.left.len(), MAX_NAMES)?;
    let mut resume = Resume::new();
    for (topic, raw) in positions.left {
        let position: String = read("from", expected, raw)?;
        let position: Position = position.parse()?;
        resume = resume.topic(Topic::new(topic)?, position);
    }
    Ok(resume)
}

fn overflow(raw: &RawValue) -> Result<Overflow, Malformed> {
    let expected = "\"drop_oldest\", \"drop_newest\", \"disconnect\" or \"keep_latest\"";
    let field = "overflow";
    let name: String = read(field, expected, raw)?;
    match name.as_str() {
        "drop_oldest" => Ok(Overflow::DropOldest),
        "drop_newest" => Ok(Overflow::DropNewest),
        "disconnect" => Ok(Overflow::Disconnect),
        "keep_latest" => Ok(Overflow::KeepLatest),
        _ => Err(Malformed::Wrong { field, expected }),
    }
}

fn budget(raw: &RawValue, most: Budget) -> Result<Budget, Malformed> {
    let mut fields = object("budget", "an object", raw)?;
    let mut number = |field| -> Result<Option<u64>, Malformed> {
        let expected = "a whole number of at most 64 bits";
        let raw = fields.take(field);
        raw.map(|raw| read(field, expected, raw)).transpose()
    };
    let mut budget = most;
    if let Some(events) = number("events")? {
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        budget = budget.events(events.min(most.events))?;
    }
    if let Some(bytes) = number("bytes")? {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        budget = budget.bytes(bytes.min(most.bytes))?;
    }
    if let Some(age) = number("age_ms")? {
        let age = Duration::from_millis(age).min(Duration::from_nanos(most.age));
        budget = budget.age(age)?;
    }
    fields.finish()?;
    Ok(budget)
}

fn limit(field: &'static str, given: usize, most: usize) -> Result<(), Malformed> {
    match given <= most {
        true => Ok(()),
        false => Err(Malformed::TooMany { field, given, most }),
    }
}

/// A field as what it has to be.
fn read<T: DeserializeOwned>(
    field: &'static str,
    expected: &'static str,
    raw: &RawValue,
) -> Result<T, Malformed> {
    serde_json::from_str(raw.get()).map_err(|_| Malformed::Wrong { field, expected })
}

/// A field as an object.
fn object<'t>(
    field: &'static str,
    expected: &'static str,
    raw: &'t RawValue,
) -> Result<Fields<'t>, Malformed> {
    let mut fields = Fields::read(raw.get()).map_err(|_| Malformed::Wrong { field, expected })?;
    fields.of = field;
    Ok(fields)
}

/// The fields of an object that nobody has asked for yet.
struct Fields<'t> {
    /// What the object is, for errors.
    of: &'static str,
    left: BTreeMap<String, &'t RawValue>,
}

impl<'t> Fields<'t> {
    fn read(text: &'t str) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let left = json.deserialize_map(Entries)?;
        json.end()?;
        Ok(Fields {
            of: "a message",
            left,
        })
    }

    fn take(&mut self, field: &str) -> Option<&'t RawValue> {
        self.left.remove(field)
    }

    fn need(&mut self, field: &'static str) -> Result<&'t RawValue, Malformed> {
        let of = self.of;
        self.take(field).ok_or(Malformed::Missing { field, of })
    }

    /// All that may be there has been taken.
    fn finish(self) -> Result<(), Malformed> {
        let of = self.of;
        match self.left.into_keys().next() {
            Some(field) => Err(Malformed::UnknownField { field, of }),
            None => Ok(()),
        }
    }
}

struct Entries;

impl<'t> Visitor<'t> for Entries {
    type Value = BTreeMap<String, &'t RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            if entries.contains_key(&key) {
                return Err(A::Error::custom("a field is given twice"));
            }
            entries.insert(key, map.next_value()?);
        }
        Ok(entries)
    }
}
