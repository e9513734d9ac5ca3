//! Redis' glob as an oracle, for tests and fuzzing: the walk of its `stringmatchlen` over pattern and text, byte by
//! byte, with all its leniency towards malformed patterns. In place of its short cuts it remembers where a star
//! has been tried, which is what keeps it from being exponential.

use std::collections::HashSet;

/// Whether Redis matches `text` against `pattern`.
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
pub fn naive_matches(pattern: &[u8], text: &[u8]) -> bool {
    // Redis leaves its loop as soon as the text is used up, and skips stars only behind a byte it matched:
    // the empty text matches the empty pattern alone.
    if text.is_empty() {
        return pattern.is_empty();
    }
    walk(pattern, text, &mut HashSet::new())
}

/// `tried` holds the stars, and the places before which they were tried, as lengths of what is left of both. Who
/// comes there again knows that it failed: a success ends the walk.
fn walk(pattern: &[u8], text: &[u8], tried: &mut HashSet<(usize, usize)>) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => {
            tried.insert((pattern.len(), text.len()))
                && (walk(rest, text, tried) || !text.is_empty() && walk(pattern, &text[1..], tried))
        }
        (_, []) => false,
        ([b'?', rest @ ..], [_, text @ ..]) => walk(rest, text, tried),
        ([b'[', rest @ ..], [byte, text @ ..]) => {
            let (admits, rest) = class(rest, *byte);
            admits && walk(rest, text, tried)
        }
        ([b'\\', escaped, rest @ ..], [byte, text @ ..]) => {
            escaped == byte && walk(rest, text, tried)
        }
        ([plain, rest @ ..], [byte, text @ ..]) => plain == byte && walk(rest, text, tried),
    }
}

/// Whether the class whose body begins `body` admits `byte`, and what follows the class.
fn class(body: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut body) = match body {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, body),
    };
    let mut found = false;
    loop {
        body = match body {
            [] => return (found != negated, body),
            [b'\\', escaped, rest @ ..] => {
                found |= *escaped == byte;
                rest
            }
            [b']', rest @ ..] => return (found != negated, rest),
            [start, b'-', end, rest @ ..] => {
                // `char` is signed where Redis usually runs.
                let [start, end, byte] = [*start, *end, byte].map(u8::cast_signed);
                found |= (start.min(end)..=start.max(end)).contains(&byte);
                rest
            }
            [member, rest @ ..] => {
                found |= *member == byte;
                rest
            }
        };
    }
}
