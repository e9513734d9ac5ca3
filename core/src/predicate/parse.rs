//! From text to a draft: fields and what combines them. What stands at a field is read in [`super::leaf`].
//!
//! The text is read with serde_json one level at a time, each value as its own text, so that numbers keep their digits.
//! Only levels that the language has are entered, so a text nested deeper costs nothing.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::draft::{Draft, limits};
use super::error::FilterError;
use super::leaf;
use crate::fields::Path;

/// Reads a pattern, with variables or without.
pub(super) fn parse(text: &str) -> Result<Draft, FilterError> {
    if text.len() > limits::TEXT {
        let found = format!("{} bytes", text.len());
        return Err(FilterError::limit(
            "",
            &found,
            format!("at most {} bytes of text", limits::TEXT),
        ));
    }
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|error| FilterError::new("", &format!("no JSON ({error})"), "a JSON object"))?;
    let mut parser = Parser::default();
    let at = At::ROOT;
    let fields = at.object(raw.get(), "an object of fields")?;
    let draft = if fields.is_empty() {
        Draft::All(Vec::new())
    } else {
        parser.fields(fields, &at)?
    };
    draft.check()?;
    Ok(draft)
}

/// What is counted over the whole pattern.
#[derive(Default)]
pub(super) struct Parser {
    leaves: usize,
}

/// A place in the pattern.
pub(super) struct At {
    /// As errors write it.
    text: String,
    /// The field whose value stands here.
    path: Option<Path>,
    /// Segments of `path`, and the combinators around.
    depth: usize,
}

impl At {
    const ROOT: At = At {
        text: String::new(),
        path: None,
        depth: 0,
    };

    /// The same field, one key further into the pattern.
    pub(super) fn key(&self, key: &str) -> At {
        let dot = if self.text.is_empty() { "" } else { "." };
        At {
            text: format!("{}{dot}{key}", self.text),
            path: self.path.clone(),
            depth: self.depth,
        }
    }

    /// The same field, at a position of a list.
    pub(super) fn index(&self, index: usize) -> At {
        At {
            text: format!("{}[{index}]", self.text),
            path: self.path.clone(),
            depth: self.depth,
        }
    }

    fn deeper(mut self, levels: usize) -> Result<At, FilterError> {
        self.depth += levels;
        if self.depth > limits::DEPTH {
            let found = format!("{} levels", self.depth);
            return Err(FilterError::limit(
                &self.text,
                &found,
                format!("at most {} levels of fields and $-keys", limits::DEPTH),
            ));
        }
        Ok(self)
    }

    /// The field `key` of the object that stands here.
    fn field(&self, key: &str) -> Result<At, FilterError> {
        let at = self.key(key).deeper(key.split('.').count())?;
        let path = self
            .path
            .as_ref()
            .map_or_else(|| Path::new(key), |path| path.join(key));
        Ok(At {
            path: Some(path),
            ..at
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn error(&self, found: &str, expected: impl Into<Box<str>>) -> FilterError {
        FilterError::new(&self.text, found, expected)
    }

    /// The entries of an object in their order. Of a repeated key the last counts, so that a text means the same here as after it went
    /// through the objects of a language that keeps one value per key.
    pub(super) fn object<'t>(
        &self,
        text: &'t str,
        expected: &str,
    ) -> Result<Vec<Entry<'t>>, FilterError> {
        let mut json = serde_json::Deserializer::from_str(text);
        if !text.starts_with('{') {
            return Err(self.error(text, expected));
        }
        let mut entries = json
            .deserialize_map(Entries)
            .map_err(|error| self.error(&format!("no JSON ({error})"), expected))?;
        let mut seen = HashSet::new();
        entries.reverse();
        entries.retain(|(key, _)| seen.insert(key.clone()));
        entries.reverse();
        Ok(entries)
    }

    /// The items of a list.
    pub(super) fn list<'t>(
        &self,
        text: &'t str,
        expected: &str,
    ) -> Result<Vec<&'t str>, FilterError> {
        if !text.starts_with('[') {
            return Err(self.error(text, expected));
        }
        let items: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|error| self.error(&format!("no JSON ({error})"), expected))?;
        Ok(items.into_iter().map(RawValue::get).collect())
    }
}

