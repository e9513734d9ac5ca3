//! The envelope: what our own publishers put in front of a payload, so that gaps,
//! duplicates and lateness are seen.
//!
//! This is the document of the format. All numbers are big endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0..3 | `00 64 79`: no JSON begins with `00`, and no text a person would write |
//! | 3 | the version, 1, in the upper four bits; flags in the lower four |
//! | 4..12 | lineage: whose numbering the next field belongs to; 0 without a log |
//! | 12..20 | number in the topic's log, dense from 1; 0 when no log has the event |
//! | 20..28 | publisher: a random number of the hub that published |
//! | 28..36 | serial: the publisher's own number on this topic, dense from 1 |
//! | 36..44 | when it was published, in µs since the Unix epoch, by the publisher's clock |
//! | 44.. | with flag 1: the headers. Then the payload, to the end |
//!
//! Flag 1 says that there are headers. Other flags are not used; who sets them cannot be
//! read.
//!
//! Headers are a `u32`, how many bytes follow, and in them first the conflation key, then
//! the attributes one after the other. The key is a byte, 1 if there is one, and then its
//! text. A text is a `u32`, its length in bytes, and UTF-8. An attribute is its name, a
//! text, then a byte that tells the kind, then the value:
//!
//! | kind | value |
//! |---|---|
//! | 0, 1, 2 | none: null, false, true |
//! | 3, 4, 5 | eight bytes: `i64`, `u64`, `f64` (no NaN) |
//! | 6 | a text: the decimal digits of an integer beyond both |
//! | 7 | a text: a string |
//!
//! (publisher, serial) is an event's identity on its topic: it stays the same when the
//! event is sent again, and in every log that has it. (lineage, number) is its place.
//!
//! # Invariants
//!
//! - Bytes that do not begin with the mark are a payload and nothing else.
//! - Reading is total: whatever arrives is plain, an envelope, or unreadable; nothing
//!   panics, and nothing is allocated by a length that is not there.

use crate::{
    event::Publication,
    fields::{Attributes, Number, Value},
};

/// What an envelope begins with.
pub(crate) const MARK: [u8; 3] = [0x00, 0x64, 0x79];
/// Where the fields lie that a log's script writes.
pub(crate) const LINEAGE: std::ops::Range<usize> = 4..12;
/// See [`LINEAGE`].
pub(crate) const NUMBER: std::ops::Range<usize> = 12..20;

/// The byte that has the version and the flags.
const FLAGS: usize = 3;
const VERSION: u8 = 1 << 4;
const HEADERS: u8 = 1;
const FIXED: usize = 44;

/// The fixed part of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamps {
    /// Whose numbering [`number`](Stamps::number) belongs to.
    pub(crate) lineage: u64,
    /// The number in the topic's log; 0 when no log has it.
    pub(crate) number: u64,
    /// The hub that published.
    pub(crate) publisher: u64,
    /// The publisher's number on the topic, from 1.
    pub(crate) serial: u64,
    /// When it was published, in µs since the Unix epoch.
    pub(crate) micros: u64,
}

/// An envelope as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    pub(crate) stamps: Stamps,
    headers: &'a [u8],
    payload: &'a [u8],
}

/// What arrived under a topic's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival<'a> {
    /// Not ours: the payload as it is.
    Plain,
    /// Ours.
    Enveloped(Envelope<'a>),
    /// It begins as ours does, and cannot be read: it is of a later version, or damaged.
    Unreadable,
}

/// Headers that do not follow the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Appends an event in its envelope.
pub(crate) fn encode<T>(stamps: &Stamps, event: &Publication<T>, to: &mut Vec<u8>)
where
    T: AsRef<str>,
{
    let (attributes, key) = event.headers();
    let has_headers = !attributes.is_empty() || key.is_some();
    to.reserve(FIXED + event.payload().len());
    to.extend_from_slice(&MARK);
    to.push(VERSION | if has_headers { HEADERS } else { 0 });
    for field in [
        stamps.lineage,
        stamps.number,
        stamps.publisher,
        stamps.serial,
        stamps.micros,
    ] {
        to.extend_from_slice(&field.to_be_bytes());
    }
    if has_headers {
        put_headers(attributes, key, to);
    }
    to.extend_from_slice(event.payload());
}

