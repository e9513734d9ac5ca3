//! Runs every case of `testdata/predicates`, which the bindings run too.
//!
//! A line is one case. `pattern` (a text) with `event` and `match`; with `error`, the place where the pattern is wrong; with
//! `variables` (a text) and `event` or `bind_error`, the variable that cannot be bound; with `other` and `same`, two patterns that
//! are one filter or not.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use super::super::{Filter, Template, Variables};

#[test]
fn every_case_of_the_test_data() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/predicates");
    let mut count = 0;
    let mut failures = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        for (line, text) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            count += 1;
            if let Err(failure) = run(&serde_json::from_str(text).unwrap()) {
                failures.push(format!(
                    "{}:{}: {failure}\n  {text}",
                    file.display(),
                    line + 1
                ));
            }
        }
    }
    assert!(count > 100, "only {count} cases");
    assert!(
        failures.is_empty(),
        "{} of {count} cases failed\n{}",
        failures.len(),
        failures.join("\n")
    );
}

fn run(case: &Json) -> Result<(), String> {
    let text = |key: &str| case[key].as_str().unwrap_or_else(|| panic!("no {key}"));
    let pattern = text("pattern");
    if !case["error"].is_null() {
        let error = Filter::parse(pattern).err().ok_or("is valid")?;
        return expect(error.at(), text("error")).map_err(|it| format!("{it} ({error})"));
    }
    if !case["other"].is_null() {
        let [a, b] = [pattern, text("other")].map(|text| Filter::parse(text).unwrap());
        return expect(a == b, case["same"] == true);
    }
    let filter = if case["variables"].is_null() {
        Filter::parse(pattern).map_err(|error| error.to_string())?
    } else {
        let template = Template::parse(pattern).map_err(|error| error.to_string())?;
        let values: Json = serde_json::from_str(text("variables")).unwrap();
        let bound = template.bind(&Variables::from(values.as_object().unwrap()));
        if !case["bind_error"].is_null() {
            return expect(
                bound.err().ok_or("is bound")?.variable(),
                text("bind_error"),
            );
        }
        bound.map_err(|error| error.to_string())?
    };
    // What is no JSON matches only what asks for nothing.
    expect(
        filter
            .matches_json(text("event").as_bytes())
            .unwrap_or(false),
        case["match"] == true,
    )
}

fn expect<T: PartialEq + std::fmt::Debug>(found: T, expected: T) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{found:?} instead of {expected:?}"))
    }
}
