//! Patterns against Redis' own walk, and the table of live patterns against asking each.
//!
//! An input is lines: the first is the topic, each other one a pattern.

use distributary::Pattern;
use distributary::PatternErrorKind;
use distributary::fuzzing::{naive_matches, table_matches};

/// Enough for patterns to share grams.
const MAX_PATTERNS: usize = 24;

/// Checks one input.
pub fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let topic = lines.next().unwrap_or_default();
    let patterns: Vec<Pattern> = lines.take(MAX_PATTERNS).filter_map(parse).collect();

    for pattern in &patterns {
        let redis = naive_matches(pattern.as_str().as_bytes(), topic.as_bytes());
        assert_eq!(pattern.matches(topic), redis, "{pattern} on {topic:?}");
    }

    // Equal patterns are one in the table and the last value stays, so duplicates are left out here.
    let mut distinct = patterns;
    distinct.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    distinct.dedup();
    let removed: Vec<usize> = (0..distinct.len())
        .filter(|place| place % 3 == topic.len() % 3)
        .collect();
    let expected: Vec<usize> = (0..distinct.len())
        .filter(|place| !removed.contains(place) && distinct[*place].matches(topic))
        .collect();
    assert_eq!(
        table_matches(&distinct, &removed, topic),
        expected,
        "{distinct:?} on {topic:?}"
    );
}

/// A pattern that is accepted keeps its text; an error shows what stands where it points.
fn parse(text: &str) -> Option<Pattern> {
    match Pattern::new(text) {
        Ok(pattern) => {
            assert_eq!(pattern.as_str(), text);
            Some(pattern)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if error.kind() != PatternErrorKind::TooLong {
                let shown = text
                    .get(error.offset()..)
                    .is_none_or(|rest| rest.starts_with(error.found()));
                assert!(
                    shown && text.contains(error.found()),
                    "{error:?} for {text:?}"
                );
            }
            None
        }
    }
}
