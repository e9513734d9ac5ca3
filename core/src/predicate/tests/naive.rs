//! Agreement with an evaluator that follows the words of the language over whole documents, and tries every choice of array
//! elements.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::Filter;
use crate::fields::{Fields, Path, Projection};

/// Which object is looked at in each array, by the place of the array in the document.
type Choice = BTreeMap<String, usize>;

/// An array with objects in it: place, path, number of objects.
type Array = (String, String, usize);

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Nested arrays are transparent.
fn flat(value: &Json) -> Vec<&Json> {
    match value {
        Json::Array(items) => items.iter().flat_map(flat).collect(),
        value => vec![value],
    }
}

fn arrays(object: &Json, path: &str, place: &str, out: &mut Vec<Array>) {
    for (key, value) in object.as_object().unwrap() {
        let (path, place) = (join(path, key), format!("{place}/{key}"));
        let objects: Vec<_> = flat(value)
            .into_iter()
            .filter(|item| item.is_object())
            .collect();
        if value.is_array() && !objects.is_empty() {
            out.push((place.clone(), path.clone(), objects.len()));
        }
        for (index, object) in objects.into_iter().enumerate() {
            let place = if value.is_array() {
                format!("{place}/{index}")
            } else {
                place.clone()
            };
            arrays(object, &path, &place, out);
        }
    }
}

/// The scalars at `wanted`, seen through a choice.
fn values<'e>(
    object: &'e Json,
    path: &str,
    place: &str,
    choice: &Choice,
    wanted: &str,
    out: &mut Vec<&'e Json>,
) {
    for (key, value) in object.as_object().unwrap() {
        let (path, place) = (join(path, key), format!("{place}/{key}"));
        let (objects, scalars): (Vec<_>, Vec<_>) =
            flat(value).into_iter().partition(|item| item.is_object());
        if path == wanted {
            out.extend(scalars);
        }
        match (value.is_array(), choice.get(&place)) {
            (true, Some(index)) => values(
                objects[*index],
                &path,
                &format!("{place}/{index}"),
                choice,
                wanted,
                out,
            ),
            (true, None) => assert!(objects.is_empty()),
            (false, _) => objects
                .iter()
                .for_each(|object| values(object, &path, &place, choice, wanted, out)),
        }
    }
}

fn holds(pattern: &Json, event: &Json) -> bool {
    let mut all = Vec::new();
    arrays(event, "", "", &mut all);
    some_choice(&all, &mut Choice::new(), &mut |choice| {
        check(pattern, "", event, &all, choice)
    })
}

/// Whether `test` holds of some choice for `open` arrays beside those already chosen.
fn some_choice(open: &[Array], choice: &mut Choice, test: &mut dyn FnMut(&Choice) -> bool) -> bool {
    let Some(((place, _, len), rest)) = open.split_first() else {
        return test(choice);
    };
    if choice.contains_key(place) {
        return some_choice(rest, choice, test);
    }
    let found = (0..*len).any(|index| {
        choice.insert(place.clone(), index);
        some_choice(rest, choice, test)
    });
    choice.remove(place);
    found
}

fn check(pattern: &Json, path: &str, event: &Json, all: &[Array], choice: &Choice) -> bool {
    pattern
        .as_object()
        .unwrap()
        .iter()
        .all(|(key, value)| match key.as_str() {
            "$or" => value
                .as_array()
                .unwrap()
                .iter()
                .any(|part| check(part, path, event, all, choice)),
            "$and" => value
                .as_array()
                .unwrap()
                .iter()
                .all(|part| check(part, path, event, all, choice)),
            "$not" => {
                let above = |array: &str| path == array || path.starts_with(&format!("{array}."));
                let kept = all.iter().filter(|(_, array, _)| above(array));
                let mut chosen = kept
                    .map(|(place, ..)| (place.clone(), choice[place]))
                    .collect();
                !some_choice(all, &mut chosen, &mut |choice| {
                    check(value, path, event, all, choice)
                })
            }
            key => {
                let path = join(path, key);
                match value {
                    Json::Object(_) => check(value, &path, event, all, choice),
                    Json::Array(alternatives) => {
                        let mut found = Vec::new();
                        values(event, "", "", choice, &path, &mut found);
                        alternatives
                            .iter()
                            .any(|alternative| leaf(alternative, &found))
                    }
                    _ => panic!("the generator writes lists"),
                }
            }
        })
}

fn equal(a: &Json, b: &Json) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

fn leaf(alternative: &Json, found: &[&Json]) -> bool {
    let Some((operator, operand)) = alternative
        .as_object()
        .and_then(|object| object.iter().next())
    else {
        return found.iter().any(|value| equal(value, alternative));
    };
    let strings = |value: &Json, test: &dyn Fn(&str, &str) -> bool| {
        let text = operand.as_str().unwrap();
        value.as_str().is_some_and(|value| test(value, text))
    };
    match operator.as_str() {
        "exists" => *operand == json!(!found.is_empty()),
        "prefix" => found
            .iter()
            .any(|value| strings(value, &|value, text| value.starts_with(text))),
        "suffix" => found
            .iter()
            .any(|value| strings(value, &|value, text| value.ends_with(text))),
        "equals-ignore-case" => found.iter().any(|value| {
            strings(value, &|value, text| {
                value.to_lowercase() == text.to_lowercase()
            })
        }),
        "anything-but" => found.iter().any(|value| match operand {
            Json::Array(others) => !others.iter().any(|other| equal(value, other)),
            Json::Object(_) => !leaf(operand, &[value]),
            other => !equal(value, other),
        }),
        "numeric" => found
            .iter()
            .filter_map(|value| value.as_f64())
            .any(|value| {
                operand.as_array().unwrap().chunks(2).all(|pair| {
                    let limit = pair[1].as_f64().unwrap();
                    match pair[0].as_str().unwrap() {
                        "=" => value == limit,
                        "<" => value < limit,
                        "<=" => value <= limit,
                        ">" => value > limit,
                        ">=" => value >= limit,
                        other => panic!("{other}"),
                    }
                })
            }),
        other => panic!("{other}"),
    }
}

