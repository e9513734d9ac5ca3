//! Reading events: the edges of JSON by hand, the rest against a walk over the whole document. Whatever the strict reader is
//! asked here, the one that skims has to answer alike if the text is JSON.

use std::borrow::Cow;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::json::Reader;
use super::{Attributes, Fields, Number, Path, Place, Projection, Value, ValueRef};

fn projection(paths: &[&str]) -> Projection {
    Projection::new(paths.iter().map(|path| Path::new(path)))
}

/// The values at each path, in the order of the event; none if the payload is refused.
fn read(paths: &[&str], payload: &str) -> Option<Vec<(String, String)>> {
    let mut fields = Fields::new();
    // Ids belong to paths only as long as something holds them.
    let projection = projection(paths);
    let result = projection.read(Reader::Strict, payload.as_bytes(), &mut fields);
    if serde_json::from_str::<&RawValue>(payload).is_ok() {
        for reader in [Reader::Skim, Reader::Any] {
            let mut again = Fields::new();
            let same = projection.read(reader, payload.as_bytes(), &mut again);
            assert_eq!(same, result, "{reader:?} {paths:?} {payload}");
            assert_eq!(
                format!("{again:?}"),
                format!("{fields:?}"),
                "{reader:?} {paths:?} {payload}"
            );
        }
    }
    result.ok()?;
    Some(shown(paths, &fields))
}

/// Whether the reader that skims takes it for an object.
fn skims(paths: &[&str], payload: &[u8]) -> bool {
    let mut fields = Fields::new();
    let result = projection(paths).read(Reader::Skim, payload, &mut fields);
    assert!(result.is_ok() || fields.leaves().is_empty());
    result.is_ok()
}

fn shown(paths: &[&str], fields: &Fields<'_>) -> Vec<(String, String)> {
    let paths: Vec<_> = paths.iter().map(|path| Path::new(path)).collect();
    let leaves = paths.iter().flat_map(|path| {
        fields
            .values(path.id())
            .iter()
            .map(move |leaf| (path, leaf))
    });
    leaves
        .map(|(path, leaf)| (path.to_string(), leaf.value.to_value().to_string()))
        .collect()
}

fn values(payload: &str) -> Vec<String> {
    let read = read(&["a", "a.b"], payload).unwrap_or_else(|| panic!("refused: {payload}"));
    read.into_iter()
        .map(|(path, value)| format!("{path}={value}"))
        .collect()
}