/// Reads what arrived.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Arrival<'_> {
    if !bytes.starts_with(&MARK) {
        return Arrival::Plain;
    }
    envelope(bytes).map_or(Arrival::Unreadable, Arrival::Enveloped)
}

fn envelope(bytes: &[u8]) -> Option<Envelope<'_>> {
    let flags = *bytes.get(FLAGS)?;
    if flags & !HEADERS != VERSION {
        return None;
    }
    let mut rest = Rest(bytes.get(FLAGS + 1..)?);
    let stamps = Stamps {
        lineage: rest.number()?,
        number: rest.number()?,
        publisher: rest.number()?,
        serial: rest.number()?,
        micros: rest.number()?,
    };
    let headers = if flags & HEADERS == 0 {
        &[][..]
    } else {
        rest.section()?
    };
    Some(Envelope {
        stamps,
        headers,
        payload: rest.0,
    })
}

impl Envelope<'_> {
    /// The event, copied out.
    ///
    /// # Errors
    /// When the headers do not follow the format.
    pub(crate) fn publication<T: AsRef<str>>(
        &self,
        topic: T,
    ) -> Result<Publication<T>, Unreadable> {
        let payload = bytes::Bytes::copy_from_slice(self.payload);
        let event = Publication::new(topic, payload);
        if self.headers.is_empty() {
            return Ok(event);
        }
        let (attributes, key) = headers(self.headers).ok_or(Unreadable)?;
        let event = event.attributes(attributes);
        Ok(match key {
            Some(key) => event.key(key),
            None => event,
        })
    }
}

fn put_headers(attributes: &Attributes, key: Option<&str>, to: &mut Vec<u8>) {
    let start = to.len();
    to.extend_from_slice(&[0; 4]);
    to.push(u8::from(key.is_some()));
    if let Some(key) = key {
        put_text(key, to);
    }
    for (name, value) in attributes.iter() {
        put_text(name, to);
        put_value(value, to);
    }
    let length = length(to.len() - start - 4);
    to[start..start + 4].copy_from_slice(&length);
}

fn put_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(0),
        Value::Bool(value) => to.push(1 + u8::from(*value)),
        Value::Number(number) => {
            if let Some(value) = number.as_i64() {
                to.push(3);
                to.extend_from_slice(&value.to_be_bytes());
            } else if let Some(value) = number.as_u64() {
                to.push(4);
                to.extend_from_slice(&value.to_be_bytes());
            } else if number.is_digits() {
                to.push(6);
                put_text(&number.to_string(), to);
            } else {
                to.push(5);
                to.extend_from_slice(&number.to_f64().to_be_bytes());
            }
        }
        Value::String(value) => {
            to.push(7);
            put_text(value, to);
        }
    }
}

fn put_text(text: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(&length(text.len()));
    to.extend_from_slice(text.as_bytes());
}

/// A length as it is written. Longer things no server takes: a length that does not fit
/// makes an envelope that cannot be read, not one that is read wrongly.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

fn headers(bytes: &[u8]) -> Option<(Attributes, Option<&str>)> {
    let mut rest = Rest(bytes);
    let key = match rest.byte()? {
        0 => None,
        1 => Some(rest.text()?),
        _ => return None,
    };
    let mut attributes = Attributes::new();
    while !rest.0.is_empty() {
        let name = rest.text()?;
        attributes.push(name, rest.value()?);
    }
    Some((attributes, key))
}

