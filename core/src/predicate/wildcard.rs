//! Texts with `*` for any run, also none; `\*` and `\\` are the characters themselves.

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
/// Linear for one star; each further star may try its place once per position, so at worst the product of both lengths.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    // Both are UTF-8, where no character is found inside of another: bytes will do.
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on with the last star taking one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let (literal, next) = match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                if p == pattern.len() {
                    return true;
                }
                retry = Some((p, t));
                continue;
            }
            Some(b'\\') => (pattern.get(p + 1), p + 2),
            literal => (literal, p + 1),
        };
        if literal == text.get(t) {
            if literal.is_none() {
                return true;
            }
            (p, t) = (next, t + 1);
            continue;
        }
        match &mut retry {
            Some((after_star, start)) if *start < text.len() => {
                *start += 1;
                (p, t) = (*after_star, *start);
            }
            _ => return false,
        }
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
    fn refused() {
        for pattern in ["**", "a**b", "\\a", "\\", "a\\"] {
            assert!(check(pattern).is_err(), "{pattern}");
        }
        for pattern in ["", "*", "*a*b*", "\\**", "*\\*", "\\\\*"] {
            assert!(check(pattern).is_ok(), "{pattern}");
        }
    }
}
