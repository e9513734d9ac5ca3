//! Texts with `*` for any run, also none; `\*` and `\\` are the characters themselves.

use std::borrow::Cow;

/// What is wrong with `pattern`, if something is.
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => return Err("a wildcard without ** in it"),
            '\\' if !matches!(chars.next(), Some('*' | '\\')) => {
                return Err("only * or \\ after a backslash in a wildcard");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether `text` is matched by `pattern`, which must have passed [`check`].
///
/// Linear in both lengths: the literal before the first star and the one behind the
/// last have their places, and each of those between is taken at the first place behind
/// the one before it. With stars on both sides an earlier place never hurts.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut literals = Literals(Some(pattern.as_bytes()));
    // Both are UTF-8, where no character is found inside of another: bytes will do.
    let mut text = text.as_bytes();
    let Some(first) = literals.next() else {
        return text.is_empty();
    };
    if !text.starts_with(&first) {
        return false;
    }
    text = &text[first.len()..];
    let Some(mut literal) = literals.next() else {
        return text.is_empty();
    };
    for next in literals {
        // Behind `literal` stands a star.
        let Some(place) = memchr::memmem::find(text, &literal) else {
            return false;
        };
        text = &text[place + literal.len()..];
        literal = next;
    }
    text.ends_with(&literal)
}

/// The literals between the stars of a pattern, also empty ones.
struct Literals<'p>(Option<&'p [u8]>);

impl<'p> Iterator for Literals<'p> {
    type Item = Cow<'p, [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0?;
        let mut literal = Cow::Borrowed(&rest[..0]);
        let (mut start, mut at) = (0, 0);
        loop {
            match rest.get(at) {
                None | Some(b'*') => {
                    join(&mut literal, &rest[start..at]);
                    self.0 = rest.get(at + 1..).filter(|_| at < rest.len());
                    return Some(literal);
                }
                Some(b'\\') => {
                    join(&mut literal, &rest[start..at]);
                    // What follows is itself, whatever it is.
                    start = at + 1;
                    at += 2;
                }
                Some(_) => at += 1,
            }
        }
    }
}

/// Appends a piece; the usual literal is one piece and is not copied.
fn join<'p>(literal: &mut Cow<'p, [u8]>, piece: &'p [u8]) {
    if literal.is_empty() {
        *literal = Cow::Borrowed(piece);
    } else {
        literal.to_mut().extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, spelled out.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|run| naive(rest, &text[run..])),
            ['\\', literal, rest @ ..] => text.first() == Some(literal) && naive(rest, &text[1..]),
            [literal, rest @ ..] => text.first() == Some(literal) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*\\\\é]{0,7}", text in "[ab*\\\\é]{0,9}") {
            prop_assume!(check(&pattern).is_ok());
            let chars: (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), naive(&chars.0, &chars.1));
        }
    }

    #[test]
    fn costs_no_product_of_the_lengths() {
        // A step per byte of both: 10^10 steps would not end in the life of this test.
        let pattern = format!("*{}b*{}c*", "a".repeat(100_000), "a".repeat(100_000));
        assert!(!matches(&pattern, &"a".repeat(1_000_000)));
    }

    #[test]
    fn refused() {
        for pattern in ["**", "a**b", "\\a", "\\", "a\\"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
        for pattern in ["", "*", "*a*b*", "\\**", "*\\*", "\\\\*"] {
            assert!(check(pattern).is_ok(), "{pattern}");
        }
    }
}
