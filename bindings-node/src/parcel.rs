//! What of a new event crosses, and how it is laid out.
//!
//! Its numbers go into a row of [`ROW`] words, its texts and its payload one after the
//! other into a slab that JavaScript owns: topic (the first time that the lane sees it),
//! key, attributes, payload. A payload of more than [`LARGE`] bytes stays behind and is
//! asked for by number, so that a slab that somebody keeps pins little.

use std::{collections::HashMap, fmt::Write};

use distributary::{Attributes, Event, Number, Topic, Value};

/// Words that describe one new event: topic and flags, then the lengths of topic, key,
/// attributes and payload, then offset and time of publishing, the low half first.
pub(crate) const ROW: usize = 9;
/// Payloads of more bytes cross by themselves.
const LARGE: usize = 4 << 10;
/// The topic's name stands in the slab: it is new, or it has taken another's number.
const NAMED: u32 = 1 << 31;
/// There is a conflation key. It may be empty.
const KEYED: u32 = 1 << 30;
/// The payload does not stand in the slab.
pub(crate) const APART: u32 = 1 << 29;
/// Topics that are known by number before the numbering starts again.
const TOPICS: usize = 4_096;

/// Writes events into rows and slabs.
#[derive(Default)]
pub(crate) struct Packer {
    topics: HashMap<Box<str>, u32>,
    /// The topic of the event before, and its number: mostly the next one's too.
    latest: Option<(Topic, u32)>,
    attributes: String,
}

impl Packer {
    /// Lays an event out. `None`, and nothing is written, when the slab is too short;
    /// otherwise how much of it was used.
    pub(crate) fn pack(
        &mut self,
        event: &Event,
        row: &mut [u32],
        slab: &mut [u8],
    ) -> Option<usize> {
        let name = event.topic().as_str();
        let known = self.known(event.topic());
        let topic = if known.is_some() { "" } else { name };
        let key = event.key().unwrap_or_default();
        self.attributes.clear();
        write_attributes(&mut self.attributes, event.attributes());
        let apart = event.payload().len() > LARGE;
        let payload = if apart { &[] } else { &event.payload()[..] };
        let parts = [
            topic.as_bytes(),
            key.as_bytes(),
            self.attributes.as_bytes(),
            payload,
        ];
        let bytes = parts.iter().map(|part| part.len()).sum();
        let mut room = slab.get_mut(..bytes)?;
        for (part, length) in parts.into_iter().zip(&mut row[1..5]) {
            *length = part.len() as u32;
            let (here, rest) = room.split_at_mut(part.len());
            here.copy_from_slice(part);
            room = rest;
        }
        let mut flags = known.unwrap_or_else(|| NAMED | self.name(event.topic()));
        if event.key().is_some() {
            flags |= KEYED;
        }
        if apart {
            flags |= APART;
        }
        row[0] = flags;
        let published = event.published_at().duration_since(std::time::UNIX_EPOCH);
        let micros = published.map_or(0, |time| time.as_micros() as u64);
        (row[5], row[6]) = halves(event.position().offset);
        (row[7], row[8]) = halves(micros);
        Some(bytes)
    }

    /// The most that an event without a long text needs in a slab. Longer ones get a slab
    /// of their own.
    pub(crate) fn need(&self, event: &Event) -> usize {
        let attributes: usize = event
            .attributes()
            .iter()
            // A control character takes six bytes.
            .map(|(name, value)| 6 * name.len() + 6 * value.as_str().map_or(64, str::len) + 8)
            .sum();
        let payload = event.payload().len();
        let payload = if payload > LARGE { 0 } else { payload };
        event.topic().as_str().len() + event.key().map_or(0, str::len) + attributes + 2 + payload
    }

    /// The number of a topic that has one.
    fn known(&mut self, topic: &Topic) -> Option<u32> {
        match &self.latest {
            Some((latest, number)) if latest == topic => Some(*number),
            _ => {
                let number = *self.topics.get(topic.as_str())?;
                self.latest = Some((topic.clone(), number));
                Some(number)
            }
        }
    }

    fn name(&mut self, topic: &Topic) -> u32 {
        if self.topics.len() >= TOPICS {
            self.topics.clear();
        }
        let number = self.topics.len() as u32;
        self.topics.insert(topic.as_str().into(), number);
        self.latest = Some((topic.clone(), number));
        number
    }
}

fn halves(number: u64) -> (u32, u32) {
    (number as u32, (number >> 32) as u32)
}

/// As a JSON list, name and value in turn; nothing for none. An integer that a JavaScript
/// number does not hold exactly stands as text in a list of its own.
fn write_attributes(text: &mut String, attributes: &Attributes) {
    for (i, (name, value)) in attributes.iter().enumerate() {
        text.push(if i == 0 { '[' } else { ',' });
        // Writing to a string does not fail.
        let _ = write!(text, "{},", Value::from(name));
        let _ = match value.as_number() {
            Some(number) => write_number(text, number),
            None => write!(text, "{value}"),
        };
    }
    if !attributes.is_empty() {
        text.push(']');
    }
}

fn write_number(text: &mut String, number: &Number) -> std::fmt::Result {
    /// The largest integer up to which a JavaScript number tells all apart.
    const SAFE: f64 = 9_007_199_254_740_991.0;
    let (float, digits) = (number.to_f64(), number.to_string());
    let whole = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'-');
    match (whole && float.abs() > SAFE, float.is_infinite()) {
        (true, _) => write!(text, "[\"{digits}\"]"),
        // JSON has no infinity, but JSON.parse makes one of this.
        (false, true) => write!(text, "{}1e999", if float < 0.0 { "-" } else { "" }),
        (false, false) => write!(text, "{digits}"),
    }
}
