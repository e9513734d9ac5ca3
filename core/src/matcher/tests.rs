//! The matcher against every filter by itself.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::fields::{Number, Value};

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn sorted(ask: impl FnOnce(&mut Vec<MatchId>)) -> Vec<MatchId> {
    let mut found = Vec::new();
    ask(&mut found);
    found.sort_unstable();
    found
}

fn of_json(matcher: &mut Matcher, payload: &str) -> Vec<MatchId> {
    sorted(|found| {
        matcher.matches_json(payload.as_bytes(), |id| found.push(id));
    })
}

fn of_values(matcher: &mut Matcher, values: &[(PathId, Value)]) -> Vec<MatchId> {
    sorted(|found| {
        let values = values.iter().map(|(path, value)| (*path, value.into()));
        matcher.matches(values, |id| found.push(id));
    })
}

fn path(matcher: &Matcher, text: &str) -> PathId {
    let path = matcher.paths().find(|path| path.as_str() == text);
    path.expect("a filter names it").id()
}

#[test]
fn equal_filters_are_one_entry_and_each_member_is_told() {
    let mut matcher = Matcher::new();
    let ids: Vec<_> = (0..10_000)
        .map(|_| matcher.insert(filter(r#"{"a": [1]}"#)))
        .collect();
    let other = matcher.insert(filter(r#"{"a": [2]}"#));
    assert_eq!((matcher.len(), matcher.distinct()), (10_001, 2));
    assert_eq!(of_json(&mut matcher, r#"{"a": 1}"#), ids);
    let (gone, left): (Vec<_>, Vec<_>) = ids.iter().partition(|id| id.to_u32() % 3 == 0);
    assert!(gone.iter().all(|id| matcher.remove(*id)));
    assert!(!matcher.remove(gone[0]), "it is gone already");
    assert_eq!(of_json(&mut matcher, r#"{"a": 1}"#), left);
    assert!(left.iter().all(|id| matcher.remove(*id)));
    assert_eq!((matcher.len(), matcher.distinct()), (1, 1));
    assert_eq!(of_json(&mut matcher, r#"{"a": 2}"#), [other]);
    assert_eq!(matcher.filter(other), Some(&filter(r#"{"a": [2]}"#)));
    assert_eq!(matcher.filter(ids[1]), None);
}

#[test]
fn numbers_are_dense_and_given_again() {
    let mut matcher = Matcher::new();
    let ids: Vec<_> = (0..4).map(|_| matcher.insert(Filter::all())).collect();
    assert_eq!(ids, [0, 1, 2, 3].map(MatchId::from_u32));
    assert!(matcher.remove(ids[1]));
    assert_eq!(matcher.insert(filter(r#"{"a": 1}"#)), ids[1]);
    assert!(!matcher.remove(MatchId::from_u32(4)));
    assert!(!matcher.remove(MatchId::from_u32(u32::MAX)));
}

#[test]
fn paths_change_their_version_only_with_the_set() {
    let mut matcher = Matcher::new();
    assert_eq!((matcher.paths_version(), matcher.paths().count()), (0, 0));
    matcher.insert(Filter::all());
    assert_eq!(matcher.paths_version(), 0);
    let first = matcher.insert(filter(r#"{"a": {"b": [1]}}"#));
    let version = matcher.paths_version();
    assert_ne!(version, 0);
    let second = matcher.insert(filter(r#"{"a.b": [2]}"#));
    assert_eq!(matcher.paths_version(), version);
    matcher.remove(first);
    assert_eq!(matcher.paths_version(), version);
    matcher.remove(second);
    assert_ne!(matcher.paths_version(), version);
    assert_eq!(matcher.paths().count(), 0);
}

#[test]
fn absent_null_and_repeated_paths_are_told_apart() {
    let mut matcher = Matcher::new();
    let absent = matcher.insert(filter(r#"{"a": [{"exists": false}]}"#));
    let null = matcher.insert(filter(r#"{"a": [null]}"#));
    let one = matcher.insert(filter(r#"{"a": [1]}"#));
    let two = matcher.insert(filter(r#"{"a": [2], "b": [{"exists": false}]}"#));
    let (a, b) = (path(&matcher, "a"), path(&matcher, "b"));
    assert_eq!(of_values(&mut matcher, &[]), [absent]);
    assert_eq!(of_values(&mut matcher, &[(a, ().into())]), [null]);
    let values = [(a, 2.into()), (a, 1.into()), (a, 2.into())];
    assert_eq!(of_values(&mut matcher, &values), [one, two]);
    assert_eq!(of_values(&mut matcher, &[(a, 2.into()), (b, 1.into())]), []);
}

#[test]
fn a_path_that_nobody_names_is_passed_over() {
    let mut matcher = Matcher::new();
    let elsewhere = Path::new("matcher-tests.elsewhere");
    let one = matcher.insert(filter(r#"{"a": [1]}"#));
    let a = path(&matcher, "a");
    let values = [(elsewhere.id(), 1.into()), (a, 1.into())];
    assert_eq!(of_values(&mut matcher, &values), [one]);
}

#[test]
fn of_what_cannot_be_read_nothing_is_known() {
    let mut matcher = Matcher::new();
    let all = matcher.insert(Filter::all());
    let mut hits = Vec::new();
    // Nobody asks for a field, so nobody looks.
    assert!(matcher.matches_json(b"not JSON", |id| hits.push(id)));
    assert_eq!(std::mem::take(&mut hits), [all]);
    matcher.insert(filter(r#"{"a": [{"exists": false}]}"#));
    for payload in ["not JSON", "[1]", "1", "", r#"{"a": 1"#] {
        assert!(!matcher.matches_json(payload.as_bytes(), |id| hits.push(id)));
        assert_eq!(std::mem::take(&mut hits), [all], "{payload}");
    }
    assert_eq!(of_json(&mut matcher, "{}").len(), 2);
}

#[test]
fn attributes_stand_in_place_of_the_payload() {
    let mut matcher = Matcher::new();
    let one = matcher.insert(filter(r#"{"a": {"b": [1]}, "c": [{"exists": false}]}"#));
    let hits = |matcher: &mut Matcher, attributes: &Attributes| {
        sorted(|found| matcher.matches_attributes(attributes, |id| found.push(id)))
    };
    let attributes = Attributes::new().with("a.b", 1);
    assert_eq!(hits(&mut matcher, &attributes), [one]);
    assert_eq!(hits(&mut matcher, &attributes.with("c", "x")), []);
}

#[test]
fn a_hit_that_panics_leaves_the_matcher_whole() {
    let mut matcher = Matcher::new();
    let one = matcher.insert(filter(r#"{"a": [1]}"#));
    let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        matcher.matches_json(br#"{"a": 1}"#, |_| panic!("on purpose"));
    }));
    assert!(asked.is_err());
    assert_eq!(of_json(&mut matcher, r#"{"a": 1}"#), [one]);
    assert_eq!(of_json(&mut matcher, r#"{"a": 2}"#), []);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(String),
    /// The one at this place, of those that are there.
    Remove(prop::sample::Index),
    /// Scalars by path; several at one path stand in an array.
    Ask(BTreeMap<&'static str, Vec<Json>>),
    AskText(String),
}

const PATHS: [&str; 4] = ["a", "b", "o.x", "o.y"];

fn scalar() -> impl Strategy<Value = Json> {
    let scalars = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(1.5),
        json!(2),
        json!(u64::MAX),
        json!(u64::MAX - 1),
        json!("a"),
        json!("ab"),
        json!("b"),
        json!(""),
    ];
    prop::sample::select(scalars.to_vec())
}

fn test() -> impl Strategy<Value = Json> {
    prop_oneof![
        6 => scalar(),
        1 => Just(json!({"exists": false})),
        1 => Just(json!({"exists": true})),
        1 => Just(json!({"prefix": "a"})),
        1 => Just(json!({"suffix": "b"})),
        1 => Just(json!({"anything-but": [1, 2]})),
        1 => Just(json!({"numeric": [">=", 1]})),
        1 => Just(json!({"numeric": [">", 0, "<", 2]})),
    ]
}

fn pattern() -> impl Strategy<Value = Json> {
    let fields = || {
        btree_map(
            prop::sample::select(&PATHS[..]),
            vec(test(), 1..3).prop_map(Json::from),
            0..3,
        )
        .prop_map(|fields| json!(fields))
    };
    prop_oneof![
        6 => fields(),
        1 => (fields(), fields()).prop_map(|(one, other)| json!({"$or": [one, other]})),
        1 => fields().prop_map(|one| json!({"$not": one})),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let shown = btree_map(prop::sample::select(&PATHS[..]), vec(scalar(), 1..3), 0..4);
    let texts = [
        "nothing",
        "[]",
        "{}",
        r#"{"o": [{"x": 1}, {"y": 1}]}"#,
        r#"{"o": [{"x": 1, "y": "a"}, {"x": 2}], "a": 1, "a": "a"}"#,
        r#"{"o": {"x": [[1, "a"], 2]}, "b": {"x": 1}}"#,
    ];
    let step = prop_oneof![
        5 => pattern().prop_map(|pattern| Step::Insert(pattern.to_string())),
        3 => any::<prop::sample::Index>().prop_map(Step::Remove),
        4 => shown.prop_map(Step::Ask),
        1 => prop::sample::select(texts.map(String::from).to_vec()).prop_map(Step::AskText),
    ];
    vec(step, 0..120)
}

fn as_event(shown: &BTreeMap<&str, Vec<Json>>) -> String {
    let fields: BTreeMap<_, _> = shown
        .iter()
        .map(|(path, values)| match &values[..] {
            [one] => (path, one.clone()),
            more => (path, json!(more)),
        })
        .collect();
    json!(fields).to_string()
}

proptest! {
    #[test]
    fn agrees_with_every_filter_by_itself(steps in steps()) {
        let mut matcher = Matcher::new();
        let mut live: BTreeMap<MatchId, Filter> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Insert(text) => {
                    // Some of what is drawn is no filter: an empty alternative, say.
                    if let Ok(filter) = Filter::parse(&text) {
                        let id = matcher.insert(filter.clone());
                        prop_assert!(live.insert(id, filter).is_none(), "given twice");
                    }
                }
                Step::Remove(index) => {
                    if !live.is_empty() {
                        let id = *index.get(&live.keys().copied().collect::<Vec<_>>());
                        live.remove(&id);
                        prop_assert!(matcher.remove(id));
                        prop_assert!(!matcher.remove(id));
                    }
                }
                Step::Ask(shown) => {
                    let event = as_event(&shown);
                    let expected = by_themselves(&live, &event);
                    prop_assert_eq!(&of_json(&mut matcher, &event), &expected, "{}", event);
                    let paths: BTreeMap<_, _> = matcher
                        .paths()
                        .map(|path| (path.as_str().to_owned(), path.id()))
                        .collect();
                    let values: Vec<_> = shown
                        .iter()
                        .filter_map(|(path, values)| Some((*paths.get(*path)?, values)))
                        .flat_map(|(path, values)| values.iter().map(move |it| (path, owned(it))))
                        .collect();
                    prop_assert_eq!(&of_values(&mut matcher, &values), &expected, "{}", event);
                    let attributes: Attributes = shown
                        .iter()
                        .flat_map(|(path, values)| values.iter().map(move |it| (*path, owned(it))))
                        .collect();
                    let found = sorted(|found| {
                        matcher.matches_attributes(&attributes, |id| found.push(id));
                    });
                    prop_assert_eq!(&found, &expected, "{}", event);
                }
                Step::AskText(event) => {
                    let expected = by_themselves(&live, &event);
                    prop_assert_eq!(of_json(&mut matcher, &event), expected, "{}", event);
                }
            }
            let distinct: std::collections::HashSet<_> = live.values().collect();
            prop_assert_eq!(matcher.len(), live.len());
            prop_assert_eq!(matcher.distinct(), distinct.len());
        }
    }
}

fn by_themselves(live: &BTreeMap<MatchId, Filter>, event: &str) -> Vec<MatchId> {
    live.iter()
        .filter(|(_, filter)| filter.matches_json(event.as_bytes()).unwrap_or(false))
        .map(|(id, _)| *id)
        .collect()
}

fn owned(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::String(value) => value.as_str().into(),
        Json::Number(value) => match value.as_u64() {
            Some(whole) => whole.into(),
            None => Number::from_f64(value.as_f64().expect("a float"))
                .expect("a finite one")
                .into(),
        },
        other => panic!("{other} is no scalar"),
    }
}
