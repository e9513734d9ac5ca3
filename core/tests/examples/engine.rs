//! The examples of the engine: they print and end.

use std::io::Write;

use crate::program::{Outcome, finish, prints, start, start_with_input};

#[test]
fn first_subscription() {
    prints(
        "first_subscription",
        &[],
        &[
            "published to weather    reached 0 of 2",
            "audit <- notices    closing at ten",
            "kitchen got 2 events, audit 4",
        ],
    );
}

#[test]
fn filters() {
    prints(
        "filters",
        &[],
        &[
            "ann watches 7    equality of doc and kind",
            "not by guests    scanned",
            "bob watches 7-9",
            "4 filters indexed, 1 scanned, 1 event that was no JSON",
            "at size[0].numeric[1]: found \"9\", expected a number",
        ],
    );
}

#[test]
fn slow_consumers() {
    prints(
        "slow_consumers",
        &[],
        &[
            "read at once:   B1 C2 A3 B4 C5 A6 B7 C8 A9 B10",
            "DropOldest      [missed 6] B7 C8 A9 B10",
            "DropNewest      B1 C2 A3 B4 [missed 6]",
            "Disconnect      [closed: the subscriber did not keep up with its budget]",
            "KeepLatest      C8 A9 B10",
        ],
    );
}

#[test]
fn resume() {
    let out = prints("resume", &[], &["are no longer held", "of another epoch"]).out;
    let (before, after) = out.split_once("it comes back").unwrap();
    assert!(before.contains("hello") && before.contains("who is there?"));
    let (resumed, _) = after.split_once("another one").unwrap();
    let words: Vec<_> = resumed
        .lines()
        .filter_map(|line| line.split_once("  "))
        .collect();
    let said: Vec<_> = words
        .iter()
        .filter_map(|(_, line)| Some(line.split_once("  ")?.1))
        .collect();
    assert_eq!(said, ["me", "and me", "me too", "welcome back"]);
}

#[test]
fn filter_answers_line_by_line() {
    let mut child = start_with_input("filter", &[]);
    let lines = [
        r#"{"patterns": ["{\"a\": [1]}"], "event": "{\"a\": 1}"}"#,
        r#"{"patterns": ["{\"a\": [1]}"], "event": "{\"a\": 2}"}"#,
        r#"{"patterns": ["{\"a\": [1]}"], "event": null}"#,
        r#"{"patterns": ["{\"a\": [1]}"]}"#,
        "",
        "7",
    ];
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(input);
    let Outcome { code, out, err } = finish(child);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let answers: Vec<&str> = out.lines().collect();
    assert_eq!(
        answers[..3],
        [
            r#"{"match":true}"#,
            r#"{"match":false}"#,
            r#"{"match":true}"#
        ]
    );
    assert!(answers[3].contains(r#"the line has no \"event\""#), "{out}");
    assert!(answers[4].contains("error"), "{out}");
    assert_eq!(answers.len(), 5);
}

#[test]
fn filter_says_how_it_is_called() {
    prints("filter", &["--help"], &["Usage: filter", "\"patterns\""]);
    let Outcome { code, out, err } = finish(start("filter", &["-x"]));
    assert_eq!((code, &*out), (Some(2), ""));
    assert!(err.contains("unknown argument \"-x\"") && err.contains("Usage: filter"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    for name in [
        "first_subscription",
        "filters",
        "slow_consumers",
        "resume",
        "filter",
    ] {
        let mut child = start_with_input(name, &[]);
        drop(child.stdout.take());
        let mut input = child.stdin.take().unwrap();
        // Whoever has ended already does not read it.
        let _ = input.write_all(b"{\"patterns\": [], \"event\": null}\n");
        drop(input);
        let Outcome { code, err, .. } = finish(child);
        assert_eq!((code, &*err), (Some(0), ""), "{name}");
    }
}
