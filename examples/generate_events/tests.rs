//! Keeps the committed file true to the generator, and both to the formats.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use super::mastodon::{TIDEWATCH_ID, TIDEWATCH_TOPIC};
use super::*;

mod schema;

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/data")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines()
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("line {}: {error}", at + 1))
        })
        .collect()
}

fn generated(seed: u64, count: usize) -> String {
    let mut out = Vec::new();
    write_lines(seed, count, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// All values at a dotted path, arrays being transparent.
fn values_at<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    if let Value::Array(items) = value {
        return items
            .iter()
            .flat_map(|item| values_at(item, path))
            .collect();
    }
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match value.get(first) {
        None => Vec::new(),
        Some(Value::Array(items)) if rest.is_empty() => items.iter().collect(),
        Some(found) if rest.is_empty() => vec![found],
        Some(found) => values_at(found, rest),
    }
}

#[test]
fn the_committed_file_is_what_the_generator_writes() {
    let (committed, fresh) = (data("events.jsonl"), generated(DEFAULT_SEED, DEFAULT_COUNT));
    for (at, (old, new)) in committed.lines().zip(fresh.lines()).enumerate() {
        assert_eq!(old, new, "line {}: run the generator again", at + 1);
    }
    assert_eq!(committed.len(), fresh.len(), "the number of lines differs");
}

#[test]
fn every_event_has_the_fields_of_its_format() {
    for (at, line) in parsed(&generated(DEFAULT_SEED, DEFAULT_COUNT))
        .iter()
        .enumerate()
    {
        schema::line(line).unwrap_or_else(|error| panic!("line {}: {error}\n{line}", at + 1));
    }
}

#[test]
fn other_seeds_give_other_events_that_are_as_valid() {
    for seed in [0, 2, u64::MAX] {
        let text = generated(seed, 400);
        assert_ne!(text, generated(DEFAULT_SEED, 400));
        for line in parsed(&text) {
            schema::line(&line).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{line}"));
        }
    }
}

#[test]
fn the_checks_refuse_what_is_not_the_format() {
    let lines = parsed(&generated(DEFAULT_SEED, 400));
    let status = lines
        .iter()
        .find(|line| line["topic"] == "timeline:public")
        .unwrap();
    let change = lines
        .iter()
        .find(|line| line["event"]["type"] == "edit")
        .unwrap();
    for (line, pointer, bad) in [
        (status, "/event/id", Value::from(7)),
        (status, "/event/account/followers_count", Value::from("7")),
        (status, "/event/created_at", Value::from("yesterday")),
        (change, "/event/bot", Value::Null),
        (change, "/event/revision/new", Value::from("7")),
        (change, "/event/meta/dt", Value::from("2025-03-04")),
    ] {
        let mut broken = line.clone();
        *broken.pointer_mut(pointer).unwrap() = bad;
        assert!(schema::line(&broken).is_err(), "{pointer} may not be so");
    }
    let mut extra = status.clone();
    extra["event"]["surprise"] = Value::Null;
    assert!(schema::line(&extra).is_err(), "an unknown field");
}

#[test]
fn sizes_and_skew_are_those_of_the_real_streams() {
    let text = data("events.jsonl");
    assert!(text.len() < 8_000_000, "{} bytes", text.len());
    let lines = parsed(&text);
    let (changes, posts): (Vec<_>, Vec<_>) = lines
        .iter()
        .partition(|line| line["event"]["$schema"].is_string());
    assert!(
        changes.len() > 900 && posts.len() > 900,
        "{} and {}",
        changes.len(),
        posts.len()
    );

    let share = |of: &dyn Fn(&Value) -> bool| {
        100 * changes.iter().filter(|line| of(&line["event"])).count() / changes.len()
    };
    assert!(
        (33..48).contains(&share(&|change| change["bot"] == true)),
        "bots"
    );
    let leading = ["wikidatawiki", "commonswiki", "enwiki"];
    let leads = share(&|change| leading.iter().any(|wiki| change["wiki"] == *wiki));
    assert!((65..80).contains(&leads), "leading wikis: {leads}");

    let median = |lines: &[&Value]| {
        let mut sizes: Vec<_> = lines
            .iter()
            .map(|line| line["event"].to_string().len())
            .collect();
        sizes.sort_unstable();
        sizes[sizes.len() / 2]
    };
    let statuses: Vec<_> = posts
        .iter()
        .copied()
        .filter(|line| line["event"]["visibility"].is_string())
        .collect();
    assert!(
        (1_000..1_600).contains(&median(&changes)),
        "changes: {}",
        median(&changes)
    );
    assert!(
        (2_000..6_000).contains(&median(&statuses)),
        "statuses: {}",
        median(&statuses)
    );
    let languages: HashSet<_> = statuses
        .iter()
        .filter_map(|line| line["event"]["language"].as_str())
        .collect();
    assert!(languages.len() >= 10, "{languages:?}");
}

#[test]
fn everybody_follows_tidewatch() {
    let lines = parsed(&data("events.jsonl"));
    let large: Vec<_> = lines
        .iter()
        .filter(|line| line["topic"] == TIDEWATCH_TOPIC)
        .collect();
    assert!(large.len() >= 5, "{} lines", large.len());
    let id = TIDEWATCH_ID.to_string();
    assert_eq!(TIDEWATCH_TOPIC, format!("timeline:account:{id}"));
    let posts = large
        .iter()
        .filter(|line| line["event"]["account"]["id"] == id.as_str());
    assert!(posts.clone().count() >= 5);
    assert!(
        posts
            .into_iter()
            .all(|line| line["event"]["account"]["username"] == "tidewatch")
    );
}

#[test]
fn an_account_is_the_same_wherever_it_appears() {
    let mut names: HashMap<String, String> = HashMap::new();
    for line in parsed(&data("events.jsonl")) {
        let account = &line["event"]["account"];
        if let (Some(id), Some(acct)) = (account["id"].as_str(), account["acct"].as_str()) {
            let known = names
                .entry(acct.to_owned())
                .or_insert_with(|| id.to_owned());
            assert_eq!(known, id, "two accounts are called {acct}");
        }
    }
}

#[test]
fn every_variable_of_a_filter_can_be_drawn() {
    fn variables<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$var").and_then(Value::as_str));
                map.values().for_each(|value| variables(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| variables(value, found)),
            _ => {}
        }
    }
    let events = parsed(&data("events.jsonl"));
    let templates = parsed(&data("filters.jsonl"));
    assert!(templates.len() >= 12);
    for template in &templates {
        let name = &template["name"];
        assert!(
            template["description"].is_string() && template["share"].is_u64(),
            "{name}"
        );
        let mut used = Vec::new();
        variables(&template["filter"], &mut used);
        let draw = template["draw"].as_object().unwrap();
        assert_eq!(
            used.iter().copied().collect::<HashSet<_>>(),
            draw.keys().map(String::as_str).collect(),
            "{name}"
        );
        for (variable, how) in draw {
            let path = how["path"].as_str().unwrap();
            let values = events
                .iter()
                .flat_map(|line| values_at(&line["event"], path));
            assert!(
                values.count() >= 50,
                "{name}: too few values for {variable:?} at {path}"
            );
        }
    }
}

