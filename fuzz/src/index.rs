//! The index of filters against evaluating each filter by itself, while filters come and go.
//!
//! An input is read as choices (see [`Choices`]): what to do next, and with which filter or event.

use std::collections::BTreeMap;

use distributary::Filter;
use distributary::fuzzing::IndexOfFilters;

use crate::choices::Choices;

/// How deep `$or`, `$and` and `$not` nest.
const DEPTH: usize = 2;

/// Checks one input.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut index = IndexOfFilters::new();
    let mut live: BTreeMap<usize, (String, Filter)> = BTreeMap::new();
    let mut next = 0;
    while !choices.is_empty() {
        match choices.below(8) {
            0..=3 => {
                let text = choices.pattern(DEPTH);
                let filter = Filter::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
                if live.values().all(|(_, known)| *known != filter) {
                    index.insert(next, filter.clone());
                    live.insert(next, (text, filter));
                    next += 1;
                }
            }
            4 if !live.is_empty() => {
                let place = choices.below(live.len());
                let number = *live.keys().nth(place).expect("a place below the length");
                live.remove(&number);
                index.remove(number);
            }
            _ => ask(&mut index, &live, &choices.event()),
        }
    }
    for number in live.into_keys() {
        index.remove(number);
    }
    assert_eq!(index.matches(b"{}"), (Vec::new(), true));
}

fn ask(index: &mut IndexOfFilters, live: &BTreeMap<usize, (String, Filter)>, event: &str) {
    let (found, readable) = index.matches(event.as_bytes());
    let admits = |filter: &Filter| match filter.matches_json(event.as_bytes()) {
        Ok(admits) => admits,
        Err(_) => {
            assert!(!readable, "unreadable to a filter only: {event}");
            false
        }
    };
    let expected: Vec<usize> = live
        .iter()
        .filter(|(_, (_, filter))| admits(filter))
        .map(|(number, _)| *number)
        .collect();
    let texts =
        |numbers: &[usize]| -> Vec<_> { numbers.iter().map(|number| &live[number].0).collect() };
    assert_eq!(texts(&found), texts(&expected), "on {event}");
}
