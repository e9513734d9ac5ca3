//! Every way to skip against a walk over the bytes.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{Kind, Skip};

/// All that can be run here.
fn ways() -> Vec<Skip> {
    [
        Skip(Kind::Portable),
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        Skip(Kind::Sse2),
        Skip::new(),
    ]
    .to_vec()
}

fn naive_string(text: &[u8], at: usize) -> Option<usize> {
    let mut bytes = text.iter().enumerate().skip(at);
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(place + 1),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    None
}

fn naive_container(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1;
    loop {
        match text.get(at)? {
            b'"' => {
                at = naive_string(text, at + 1)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

fn check(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    for at in 0..=text.len().min(70) {
        let (string, container) = (naive_string(text, at), naive_container(text, at));
        for skip in ways() {
            assert_eq!(skip.string(text, at), string, "{skip:?} {at} {shown}");
            // Backslashes outside of strings are no JSON; they take away a quote here.
            if !outside_backslash(&text[at..]) {
                assert_eq!(skip.container(text, at), container, "{skip:?} {at} {shown}");
            }
        }
    }
}

fn outside_backslash(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => return true,
            b'"' => match naive_string(text, at + 1) {
                Some(end) => at = end,
                None => return false,
            },
            _ => at += 1,
        }
    }
    false
}

#[test]
fn every_byte_is_told_from_every_other() {
    for byte in 0..=u8::MAX {
        for place in [0, 7, 8, 15, 31, 63] {
            let mut text = [b' '; 64];
            text[place] = byte;
            check(&text);
            text[63] = b'"';
            check(&text);
            text[63] = b'}';
            check(&text);
        }
    }
}

#[test]
fn runs_of_backslashes_over_the_borders_of_blocks() {
    for before in 50..70 {
        for run in 0..=70 {
            let text = format!(r#""{}{}"}} "}}"#, "x".repeat(before), "\\".repeat(run));
            check(text.as_bytes());
            let text = format!(r#"{}","\\{}"#, "\\".repeat(run), "]".repeat(before));
            check(text.as_bytes());
        }
    }
}

#[test]
fn nesting_over_many_blocks() {
    for depth in [1, 31, 32, 33, 63, 64, 65, 1_000] {
        let text = format!(
            "{}{}{}",
            "[{".repeat(depth),
            "{}".repeat(70),
            "}]".repeat(depth)
        );
        for skip in ways() {
            assert_eq!(skip.container(text.as_bytes(), 1), Some(text.len()));
            assert_eq!(skip.container(text.as_bytes(), 0), None);
            assert_eq!(skip.container(&text.as_bytes()[..text.len() - 1], 1), None);
        }
    }
}

#[test]
fn an_end_beyond_the_text_is_none() {
    for skip in ways() {
        for at in [0, 1, 2, usize::MAX] {
            assert_eq!(skip.string(b"x", at), None);
            assert_eq!(skip.container(b"x", at), None);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn ends_are_those_of_a_walk_over_the_bytes(
        parts in vec(prop::sample::select(vec!["\"", "\\", "\\\"", "{", "}", "[", "]", "é", " ", "abcdefgh", "\u{1F600}", "\\\\", "\"x\"", "{}", "\0"]), 0..200),
    ) {
        check(parts.concat().as_bytes());
    }
}