/// What is left to be read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|taken| taken[0])
    }

    fn number(&mut self) -> Option<u64> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*taken))
    }

    /// So many bytes as the four in front of them say.
    fn section(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        self.take(usize::try_from(u32::from_be_bytes(*length)).ok()?)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.section()?).ok()
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => Value::Number(self.number()?.cast_signed().into()),
            4 => Value::Number(self.number()?.into()),
            5 => Value::Number(Number::from_f64(f64::from_bits(self.number()?))?),
            6 => Value::Number(Number::from_digits(self.text()?)?),
            7 => Value::String(self.text()?.into()),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("NaN", |float| Number::from_f64(float).map(Value::from)),
            "[1-9][0-9]{20,40}"
                .prop_map(|digits| Value::from(Number::from_digits(&digits).unwrap())),
            ".{0,20}".prop_map(Value::from),
        ]
    }

    fn stamps() -> impl Strategy<Value = Stamps> {
        any::<[u64; 5]>().prop_map(|fields| Stamps {
            lineage: fields[0],
            number: fields[1],
            publisher: fields[2],
            serial: fields[3],
            micros: fields[4],
        })
    }

    #[test]
    fn the_format_is_what_the_document_says() {
        let stamps = Stamps {
            lineage: 1,
            number: 2,
            publisher: 3,
            serial: 4,
            micros: 5,
        };
        let mut bytes = Vec::new();
        encode(&stamps, &Publication::new("t", "{}"), &mut bytes);
        let mut expected = vec![0, 0x64, 0x79, 0x10];
        for field in 1..=5_u64 {
            expected.extend(field.to_be_bytes());
        }
        expected.extend(b"{}");
        assert_eq!(bytes, expected);
        assert_eq!(bytes[LINEAGE], 1_u64.to_be_bytes());
        assert_eq!(bytes[NUMBER], 2_u64.to_be_bytes());

        let event = Publication::new("t", "{}").key("k").attribute("a", true);
        bytes.clear();
        encode(&stamps, &event, &mut bytes);
        assert_eq!(bytes[FLAGS], 0x11);
        assert_eq!(
            &bytes[FIXED..],
            [
                0, 0, 0, 12, 1, 0, 0, 0, 1, b'k', 0, 0, 0, 1, b'a', 2, b'{', b'}'
            ],
        );
    }

    #[test]
    fn what_is_not_marked_is_plain_and_later_versions_are_not_read() {
        for plain in [&b""[..], b"{}", b"\0", b"\0d", b"\0dx", b"dy\0"] {
            assert_eq!(decode(plain), Arrival::Plain, "{plain:?}");
        }
        let mut bytes = Vec::new();
        let event = Publication::new("t", "").attribute("a", 1);
        encode(&Stamps::default(), &event, &mut bytes);
        for short in MARK.len()..bytes.len() {
            assert_eq!(decode(&bytes[..short]), Arrival::Unreadable, "{short}");
        }
        for flags in [0x00, 0x20, 0x12, 0x14, 0x18, 0xff] {
            bytes[FLAGS] = flags;
            assert_eq!(decode(&bytes), Arrival::Unreadable, "{flags:#x}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            stamps in stamps(),
            payload in any::<Vec<u8>>(),
            key in proptest::option::of(".{0,8}"),
            attributes in proptest::collection::vec((".{0,8}", value()), 0..4),
        ) {
            let mut event = Publication::new("t", payload.clone())
                .attributes(attributes.into_iter().collect());
            if let Some(key) = &key {
                event = event.key(key);
            }
            let mut bytes = Vec::new();
            encode(&stamps, &event, &mut bytes);
            let Arrival::Enveloped(envelope) = decode(&bytes) else {
                panic!("not read: {bytes:?}");
            };
            prop_assert_eq!(envelope.stamps, stamps);
            let read = envelope.publication("t").unwrap();
            prop_assert_eq!(read.payload(), &payload);
            prop_assert_eq!(read.headers(), event.headers());
        }

        #[test]
        fn nothing_panics(mut bytes in any::<Vec<u8>>(), flags in 0x10_u8..0x12, marked: bool) {
            if marked {
                bytes.splice(..0, MARK.into_iter().chain([flags]).chain([0; 40]));
            }
            if let Arrival::Enveloped(envelope) = decode(&bytes) {
                let _ = envelope.publication("t");
            }
        }
    }
}