/// A key and the text of its value.
pub(super) type Entry<'t> = (String, &'t str);

struct Entries;

impl<'t> Visitor<'t> for Entries {
    type Value = Vec<Entry<'t>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &'t RawValue>()? {
            entries.push((key, value.get()));
        }
        Ok(entries)
    }
}

impl Parser {
    /// Counts one alternative or operand.
    pub(super) fn count_leaf(&mut self, at: &At) -> Result<(), FilterError> {
        self.leaves += 1;
        if self.leaves > limits::LEAVES {
            let found = format!("leaf number {}", self.leaves);
            return Err(FilterError::limit(
                &at.text,
                &found,
                format!("at most {} leaves", limits::LEAVES),
            ));
        }
        Ok(())
    }

    fn fields(&mut self, entries: Vec<Entry<'_>>, at: &At) -> Result<Draft, FilterError> {
        if entries.is_empty() {
            return Err(at.error(
                "{}",
                "at least one field; only a whole pattern may be empty",
            ));
        }
        let mut parts = Vec::with_capacity(entries.len());
        self.collect(entries, at, &mut parts)?;
        let mut seen = HashSet::new();
        for part in &parts {
            if let Draft::Field { path, .. } = part
                && !seen.insert(path.clone())
            {
                let found = format!("the field {path} twice");
                return Err(at.error(&found, "each field once; $and joins several conditions"));
            }
        }
        Ok(Draft::All(parts))
    }

    /// Appends the conditions of an object and of the plain objects inside of it.
    fn collect(
        &mut self,
        entries: Vec<Entry<'_>>,
        at: &At,
        parts: &mut Vec<Draft>,
    ) -> Result<(), FilterError> {
        for (key, value) in entries {
            if key.starts_with('$') {
                parts.push(self.combinator(&key, value, at)?);
                continue;
            }
            let at = at.field(&key)?;
            if value.starts_with('{') {
                let inner = at.object(value, "an object of fields")?;
                if inner.is_empty() {
                    return Err(at.error(
                        "{}",
                        "at least one field; only a whole pattern may be empty",
                    ));
                }
                if inner.iter().all(|(key, _)| key != leaf::VARIABLE) {
                    self.collect(inner, &at, parts)?;
                    continue;
                }
            }
            // A key of the pattern always has a path.
            if let Some(path) = at.path.clone() {
                parts.push(Draft::Field {
                    path,
                    alternatives: leaf::alternatives(self, value, &at)?,
                });
            }
        }
        Ok(())
    }

    fn combinator(&mut self, key: &str, value: &str, at: &At) -> Result<Draft, FilterError> {
        let here = at.key(key).deeper(1)?;
        match key {
            "$or" | "$and" => {
                let expected = "a list of patterns";
                let items = here.list(value, expected)?;
                let least = if key == "$or" { 2 } else { 1 };
                if items.len() < least {
                    return Err(here.error(value, format!("{expected}, at least {least}")));
                }
                let mut parts = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    parts.push(self.pattern(item, &here.index(index))?);
                }
                Ok(if key == "$or" {
                    Draft::Any(parts)
                } else {
                    Draft::All(parts)
                })
            }
            "$not" => Ok(Draft::Not {
                within: at.path.clone(),
                of: Box::new(self.pattern(value, &here)?),
            }),
            _ => Err(here.error(
                &format!("the key {key:?}"),
                "$or, $and, $not, or a field; other keys with $ are reserved",
            )),
        }
    }

    fn pattern(&mut self, text: &str, at: &At) -> Result<Draft, FilterError> {
        let entries = at.object(text, "a pattern, which is an object of fields")?;
        self.fields(entries, at)
    }
}
