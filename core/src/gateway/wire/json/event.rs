//! Events, in parts: what is the same for all who get one is written once and shared.
//!
//! Subscribers differ in the `id` alone. So the message of an event has a head of a few
//! dozen bytes that is written per id, and a value that is shared by all: the payload
//! itself, where it is JSON.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::IgnoredAny;

use super::{build::push_text, is_too_deep};
use crate::event::Event;

/// What stands behind the value of every event.
pub(crate) const TAIL: &[u8] = b"}";

/// The message of an event, but for the id.
#[derive(Debug, Clone)]
pub(crate) struct EventBody {
    /// From behind the id to the value.
    fields: Bytes,
    value: Bytes,
}

impl EventBody {
    /// Looks at the payload once, whoever gets it. One that is JSON is not copied.
    pub(crate) fn new(event: &Event) -> Self {
        let (field, value) = encode(event.payload());
        let mut fields = Vec::from(br#","topic":"#);
        push_text(&mut fields, event.topic().as_str());
        fields.extend_from_slice(br#","position":"#);
        push_text(&mut fields, &event.position().to_string());
        if let Some(key) = event.key() {
            fields.extend_from_slice(br#","key":"#);
            push_text(&mut fields, key);
        }
        for part in [b",\"", field.as_bytes(), b"\":"] {
            fields.extend_from_slice(part);
        }
        EventBody {
            fields: fields.into(),
            value,
        }
    }

    /// Adds to `out` what stands before the value.
    pub(crate) fn push_head(&self, id: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"event","id":"#);
        out.extend_from_slice(id.to_string().as_bytes());
        out.extend_from_slice(&self.fields);
    }

    /// The value, shared; behind it comes the [`TAIL`].
    pub(crate) fn value(&self) -> &Bytes {
        &self.value
    }
}

/// A payload as the value of a field, and the name of that field.
pub(super) fn encode(payload: &Bytes) -> (&'static str, Bytes) {
    let Ok(text) = std::str::from_utf8(payload) else {
        let mut value = String::with_capacity(payload.len().div_ceil(3) * 4 + 2);
        value.push('"');
        BASE64.encode_append(payload, &mut value);
        value.push('"');
        return ("base64", value.into());
    };
    if is_json(text) {
        return ("data", payload.clone());
    }
    let mut value = Vec::with_capacity(payload.len() + 2);
    push_text(&mut value, text);
    ("text", value.into())
}

/// Whether it is JSON, and no deeper than parsers take.
///
/// Two passes: a visitor that counts the depth on its way has to ask for values of any
/// type, whose numbers and texts are then read in full, and takes longer than both.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok() && !is_too_deep(text.as_bytes())
}