#[test]
fn arrays_repeated_keys_and_dots() {
    assert_eq!(
        values(r#"{"a": [1, [[2], "x"], {"b": 3}, [], {}]}"#),
        ["a=1", "a=2", "a=\"x\"", "a.b=3"]
    );
    assert_eq!(
        values(r#"{"a": 1, "b": 0, "a": {"b": 2}, "a": 3}"#),
        ["a=1", "a=3", "a.b=2"]
    );
    assert_eq!(
        values(r#"{"a.b": 1, "a": {"b": {"c": 2}}, "a.b.c": 3, ".a": 4, "a.": 5}"#),
        ["a.b=1"]
    );
    assert_eq!(
        values(r#"{"a": [{"b": [1, {"b": 2}]}, {"b": 3}]}"#),
        ["a.b=1", "a.b=3"]
    );
    assert_eq!(values(r#"{"\u0061": {"b": "\n\u00e9"}}"#), ["a.b=\"\\né\""]);
    assert_eq!(values("{}"), [""; 0]);
}

#[test]
fn numbers_keep_their_digits() {
    for text in [
        "9007199254740993",
        "-9223372036854775808",
        "18446744073709551615",
        "123456789012345678901234567890",
    ] {
        assert_eq!(
            values(&format!(r#"{{"a": {text}}}"#)),
            [format!("a={text}")]
        );
    }
    assert_eq!(
        values(r#"{"a": [1.0, 1e400, 0.1]}"#),
        ["a=1", "a=inf", "a=0.1"]
    );
}

#[test]
fn strings_are_borrowed_unless_escaped() {
    let mut fields = Fields::new();
    let projection = projection(&["a"]);
    projection
        .from_json(br#"{"a": ["plain", "esc\taped"]}"#, &mut fields)
        .unwrap();
    let borrowed: Vec<_> = fields
        .leaves()
        .iter()
        .map(|leaf| matches!(leaf.value, ValueRef::String(Cow::Borrowed(_))))
        .collect();
    assert_eq!(borrowed, [true, false]);
}

#[test]
fn what_is_no_json_object_is_refused_as_a_whole() {
    for payload in [
        "",
        " ",
        "1",
        "[]",
        "null",
        r#""a""#,
        "{",
        r#"{"a": 1"#,
        r#"{"a": 1,}"#,
        r#"{"a": 1} x"#,
        r#"{"a": 1}{}"#,
        r#"{"a": 01}"#,
        r#"{"a": 1, "z": nul}"#,
        r#"{"a": 1, "z": [1 2]}"#,
        r#"{"a": "\x"}"#,
        "{\"a\": \"\n\"}",
        r#"{a: 1}"#,
        r#"{"a": .5}"#,
    ] {
        assert_eq!(read(&["a", "a.b"], payload), None, "{payload}");
        assert_eq!(read(&["a.b"], payload), None, "{payload}");
    }
    let mut fields = Fields::new();
    let refused = projection(&["a"]).from_json(b"{\"a\": 1, \"z\": \"\xff\"}", &mut fields);
    assert!(refused.unwrap_err().to_string().contains("utf-8"));
    assert!(fields.leaves().is_empty());
}

#[test]
fn what_is_passed_over_is_not_checked_but_ends() {
    // Inside of a value that no path leads into.
    for odd in [
        "[1 2]",
        "[nul]",
        "{a}",
        r#"{"a" 1,}"#,
        "[}",
        r#""\x""#,
        "\"\n\"",
        r#"["\u12"]"#,
    ] {
        let payload = format!(r#"{{"a": 1, "z": {odd}}}"#);
        assert_eq!(read(&["a"], &payload), None, "{payload}");
        assert!(skims(&["a", "a.b"], payload.as_bytes()), "{payload}");
        assert!(!skims(&["a", "z", "z.a"], payload.as_bytes()), "{payload}");
    }
    assert!(skims(&["a"], b"{\"a\": 1, \"z\": \"\xff\"}"));
    assert!(!skims(&["z"], b"{\"a\": 1, \"z\": \"\xff\"}"));
    assert!(!skims(&["a"], b"{\"a\": 1, \"\xff\": 2}"));
    assert!(!skims(&["a"], b"{\"a\": 1, \"\n\": 2}"));
    // Everything around it.
    for payload in [
        "[]",
        r#"{"a": 1"#,
        r#"{"a": 1,}"#,
        r#"{"a": 1,, "z": 2}"#,
        r#"{"a": 1 "z": 2}"#,
        r#"{"a": 1} x"#,
        r#"{"a": 1}}"#,
        r#"{"z": [[1}"#,
        r#"{"z": [}]}"#,
        r#"{"z": "\"}"#,
        r#"{"z" 1}"#,
        r#"{z: 1}"#,
        r#"{"z": tru}"#,
        r#"{"z": truex}"#,
        r#"{"z": 01}"#,
        r#"{"z": 1.}"#,
        r#"{"z": -}"#,
        r#"{"z": 1e}"#,
        r#"{"z": }"#,
        r#"{"a": [[1]}"#,
    ] {
        for paths in [&["a"][..], &["a.b"], &["a", "a.b"], &[]] {
            assert!(!skims(paths, payload.as_bytes()), "{paths:?} {payload}");
        }
    }
    for array in ["[1 2]", "[1,]", "[,1]", "[[1}]"] {
        let payload = format!(r#"{{"a": {array}}}"#);
        assert!(!skims(&["a"], payload.as_bytes()), "{payload}");
        assert!(!skims(&["a.b"], payload.as_bytes()), "{payload}");
    }
    let whole = r#"{"a": 1, "y": {"a": [{}, "\"}"]}, "z": [[2], null], "b": {"c": -0.5e-7}}  "#;
    for end in 0..=whole.len() {
        let complete = whole[end..].trim().is_empty();
        assert_eq!(
            skims(&["a", "b.c"], &whole.as_bytes()[..end]),
            complete,
            "{end}"
        );
    }
}

#[test]
fn what_nobody_asks_for_does_not_have_to_be_representable() {
    for odd in [r#""\ud800""#, "1e999", &"[".repeat(200), r#"{"b": 9}"#] {
        let odd = format!("{odd}{}", "]".repeat(odd.matches('[').count()));
        assert_eq!(
            read(&["a.b"], &format!(r#"{{"z": {odd}, "a": {{"b": 1}}}}"#))
                .unwrap()
                .len(),
            1,
            "{odd}"
        );
        // On the way to what is asked for it may stand as well.
        assert!(
            !read(&["a.b"], &format!(r#"{{"a": {odd}, "a": {{"b": 1}}}}"#))
                .unwrap()
                .is_empty(),
            "{odd}"
        );
    }
    assert_eq!(read(&["a"], r#"{"a": "\ud800"}"#), None);
}

#[test]
fn nesting_is_followed_to_128_and_never_an_error() {
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    for depth in [127, 128, 129, 1_000] {
        let path = vec!["a"; depth].join(".");
        let expected = usize::from(depth <= 128);
        assert_eq!(
            read(&[&path], &objects(depth)).unwrap().len(),
            expected,
            "{depth}"
        );
        let arrays = format!(
            r#"{{"a": {}1{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        );
        assert_eq!(read(&["a"], &arrays).unwrap().len(), expected, "{depth}");
        assert_eq!(
            read(&["a", "a.b"], &arrays).unwrap().len(),
            expected,
            "{depth}"
        );
        let both = format!(
            r#"{{"a": {}{{"b":1}}{}}}"#,
            "[".repeat(depth - 2),
            "]".repeat(depth - 2)
        );
        assert_eq!(read(&["a.b"], &both).unwrap().len(), expected, "{depth}");
        assert_eq!(
            read(&["a", "a.b"], &both).unwrap().len(),
            expected,
            "{depth}"
        );
    }
}

#[test]
fn places_tell_elements_apart() {
    let mut fields = Fields::new();
    let projection = projection(&["u.n", "u.t.x", "k"]);
    projection
        .from_json(
            br#"{"k": 1, "u": [{"n": 1, "t": {"x": 2}}, {}, {"t": [{"x": 3}], "n": 4}]}"#,
            &mut fields,
        )
        .unwrap();
    let [array, name, deep] = ["u", "u.n", "u.t.x"].map(|path| Path::new(path).id());
    let elements: Vec<_> = fields.elements(array, Place::EVENT).collect();
    assert_eq!(elements.len(), 3);
    let count = |path, place| fields.values_in(path, place).len();
    assert_eq!(
        elements
            .iter()
            .map(|place| count(name, *place))
            .collect::<Vec<_>>(),
        [1, 0, 1]
    );
    assert_eq!(
        elements
            .iter()
            .map(|place| count(deep, *place))
            .collect::<Vec<_>>(),
        [1, 0, 0]
    );
    let inner: Vec<_> = fields
        .elements(Path::new("u.t").id(), elements[2])
        .collect();
    assert_eq!(
        inner
            .iter()
            .map(|place| count(deep, *place))
            .collect::<Vec<_>>(),
        [1]
    );
    assert!(fields.has_arrays() && fields.has_elements());
    assert_eq!(fields.paths().count(), 3);
}

#[test]
fn attributes_are_read_like_an_object() {
    let attributes = Attributes::new()
        .with("a", 1)
        .with("a.b", "x")
        .with("z", true)
        .with("a", 2);
    let paths = ["a", "a.b", "c"];
    let mut fields = Fields::new();
    let projection = projection(&paths);
    projection.from_attributes(&attributes, &mut fields);
    let expected = [("a", "1"), ("a", "2"), ("a.b", "\"x\"")]
        .map(|(path, value)| (path.to_owned(), value.to_owned()));
    assert_eq!(shown(&paths, &fields), expected);
    assert!(fields.has_arrays() && !fields.has_elements());
    fields.clear();
    assert!(fields.leaves().is_empty() && !fields.has_arrays());
}

#[test]
fn many_names_under_one_node() {
    let names: Vec<_> = (0..100).map(|i| format!("many.n{i}")).collect();
    let paths: Vec<_> = names.iter().map(String::as_str).collect();
    let payload = format!(
        r#"{{"many": {{{}}}}}"#,
        (0..200)
            .map(|i| format!(r#""n{i}": {i}"#))
            .collect::<Vec<_>>()
            .join(",")
    );
    let read = read(&paths, &payload).unwrap();
    assert_eq!(
        read.iter()
            .map(|(_, value)| value.parse().unwrap())
            .collect::<Vec<usize>>(),
        (0..100).collect::<Vec<_>>()
    );
    assert!(projection(&[]).is_empty() && !projection(&["a"]).is_empty());
}

fn document() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(Json::from),
        "[a-z\"\\\\/é\u{1F600}]{0,4}".prop_map(Json::from),
    ];
    let key = || prop::sample::select(vec!["a", "b", "c", "a.b", "b.a", "", "é"]);
    let object = move |value| {
        vec((key(), value), 0..5).prop_map(|entries| {
            entries
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect()
        })
    };
    let value = scalar.prop_recursive(5, 40, 4, move |value| {
        prop_oneof![
            vec(value.clone(), 0..4).prop_map(Json::Array),
            object(value)
        ]
    });
    vec((key(), value), 0..5).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v))
            .collect()
    })
}

fn walk(value: &Json, path: &str, out: &mut Vec<(String, String)>) {
    match value {
        Json::Object(entries) => {
            for (key, value) in entries {
                // At the root there is no path yet, which is not the path of an empty key.
                walk(
                    value,
                    &if path == "\0" {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    },
                    out,
                );
            }
        }
        Json::Array(items) => items.iter().for_each(|item| walk(item, path, out)),
        Json::Null => out.push((path.to_owned(), Value::Null.to_string())),
        Json::Bool(value) => out.push((path.to_owned(), value.to_string())),
        Json::Number(value) => out.push((
            path.to_owned(),
            Number::from_json(&value.to_string()).unwrap().to_string(),
        )),
        Json::String(value) => out.push((path.to_owned(), Value::from(value.as_str()).to_string())),
    }
}

/// The text of a value, written in all the ways there are: escapes, blanks, repeated and dotted keys, strings over many blocks.
fn text() -> impl Strategy<Value = String> {
    let blank = || prop::sample::select(vec!["", "", "", " ", "\n\t  "]);
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "id",
        " ",
        "é",
        "\u{1F600}",
        r"\\",
        r#"\""#,
        r"\n",
        r"\/",
        r"\u0061",
        r"\u00e9",
        r"\ud83d\ude00",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "x\u{7f}",
        "The quick brown fox jumps over",
        "\u{2028}",
        r#"\\\""#,
    ]);
    let long = (
        0..70_usize,
        prop::sample::select(vec![r"\\", "x", r#"\""#, "é"]),
    )
        .prop_map(|(count, piece)| piece.repeat(count));
    let string = prop_oneof![3 => vec(piece, 0..6).prop_map(|pieces| pieces.concat()), 1 => long]
        .prop_map(|inside| format!("\"{inside}\""));
    let scalar = prop_oneof![
        2 => prop::sample::select(vec!["null", "true", "false", "0", "-0", "1", "-12.50", "1e3", "2E-7", "1e400", "18446744073709551616", r#""\ud800""#])
            .prop_map(str::to_owned),
        2 => string,
    ];
    let key = || {
        prop::sample::select(vec![
            "a",
            "b",
            "c",
            "a.b",
            "b.a",
            "",
            "é",
            r"\u0061",
            r"a\u002eb",
            r"\u00e9",
            r"\\",
            r#"\""#,
            "a key that nobody asks for",
        ])
    };
    let object = move |value| {
        (
            vec((blank(), key(), blank(), blank(), value, blank()), 0..5),
            blank(),
        )
            .prop_map(|(entries, empty)| {
                let entries: Vec<_> = entries
                    .into_iter()
                    .map(|(a, key, b, c, value, d)| format!("{a}\"{key}\"{b}:{c}{value}{d}"))
                    .collect();
                format!(
                    "{{{}{}}}",
                    entries.join(","),
                    if entries.is_empty() { empty } else { "" }
                )
            })
    };
    let value = scalar.prop_recursive(5, 60, 5, move |value| {
        let array =
            (vec((blank(), value.clone(), blank()), 0..5), blank()).prop_map(|(items, empty)| {
                let items: Vec<_> = items
                    .into_iter()
                    .map(|(a, value, b)| format!("{a}{value}{b}"))
                    .collect();
                format!(
                    "[{}{}]",
                    items.join(","),
                    if items.is_empty() { empty } else { "" }
                )
            });
        prop_oneof![array, object(value)]
    });
    (blank(), object(value.boxed()), blank()).prop_map(|(a, object, b)| format!("{a}{object}{b}"))
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set("([abé]?\\.){0,2}[abcé]?", 0..6)
        .prop_map(|paths| paths.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn extraction_agrees_with_a_walk_over_the_document(
        document in document(),
        paths in prop::collection::btree_set("([abé]?\\.){0,2}[abc]?", 0..6),
        pretty in any::<bool>(),
    ) {
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let mut expected = Vec::new();
        walk(&document, "\0", &mut expected);
        expected.retain(|(path, _)| paths.contains(&path.as_str()));
        expected.sort();
        let mut found = read(&paths, &text).unwrap();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_damaged_payload_is_refused_like_a_strict_parser_does(document in document(), at in any::<prop::sample::Index>(), byte in "[\\[\\]{},:\"0-9 .a-z]", cut in any::<bool>()) {
        let mut text = document.to_string();
        let (at, _) = text.char_indices().nth(at.index(text.chars().count())).unwrap();
        if cut { text.remove(at); } else { text.insert_str(at, &byte); }
        let strict = serde_json::from_str::<Json>(&text).is_ok_and(|value| value.is_object());
        // Numbers beyond the floats are JSON all the same.
        prop_assume!(strict || !serde_json::from_str::<Json>(&text).is_err_and(|error| error.to_string().contains("out of range")));
        for paths in [&["a", "b.a", "c"][..], &["a.b.c", "c.a"], &[]] {
            prop_assert_eq!(read(paths, &text).is_some(), strict, "{}", text);
        }
    }

    #[test]
    fn both_readers_find_the_same_in_json(text in text(), paths in paths()) {
        prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        // Compares them. Refused is half of a surrogate pair where it is asked for, or in a key.
        prop_assert!(read(&paths, &text).is_some() || text.contains(r"\ud800"));
    }

    #[test]
    fn both_readers_take_a_damaged_payload(text in text(), paths in paths(), damage in vec((any::<prop::sample::Index>(), prop::option::of("[\\[\\]{},:\"0-9 .a-z\\\\]")), 1..4)) {
        let mut text = text;
        for (at, insert) in damage {
            let Some((at, _)) = text.char_indices().nth(at.index(text.chars().count())) else { break };
            match insert {
                Some(insert) => text.insert_str(at, &insert),
                None => drop(text.remove(at)),
            }
            if text.is_empty() { break; }
        }
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        // Compares them if it still is JSON.
        let strict = read(&paths, &text).is_some();
        prop_assert!(!strict || skims(&paths, text.as_bytes()));
    }
}
