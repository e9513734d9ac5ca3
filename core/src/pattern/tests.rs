//! Patterns and their table against the naive walk, a plain scan, and cases as data.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::Deserialize;

use super::naive::naive_matches;
use super::{MAX_PATTERN_BYTES, Pattern, PatternErrorKind, PatternId, PatternTable};

#[derive(Deserialize)]
struct MatchCase {
    pattern: String,
    topic: String,
    #[serde(rename = "match")]
    expected: bool,
}

#[derive(Deserialize)]
struct ErrorCase {
    pattern: String,
    error: String,
    offset: usize,
    found: String,
}

fn cases<'a, C: Deserialize<'a>>(lines: &'a str) -> impl Iterator<Item = C> {
    lines
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
}

#[test]
fn cases_match_as_written() {
    for case in cases::<MatchCase>(include_str!("../../testdata/patterns/matches.jsonl")) {
        let pattern = Pattern::new(&case.pattern).expect(&case.pattern);
        assert_eq!(
            pattern.matches(&case.topic),
            case.expected,
            "{pattern} on {:?}",
            case.topic
        );
        let redis = naive_matches(case.pattern.as_bytes(), case.topic.as_bytes());
        assert_eq!(redis, case.expected, "naive: {pattern} on {:?}", case.topic);
    }
}

#[test]
fn malformed_cases_are_refused_as_written() {
    for case in cases::<ErrorCase>(include_str!("../../testdata/patterns/errors.jsonl")) {
        let error = Pattern::new(&case.pattern).expect_err(&case.pattern);
        let told = (error.kind().name(), error.offset(), error.found());
        assert_eq!(
            told,
            (&*case.error, case.offset, &*case.found),
            "{}",
            case.pattern
        );
        assert!(error.to_string().contains(error.found()), "{error}");
    }
}

#[test]
fn the_longest_pattern_is_accepted_and_one_byte_more_is_not() {
    assert!(Pattern::new(&"a".repeat(MAX_PATTERN_BYTES)).is_ok());
    for over in [
        "a".repeat(MAX_PATTERN_BYTES + 1),
        "é".repeat(MAX_PATTERN_BYTES / 2 + 1),
    ] {
        let error = Pattern::new(&over).unwrap_err();
        assert_eq!(
            (error.kind(), error.offset()),
            (PatternErrorKind::TooLong, MAX_PATTERN_BYTES)
        );
    }
    // A character across the limit.
    let across = format!("{}é", "a".repeat(MAX_PATTERN_BYTES - 1));
    assert_eq!(Pattern::new(&across).unwrap_err().found(), "é");
}

#[test]
fn equality_goes_by_text() {
    let pattern: Pattern = "a**".parse().unwrap();
    assert_eq!(pattern, Pattern::try_from("a**").unwrap());
    assert_ne!(pattern, Pattern::new("a*").unwrap());
    assert_eq!(
        (pattern.to_string(), format!("{pattern:?}")),
        ("a**".into(), "Pattern(\"a**\")".into())
    );
}

#[test]
fn pathological_patterns_stay_cheap() {
    let topic = "a".repeat(1024);
    let patterns = [
        format!("{}b", "a*".repeat(511)),
        format!("*{}b*", "a".repeat(500)),
        format!("*{}b*", "?".repeat(500)),
        format!("*{}b*", "[a]".repeat(300)),
        format!("{}b", "*?".repeat(511)),
        format!("{}[b]", "*[a]".repeat(255)),
    ];
    for text in patterns {
        let pattern = Pattern::new(&text).unwrap();
        let start = Instant::now();
        assert!(!pattern.matches(&topic), "{text}");
        // A million steps at most; an exponential one would not come back.
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{text}: {:?}",
            start.elapsed()
        );
    }
}