#[test]
fn arguments() {
    let parse = |text: &str| Request::parse(text.split_whitespace().map(str::to_owned));
    assert_eq!(
        parse(""),
        Ok(Request::Generate {
            seed: 1,
            count: 2_400
        })
    );
    assert_eq!(
        parse("--count=3 --seed 9"),
        Ok(Request::Generate { seed: 9, count: 3 })
    );
    assert_eq!(parse("--help"), Ok(Request::Help));
    assert_eq!(
        parse("--sed 1"),
        Err(ArgumentError::Unknown("--sed".into()))
    );
    assert_eq!(
        parse("--seed"),
        Err(ArgumentError::NoValue("--seed".into()))
    );
    assert_eq!(parse("--seed -1"), Err(ArgumentError::Seed("-1".into())));
    for bad in ["0", "ten", "10000001"] {
        assert_eq!(
            parse(&format!("--count {bad}")),
            Err(ArgumentError::Count(bad.into()))
        );
    }
}

#[test]
fn days_are_civil_dates() {
    assert_eq!(clock::instant(0), "1970-01-01T00:00:00.000Z");
    assert_eq!(clock::instant(951_782_400_000), "2000-02-29T00:00:00.000Z");
    assert_eq!(
        clock::instant(1_735_689_599_999),
        "2024-12-31T23:59:59.999Z"
    );
    assert_eq!(clock::instant(clock::START_MS), "2025-03-04T08:00:00.000Z");
}