fn scalar() -> impl Strategy<Value = Json> {
    prop::sample::select(vec![
        json!(1),
        json!(1.0),
        json!(2),
        json!(2.5),
        json!("x"),
        json!("X"),
        json!("xy"),
        json!(true),
        json!(null),
    ])
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a".to_owned(), "b".to_owned()])
}

fn object(
    value: impl Strategy<Value = Json>,
    len: std::ops::Range<usize>,
) -> impl Strategy<Value = Json> {
    vec((key(), value), len).prop_map(|entries| Json::Object(entries.into_iter().collect()))
}

/// Few keys, and arrays of objects at most of them.
fn event() -> impl Strategy<Value = Json> {
    let value = scalar().prop_recursive(4, 24, 3, |value| {
        prop_oneof![
            1 => scalar(),
            1 => vec(value.clone(), 0..4).prop_map(Json::Array),
            1 => object(value.clone(), 0..4),
            4 => vec(object(value, 0..4), 1..4).prop_map(Json::Array),
        ]
    });
    object(value, 1..4)
}

/// Arrays of scalars and objects together.
fn mixed() -> impl Strategy<Value = Json> {
    let item = prop_oneof![scalar(), object(scalar(), 1..3)];
    object(vec(item, 1..4).prop_map(Json::Array), 1..3)
}

fn alternative() -> impl Strategy<Value = Json> {
    let text = || prop::sample::select(vec!["x", "X", "y", "xy"]);
    prop_oneof![
        6 => scalar(),
        1 => text().prop_map(|text| json!({ "prefix": text })),
        1 => text().prop_map(|text| json!({ "suffix": text })),
        1 => text().prop_map(|text| json!({ "equals-ignore-case": text })),
        1 => scalar().prop_map(|value| json!({ "anything-but": value })),
        1 => Just(json!({ "anything-but": [1, 2.5] })),
        1 => text().prop_map(|text| json!({ "anything-but": { "prefix": text } })),
        3 => any::<bool>().prop_map(|exists| json!({ "exists": exists })),
        1 => prop::sample::select(vec!["<", "<=", "=", ">", ">="]).prop_map(|sign| json!({ "numeric": [sign, 2] })),
        1 => Just(json!({ "numeric": [">=", 1, "<", 2.5] })),
    ]
}

fn pattern() -> impl Strategy<Value = Json> {
    let fields = object(vec(alternative(), 1..3).prop_map(Json::Array), 1..3);
    fields.prop_recursive(4, 20, 3, |inner| {
        let with = |key: &'static str, value: BoxedStrategy<Json>| {
            (inner.clone(), value, any::<bool>()).prop_map(move |(mut rest, value, alone)| {
                if alone {
                    return json!({ key: value });
                }
                rest[key] = value;
                rest
            })
        };
        prop_oneof![
            4 => object(inner.clone(), 1..3),
            1 => with("$or", vec(inner.clone(), 2..4).prop_map(Json::Array).boxed()),
            1 => with("$and", vec(inner.clone(), 1..3).prop_map(Json::Array).boxed()),
            2 => with("$not", inner.clone().boxed()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn evaluation_agrees_with_every_choice_tried(pattern in pattern(), events in vec(event(), 1..4)) {
        let filter = Filter::try_from(&pattern).unwrap();
        for event in events {
            let mut all = Vec::new();
            arrays(&event, "", "", &mut all);
            if all.iter().map(|(.., len)| *len).product::<usize>() > 64 {
                continue;
            }
            let text = event.to_string();
            prop_assert_eq!(filter.matches_json(text.as_bytes()).unwrap(), holds(&pattern, &event), "{} {}", pattern, event);
        }
    }
    #[test]
    fn what_others_read_makes_no_difference(pattern in pattern(), events in vec(prop_oneof![event(), mixed()], 1..9)) {
        let filter = Filter::try_from(&pattern).unwrap();
        let others = ["a", "b", "a.a", "a.b", "b.a", "b.b", "a.a.b", "a.b.a", "b.a.a", "b.b.b"].map(Path::new);
        let both = Projection::new(filter.paths().chain(&others).cloned());
        for event in events.iter().map(Json::to_string) {
            let mut fields = Fields::new();
            both.from_json(event.as_bytes(), &mut fields).unwrap();
            let alone = filter.matches_json(event.as_bytes()).unwrap();
            prop_assert_eq!(filter.admits(&fields), alone, "{}: {}", pattern, event);
        }
    }
}