/// Text over few characters, so that wildcards, classes and repeats meet often.
fn pattern_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => "[ab.é-]{1,3}",
        3 => Just("*".to_owned()),
        2 => Just("?".to_owned()),
        2 => r"\[\^?[a-c^!.-]{1,3}\]",
        1 => r"\\[ab*?\[\]\\]",
        1 => r"[\[\]\\^]",
    ];
    prop::collection::vec(part, 1..7).prop_map(|parts| parts.concat())
}

fn topic_text() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[ab.é-]{0,9}", 1 => r"[abc.*?\[\]\\^!-]{0,9}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn what_parses_matches_as_redis_does(text in pattern_text(), topics in prop::collection::vec(topic_text(), 1..8)) {
        match Pattern::new(&text) {
            Ok(pattern) => for topic in topics {
                prop_assert_eq!(
                    pattern.matches(&topic),
                    naive_matches(text.as_bytes(), topic.as_bytes()),
                    "{} on {:?}", text, topic
                );
            },
            Err(error) => {
                prop_assert!(text[..].get(error.offset()..).is_none_or(|rest| rest.starts_with(error.found())));
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(String),
    /// Removes one of the live ones.
    Remove(prop::sample::Index),
    Match(String),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => pattern_text().prop_map(Step::Insert),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        4 => topic_text().prop_map(Step::Match),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_table_finds_what_a_plain_scan_finds(steps in prop::collection::vec(step(), 1..120)) {
        let mut table = PatternTable::new();
        let mut model: BTreeMap<String, (Pattern, PatternId, usize)> = BTreeMap::new();
        let mut gone = Vec::new();
        for (value, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(text) => {
                    let Ok(pattern) = Pattern::new(&text) else { continue };
                    let id = table.insert(pattern.clone(), value);
                    if let Some((_, before, _)) = model.insert(text, (pattern, id, value)) {
                        prop_assert_eq!(id, before);
                    }
                }
                Step::Remove(index) if !model.is_empty() => {
                    let text = model.keys().nth(index.index(model.len())).unwrap().clone();
                    let (pattern, id, value) = model.remove(&text).unwrap();
                    prop_assert_eq!(table.remove(id), Some(value));
                    prop_assert_eq!(table.find(&pattern), None);
                    gone.push(id);
                }
                Step::Remove(_) => {}
                Step::Match(topic) => {
                    let mut found = Vec::new();
                    table.for_each_match(&topic, |value| found.push(*value));
                    let mut expected: Vec<_> = model.values()
                        .filter(|(pattern, ..)| pattern.matches(&topic))
                        .map(|(.., value)| *value)
                        .collect();
                    found.sort_unstable();
                    expected.sort_unstable();
                    prop_assert_eq!(found, expected, "{:?}", topic);
                }
            }
            prop_assert_eq!(table.len(), model.len());
            for id in &gone {
                prop_assert_eq!(table.get(*id), None);
            }
            for (pattern, id, value) in model.values() {
                prop_assert_eq!(table.find(pattern), Some(*id));
                prop_assert_eq!(table.get(*id), Some(value));
            }
        }
        for (_, id, value) in model.into_values() {
            *table.get_mut(id).unwrap() += 1;
            prop_assert_eq!(table.remove(id), Some(value + 1));
            prop_assert_eq!(table.remove(id), None);
        }
        prop_assert!(table.is_empty() && table.holds_nothing());
    }
}

#[test]
fn many_patterns_share_what_sets_them_apart() {
    let mut table = PatternTable::new();
    for number in 0..2_000 {
        for text in [
            format!("user.{number}.*"),
            format!("*.{number}.changed"),
            format!("*<{number}>*"),
        ] {
            table.insert(Pattern::new(&text).unwrap(), text);
        }
    }
    let mut found = Vec::new();
    table.for_each_match("user.77.<1999>.5.changed", |text| found.push(text.clone()));
    found.sort_unstable();
    assert_eq!(found, ["*.5.changed", "*<1999>*", "user.77.*"]);
    assert!(table.longest_file() <= 8, "{}", table.longest_file());
}
