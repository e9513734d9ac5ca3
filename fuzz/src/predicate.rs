//! The filter language: any text is a filter or a typed error, and what a filter admits follows its own algebra.
//!
//! An input is a line with a pattern, and behind it an event's payload.

use std::hash::{DefaultHasher, Hash, Hasher};

use distributary::{Filter, Template, Variables};

/// Checks one input.
pub fn run(input: &[u8]) {
    let end = input
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(input.len());
    let (pattern, payload) = input.split_at(end);
    let payload = payload.get(1..).unwrap_or_default();
    let text = String::from_utf8_lossy(pattern);
    let template = Template::parse(&text);
    let filter = match Filter::parse(&text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(
                !error.to_string().is_empty() && !error.expected().is_empty(),
                "{error:?}"
            );
            if let Ok(template) = template {
                bind_without_values(&template);
            }
            return;
        }
    };

    // Nor does it matter how and when it was compiled.
    let template =
        template.unwrap_or_else(|error| panic!("a filter and no template: {error}: {text}"));
    assert_eq!(template.variables(), Vec::<&str>::new(), "{text}");
    let bound = template.bind(&Variables::new());
    assert_eq!(bound.as_ref(), Ok(&filter), "{text}");
    let spaced = spaced(&text);
    if spaced.len() <= text.len() * 2 {
        if let Ok(again) = Filter::parse(&spaced) {
            assert_eq!(again, filter, "{text}");
            assert_eq!(hash(&again), hash(&filter), "{text}");
        } else {
            panic!("blanks make a difference: {spaced}");
        }
    }

    let Ok(admits) = filter.matches_json(payload) else {
        return;
    };
    for (wrapped, expected) in [
        (format!(r#"{{"$not": {text}}}"#), !admits),
        (format!(r#"{{"$not": {{"$not": {text}}}}}"#), admits),
        (format!(r#"{{"$and": [{text}]}}"#), admits),
        (format!(r#"{{"$and": [{text}, {text}]}}"#), admits),
        (format!(r#"{{"$or": [{text}, {text}]}}"#), admits),
        (format!(r#"{{"$or": [{text}, {{"$not": {text}}}]}}"#), true),
        (
            format!(r#"{{"$and": [{text}, {{"$not": {text}}}]}}"#),
            false,
        ),
    ] {
        // One level more may pass a limit; an empty pattern may not stand everywhere.
        let Ok(wrapper) = Filter::parse(&wrapped) else {
            continue;
        };
        // A payload that cannot be read admits nobody who asks for something.
        let Ok(verdict) = wrapper.matches_json(payload) else {
            continue;
        };
        assert_eq!(
            verdict,
            expected,
            "{wrapped} on {:?}",
            String::from_utf8_lossy(payload)
        );
    }
}

/// Every variable that has no value is an error, unless all are optional.
fn bind_without_values(template: &Template) {
    if let Err(error) = template.bind(&Variables::new()) {
        assert!(
            template.variables().contains(&error.variable()),
            "{error:?}"
        );
        assert!(!error.to_string().is_empty());
    }
}

/// `text` with a blank behind each mark outside of its strings.
fn spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len() * 2);
    let (mut in_string, mut escaped) = (false, false);
    for char in text.chars() {
        spaced.push(char);
        match char {
            _ if escaped => escaped = false,
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' | ':' | ',' if !in_string => spaced.push(' '),
            _ => {}
        }
    }
    spaced
}

fn hash(filter: &Filter) -> u64 {
    let mut hasher = DefaultHasher::new();
    filter.hash(&mut hasher);
    hasher.finish()
}
