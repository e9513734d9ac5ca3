//! The items of a JSON array whose text is known to be valid.
//!
//! Reading nested arrays value by value would scan each level again; this goes over the text once, whatever the nesting.

/// What an item is; inner arrays are not items, their items are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Scalar,
    Object,
}

/// The scalars and objects in the array `text`, inner arrays included, each with its own text and the number of arrays around it.
///
/// `text` must be a valid JSON array. On other text the items are meaningless, but it ends.
pub(super) fn items(text: &str) -> impl Iterator<Item = (Item, &str, u32)> {
    let bytes = text.as_bytes();
    let (mut at, mut nesting) = (0, 0_u32);
    std::iter::from_fn(move || {
        loop {
            let (kind, end) = match bytes.get(at)? {
                b'[' => {
                    (at, nesting) = (at + 1, nesting + 1);
                    continue;
                }
                b']' => {
                    (at, nesting) = (at + 1, nesting.saturating_sub(1));
                    continue;
                }
                b',' | b' ' | b'\t' | b'\n' | b'\r' => {
                    at += 1;
                    continue;
                }
                b'"' => (Item::Scalar, string_end(bytes, at)),
                b'{' => (Item::Object, object_end(bytes, at)),
                _ => {
                    let len = bytes[at..]
                        .iter()
                        .take_while(|b| !matches!(b, b',' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
                        .count();
                    (Item::Scalar, at + len)
                }
            };
            let item = text.get(at..end)?;
            at = end;
            return Some((kind, item, nesting));
        }
    })
}

/// One past the closing quote of the string that opens at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// One past the closing brace of the object that opens at `start`.
fn object_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut open) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return at;
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_nested_arrays() {
        let text = r#"[ 1,"a\"]" ,[{"x":"}\\"},[null]], [] ,{"y":{}},-2e3]"#;
        let expected = [
            (Item::Scalar, "1", 1),
            (Item::Scalar, r#""a\"]""#, 1),
            (Item::Object, r#"{"x":"}\\"}"#, 2),
            (Item::Scalar, "null", 3),
            (Item::Object, r#"{"y":{}}"#, 1),
            (Item::Scalar, "-2e3", 1),
        ];
        assert_eq!(items(text).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn broken_text_ends() {
        for text in ["[\"", "[{", "[\"\\", "]]]", "[}", "[x"] {
            assert!(items(text).count() <= 2, "{text}");
        }
    }
}
