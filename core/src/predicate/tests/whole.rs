//! Templates, the builder, limits, sharing and size.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::{Filter, Parts, Template, Variables, field, var};

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn bound_and_written_filters_are_one() {
    let template = Template::parse(
        r#"{"a": {"b": [{"$var": "x"}]}, "c": [{"numeric": [">", {"$var": "y"}]}]}"#,
    )
    .unwrap();
    assert_eq!(template.variables(), ["x", "y"]);
    let bound = template
        .bind(&Variables::new().with("x", vec![2, 1]).with("y", 0.5))
        .unwrap();
    let written = filter(r#"{"c": [{"numeric": [">", 0.5]}], "a.b": [1, 2]}"#);
    assert_eq!(bound, written);
    assert!(Arc::ptr_eq(bound.shape(), written.shape()));
    assert_eq!(HashSet::from([bound, written]).len(), 1);
    assert_eq!(filter("{}"), Filter::all());
    assert_ne!(filter(r#"{"a": [1]}"#), Filter::all());
}

#[test]
fn an_absent_optional_variable_leaves_the_filter_without_its_field() {
    let template =
        Template::parse(r#"{"a": ["z", {"$var": "x", "optional": true}], "b": [1]}"#).unwrap();
    assert_eq!(
        template.bind(&Variables::new()).unwrap(),
        filter(r#"{"b": [1]}"#)
    );
}

#[test]
fn a_filter_of_one_integer_is_small() {
    // With the two counts of the Arc, and in a malloc that adds a word and rounds up to 16.
    let chunk = (size_of::<Parts>() + 2 * size_of::<usize>() + 8).next_multiple_of(16);
    assert!(chunk <= 96, "{chunk}");
    let template = Template::parse(r#"{"id": [{"$var": "id"}]}"#).unwrap();
    assert!(
        !template
            .bind(&Variables::new().with("id", 42))
            .unwrap()
            .0
            .slots
            .spilled()
    );
}

#[test]
fn builder_and_text_agree() {
    for (built, text) in [
        (
            field("total").gt(100) & field("region").eq("eu"),
            r#"{"total": [{"numeric": [">", 100]}], "region": ["eu"]}"#,
        ),
        (
            field("a").eq(1) | !field("b").exists(),
            r#"{"$or": [{"a": [1]}, {"$not": {"b": [{"exists": true}]}}]}"#,
        ),
        (
            field("a.b").one_of(["x", "y"]),
            r#"{"a": {"b": ["y", "x"]}}"#,
        ),
        (
            field("a").between(1, 2.5),
            r#"{"a": [{"numeric": [">=", 1, "<", 2.5]}]}"#,
        ),
        (
            field("a").none_of([1, 2]),
            r#"{"a": [{"anything-but": [1, 2]}]}"#,
        ),
        (
            field("a").cidr("10.0.0.0/8"),
            r#"{"a": [{"cidr": "10.0.0.0/8"}]}"#,
        ),
        (
            field("a").prefix_ignore_case("X"),
            r#"{"a": [{"prefix": {"equals-ignore-case": "x"}}]}"#,
        ),
        (
            field("a").missing() & field("b").eq(()),
            r#"{"a": [{"exists": false}], "b": [null]}"#,
        ),
        (
            field("a").ge(1) & field("a").le(2),
            r#"{"$and": [{"a": [{"numeric": [">=", 1]}]}, {"a": [{"numeric": ["<=", 2]}]}]}"#,
        ),
    ] {
        assert_eq!(built.compile().unwrap(), filter(text), "{text}");
    }
    let template = field("id").eq(var("id")).template().unwrap();
    assert_eq!(
        template.bind(&Variables::new().with("id", 42)).unwrap(),
        filter(r#"{"id": [42]}"#)
    );
}

#[test]
fn what_is_built_wrongly_is_told_at_the_end() {
    assert_eq!(
        (field("a").eq(1) & field("b").gt(f64::NAN))
            .compile()
            .unwrap_err()
            .at(),
        "b"
    );
    assert_eq!(
        field("a").gt("1").compile().unwrap_err().expected(),
        "a number"
    );
    assert_eq!(
        field("a").one_of::<i32>([]).compile().unwrap_err().found(),
        "no value"
    );
    assert_eq!(
        field("a").eq(var("x")).compile().unwrap_err().found(),
        "the variable \"x\""
    );
    assert!(
        field("a".to_owned() + &".a".repeat(32))
            .exists()
            .compile()
            .unwrap_err()
            .is_limit()
    );
}

#[test]
fn limits_are_errors_that_name_them() {
    let nested = |levels: usize| format!("{}[1]{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let dotted = |levels: usize| format!(r#"{{"a{}": 1}}"#, ".a".repeat(levels - 1));
    let negated = |levels: usize| {
        format!(
            r#"{}{{"a":1}}{}"#,
            r#"{"$not":"#.repeat(levels - 1),
            "}".repeat(levels - 1)
        )
    };
    let leaves = |count: usize| format!(r#"{{"a":[{}0]}}"#, "1,".repeat(count - 1));
    let branches = |count: usize| {
        format!(
            r#"{{"$or":[{}{{"b":1}}]}}"#,
            r#"{"a":2},"#.repeat(count - 1)
        )
    };
    let text = |len: usize| format!("{{{}}}", " ".repeat(len - 2));
    type Make<'m> = &'m dyn Fn(usize) -> String;
    let cases: [(Make<'_>, usize, &str); 6] = [
        (&nested, 32, "32 levels"),
        (&dotted, 32, "32 levels"),
        (&negated, 32, "32 levels"),
        (&leaves, 10_000, "10000 leaves"),
        (&branches, 1_000, "1000 conjunctions"),
        (&text, 64 * 1024, "65536 bytes"),
    ];
    for (make, most, name) in cases {
        filter(&make(most));
        let error = Filter::parse(&make(most + 1)).unwrap_err();
        assert!(
            error.is_limit() && error.expected().contains(name),
            "{name}: {error}"
        );
    }
    // Ten times ten times ten is what is left of three.
    let ten = format!(r#"{{"$or":[{}]}}"#, [r#"{"a":[1]}"#; 10].join(","));
    filter(&format!(r#"{{"$and":[{ten},{ten},{ten}]}}"#));
    let four = format!(r#"{{"$and":[{ten},{ten},{ten},{ten}]}}"#);
    assert!(Filter::parse(&four).unwrap_err().is_limit());
    assert!(
        Filter::parse(&format!(r#"{{"$not":{four}}}"#))
            .unwrap_err()
            .is_limit()
    );
}

#[test]
fn hostile_texts_end_quickly() {
    for text in [
        "[".repeat(60_000),
        r#"{"a":"#.repeat(12_000),
        r#"{"$or":["#.repeat(8_000),
        format!(r#"{{"a":{}1{}}}"#, "[".repeat(30_000), "]".repeat(30_000)),
    ] {
        assert!(Filter::parse(&text).is_err());
    }
    // Each array could be chosen from independently: a hundred to the power of eight, if one tried.
    let array = format!("[{}{{\"x\":2}}]", r#"{"x":1},"#.repeat(100));
    let fields: Vec<_> = (0..8).map(|i| format!(r#""f{i}":{array}"#)).collect();
    let wanted: Vec<_> = (0..8)
        .map(|i| {
            format!(
                r#""f{i}":{{"x":[{}],"y":[{{"exists":false}}]}}"#,
                if i == 7 { 3 } else { 1 }
            )
        })
        .collect();
    let event = format!("{{{}}}", fields.join(","));
    assert!(
        !filter(&format!("{{{}}}", wanted.join(",")))
            .matches_json(event.as_bytes())
            .unwrap()
    );
}

#[test]
fn negations_inside_of_choices_do_not_multiply() {
    let choices: Vec<_> = (3..7)
        .map(|i| format!(r#"{{"a":{{"x":[1,{i}]}}}}"#))
        .collect();
    let choices = choices.join(",");
    let nested = |levels: usize| {
        let innermost = r#"{"a":{"x":[7]}}"#.to_owned();
        (0..levels).fold(innermost, |inner, _| {
            format!(r#"{{"$or":[{choices}],"$not":{inner}}}"#)
        })
    };
    // The innermost does not hold, the choice always does, so each level turns the verdict.
    for levels in [24, 25] {
        let event = br#"{"a":[{"x":1},{"x":2}]}"#;
        assert_eq!(
            filter(&nested(levels)).matches_json(event).unwrap(),
            levels % 2 == 1
        );
    }
}

#[test]
fn filters_are_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Filter>();
    is_shared::<Template>();
}
