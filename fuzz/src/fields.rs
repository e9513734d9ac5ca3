//! What a projection reads off a JSON payload against a naive walk that visits everything.
//!
//! An input is a line of paths with spaces between them, and behind it the payload. Of its two readers the one that checks the
//! whole payload is held to the walk, and the one that passes over what no path asks for to the first, wherever the payload is
//! JSON. What is not JSON may go unnoticed by the second, which then has to end all the same.

use std::collections::HashMap;
use std::fmt;

use distributary::fuzzing::{FoundLeaf, json_leaves, path, skimmed_leaves};
use distributary::{Path, Value};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The containers that a leaf may stand in at most.
const MAX_DEPTH: usize = 128;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;
/// Enough for paths that share segments and keys with dots.
const MAX_PATHS: usize = 8;

/// Checks one input.
pub fn run(input: &[u8]) {
    let end = input
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(input.len());
    let (line, payload) = input.split_at(end);
    let payload = payload.get(1..).unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut paths: Vec<Path> = line.split(' ').take(MAX_PATHS).map(path).collect();
    paths.sort();
    paths.dedup();

    let found = json_leaves(&paths, payload);
    let skimmed = skimmed_leaves(&paths, payload);
    let raw = serde_json::from_slice::<&RawValue>(payload).ok();
    if raw.is_some() || found.is_ok() {
        // Both tell of what is no object, and why, in the same words: the parser's.
        assert_eq!(format!("{skimmed:?}"), format!("{found:?}"));
    }
    let Some(raw) = raw.filter(|raw| raw.get().starts_with('{')) else {
        assert!(found.is_err(), "not an object, yet leaves: {found:?}");
        return;
    };
    let mut walk = Walk {
        paths: &paths,
        leaves: Vec::new(),
        elements: 0,
    };
    match (found, walk.object(raw, None, 0, 1)) {
        (Ok(found), Some(())) => compare(found, walk.leaves),
        // Half of a surrogate pair is valid JSON and no string. Whether that is noticed depends on who looks.
        (Err(_), None) => {}
        (found, walked) => assert!(
            has_surrogate(payload),
            "{found:?}, but the walk {walked:?}: {raw}"
        ),
    }
}

/// Whether some escape names half of a surrogate pair.
fn has_surrogate(payload: &[u8]) -> bool {
    payload
        .windows(3)
        .any(|window| window.eq_ignore_ascii_case(b"\\ud"))
}

fn compare(found: Vec<FoundLeaf>, mut expected: Vec<Leaf>) {
    // Stable: the order of the event stays within one path and place.
    expected.sort_by_key(|leaf| leaf.path.id());
    assert_eq!(found.len(), expected.len(), "{found:?} but {expected:?}");
    let mut places = HashMap::from([(0, 0)]);
    let mut taken = HashMap::from([(0, 0)]);
    for leaf in found {
        // Places have no common names, so the first leaf of each tells which is which.
        let at = expected.iter().position(|other| {
            other.path == leaf.path
                && shows(&leaf.value, &other.value)
                && places
                    .get(&leaf.place)
                    .map_or(!taken.contains_key(&other.place), |place| {
                        *place == other.place
                    })
        });
        let Some(at) = at else {
            panic!("{leaf:?} is not among {expected:?}")
        };
        let other = expected.remove(at);
        places.insert(leaf.place, other.place);
        taken.insert(other.place, leaf.place);
    }
}

/// Whether `value` is what stood there.
fn shows(value: &Value, scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Known(expected) => value == expected,
        // Whole numbers within 64 bits are integers however they are written.
        Scalar::Float(float) if float.fract() == 0.0 && (0.0..TWO_64).contains(float) => {
            *value == Value::from(*float as u64)
        }
        Scalar::Float(float) if float.fract() == 0.0 && (-TWO_64 / 2.0..0.0).contains(float) => {
            *value == Value::from(*float as i64)
        }
        Scalar::Float(float) => value.as_number().is_some_and(|number| {
            number.to_f64() == *float && number.as_i64().is_none() && number.as_u64().is_none()
        }),
        Scalar::Digits(digits) => value
            .as_number()
            .is_some_and(|number| number.to_string() == *digits),
    }
}

#[derive(Debug)]
struct Leaf {
    path: Path,
    place: usize,
    value: Scalar,
}

#[derive(Debug)]
enum Scalar {
    Known(Value),
    /// What is written with a point or an exponent.
    Float(f64),
    /// An integer beyond 64 bits: its text.
    Digits(String),
}

struct Walk<'w> {
    paths: &'w [Path],
    leaves: Vec<Leaf>,
    elements: usize,
}

impl Walk<'_> {
    /// Goes through the object `raw`, the `depth`-th container around what it holds. `None` if a key or a value that
    /// is asked for is no string although it is written like one.
    fn object(
        &mut self,
        raw: &RawValue,
        path: Option<&str>,
        place: usize,
        depth: usize,
    ) -> Option<()> {
        if depth > MAX_DEPTH {
            return Some(());
        }
        let Pairs(pairs) = serde_json::from_str(raw.get()).ok()?;
        for (key, value) in &pairs {
            let path = path.map_or_else(|| key.clone(), |path| format!("{path}.{key}"));
            self.value(value, &path, place, depth, false)?;
        }
        Some(())
    }

    fn value(
        &mut self,
        raw: &RawValue,
        path: &str,
        place: usize,
        depth: usize,
        in_array: bool,
    ) -> Option<()> {
        match raw.get().as_bytes()[0] {
            b'{' => {
                let place = if in_array {
                    self.elements += 1;
                    self.elements
                } else {
                    place
                };
                self.object(raw, Some(path), place, depth + 1)
            }
            b'[' => {
                if depth >= MAX_DEPTH {
                    return Some(());
                }
                let items: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
                items
                    .into_iter()
                    .try_for_each(|item| self.value(item, path, place, depth + 1, true))
            }
            _ => {
                if let Some(path) = self.paths.iter().find(|known| known.as_str() == path) {
                    let value = scalar(raw.get())?;
                    self.leaves.push(Leaf {
                        path: path.clone(),
                        place,
                        value,
                    });
                }
                Some(())
            }
        }
    }
}

fn scalar(text: &str) -> Option<Scalar> {
    let value = match text {
        "null" => Value::from(()),
        "true" => Value::from(true),
        "false" => Value::from(false),
        _ if text.starts_with('"') => Value::from(serde_json::from_str::<String>(text).ok()?),
        _ if text.contains(['.', 'e', 'E']) => return Some(Scalar::Float(text.parse().ok()?)),
        _ => match (text.parse::<i64>(), text.parse::<u64>()) {
            (Ok(number), _) => Value::from(number),
            (_, Ok(number)) => Value::from(number),
            _ => return Some(Scalar::Digits(text.to_owned())),
        },
    };
    Some(Scalar::Known(value))
}

/// An object as written: in order, repeated keys too.
pub(crate) struct Pairs(pub(crate) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'de> Visitor<'de> for Visit {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Visit)
    }
}
