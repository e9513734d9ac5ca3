//! Filters as users of the streams would set them: templates whose variables are
//! drawn from the events, so that what is frequent there is frequent in the filters.

use distributary::{Filter, Pattern, Template, Variable, Variables};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Failure, events::Entry, rng::Rng};

const TEMPLATES: &str = include_str!("../data/filters.jsonl");

/// Events that values are drawn from; more add nothing but memory.
const DRAWN_FROM: usize = 5_000;

/// A line of the file of templates.
#[derive(Deserialize)]
struct Line {
    name: String,
    topics: Vec<String>,
    share: usize,
    filter: Value,
    draw: Map<String, Value>,
}

/// Where the value of a variable comes from.
struct Draw {
    name: String,
    path: String,
    /// So many values, as a list.
    count: Option<usize>,
    /// The first so many characters of the value.
    chars: Option<usize>,
}

/// A template that the events at hand have values for.
pub(crate) struct Kind {
    name: String,
    /// Topics and patterns.
    pub(crate) topics: Vec<String>,
    /// Of all filters, so many parts are of this kind.
    pub(crate) share: usize,
    template: Template,
    draws: Vec<Draw>,
    /// Events that have a value for every variable; indexes.
    candidates: Vec<usize>,
}

/// Templates, and the events to draw from.
pub(crate) struct Source {
    kinds: Vec<Kind>,
    events: Vec<Value>,
}

impl Source {
    /// Reads the templates and finds what can be drawn.
    pub(crate) fn new(entries: &[Entry]) -> Result<Self, Failure> {
        let every = entries.len().div_ceil(DRAWN_FROM);
        let sample: Vec<&Entry> = entries.iter().step_by(every).collect();
        let parse = |entry: &&Entry| serde_json::from_slice(&entry.payload).unwrap_or_default();
        let events: Vec<Value> = sample.iter().map(parse).collect();
        let mut kinds = Vec::new();
        for line in TEMPLATES.lines() {
            let line: Line = serde_json::from_str(line)?;
            let template = Template::parse(&line.filter.to_string())?;
            let draws: Vec<Draw> = line.draw.iter().map(Draw::read).collect();
            let mut topics = line.topics;
            let mut on_topics = Vec::new();
            for (at, entry) in sample.iter().enumerate() {
                if covers(&topics, entry.topic.as_str())? {
                    on_topics.push(at);
                }
            }
            if on_topics.is_empty() {
                // Events of another source: wherever they are, if they have the fields.
                topics = vec!["*".to_owned()];
                on_topics = (0..sample.len()).collect();
            }
            let has_all = |at: &usize| draws.iter().all(|draw| draw.finds(&events[*at]));
            on_topics.retain(has_all);
            if !on_topics.is_empty() {
                kinds.push(Kind {
                    name: line.name,
                    topics,
                    share: line.share,
                    template,
                    draws,
                    candidates: on_topics,
                });
            }
        }
        Ok(Source { kinds, events })
    }

    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Binds a template with values drawn from the events.
    pub(crate) fn filter(&self, kind: &Kind, rng: &mut Rng) -> Result<Filter, Failure> {
        // All variables from one event, so that they go together.
        let mut event = || rng.pick(&kind.candidates).map(|at| &self.events[*at]);
        let first = event();
        let mut variables = Variables::new();
        for draw in &kind.draws {
            let events: Vec<_> = match draw.count {
                None => first.into_iter().collect(),
                Some(count) => (0..count).filter_map(|_| event()).collect(),
            };
            let values = events.into_iter().filter_map(|event| draw.value(event));
            let mut values: Vec<Value> = values.collect();
            let value = match draw.count {
                None => values.pop().unwrap_or_default(),
                Some(_) => Value::Array(values),
            };
            variables = variables.with(&*draw.name, Variable::from(&value));
        }
        let bound = kind.template.bind(&variables);
        Ok(bound.map_err(|error| format!("the filter {:?}: {error}", kind.name))?)
    }
}

impl Draw {
    fn read((name, how): (&String, &Value)) -> Self {
        let number = |key: &str| how[key].as_u64().map(|number| number as usize);
        Draw {
            name: name.clone(),
            path: how["path"].as_str().unwrap_or_default().to_owned(),
            count: number("count"),
            chars: number("chars"),
        }
    }

    fn finds(&self, event: &Value) -> bool {
        self.value(event).is_some()
    }

    fn value(&self, event: &Value) -> Option<Value> {
        let value = scalar_at(event, &self.path)?;
        Some(match (self.chars, value.as_str()) {
            (Some(chars), Some(text)) => text.chars().take(chars).collect::<String>().into(),
            _ => value.clone(),
        })
    }
}

/// The first scalar at a dotted path, arrays being transparent.
fn scalar_at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| scalar_at(item, path)),
        Value::Object(map) => {
            let (key, rest) = path.split_once('.').unwrap_or((path, ""));
            map.get(key).and_then(|value| scalar_at(value, rest))
        }
        Value::Null => None,
        scalar => path.is_empty().then_some(scalar),
    }
}

/// Whether a name is a pattern by its look.
pub(crate) fn is_pattern(name: &str) -> bool {
    name.contains(['*', '?', '[', '\\'])
}

/// Whether one of these names, topics or patterns, covers a topic.
pub(crate) fn covers(names: &[String], topic: &str) -> Result<bool, distributary::PatternError> {
    for name in names {
        let covered = match is_pattern(name) {
            true => Pattern::new(name)?.matches(topic),
            false => name == topic,
        };
        if covered {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_scalar_is_found_through_lists() {
        let event = json!({"tags": [{"name": null}, {"name": "tea"}], "a": {"b": [1, 2]}});
        assert_eq!(scalar_at(&event, "tags.name"), Some(&json!("tea")));
        assert_eq!(scalar_at(&event, "a.b"), Some(&json!(1)));
        assert_eq!(scalar_at(&event, "a"), None);
        assert_eq!(scalar_at(&event, "a.b.c"), None);
    }

    #[test]
    fn every_template_binds_and_admits_an_event_it_was_drawn_from() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/events.jsonl");
        let entries = super::super::events::load(path.as_ref()).unwrap();
        let source = Source::new(&entries).unwrap();
        assert_eq!(source.kinds().len(), TEMPLATES.lines().count());
        for kind in source.kinds() {
            let mut rng = Rng::new(7);
            let draw = |_| source.filter(kind, &mut rng).unwrap();
            let filters: Vec<Filter> = (0..20).map(draw).collect();
            let admitted = entries.iter().any(|entry| {
                covers(&kind.topics, entry.topic.as_str()).unwrap()
                    && filters
                        .iter()
                        .any(|filter| filter.matches_json(&entry.payload) == Ok(true))
            });
            assert!(admitted, "{:?} admits no event", kind.name);
        }
    }
}
