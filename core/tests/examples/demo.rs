//! The demo: it checks itself, so that what is looked at here is what it says.

use std::path::PathBuf;

use crate::program::{Outcome, finish, prints, start};

/// Runs the demo with something it must refuse.
fn refuses(arguments: &[&str], expected: &[&str]) {
    let Outcome { code, out, err } = finish(start("demo", arguments));
    assert_eq!(code, Some(2), "{arguments:?} said:\n{err}");
    assert_eq!(out, "", "{arguments:?}");
    for text in expected {
        assert!(
            err.contains(text),
            "{arguments:?} does not say {text:?}:\n{err}"
        );
    }
}

/// A file of events that is gone after the test.
struct Events(PathBuf);

impl Events {
    fn new(name: &str, text: impl AsRef<[u8]>) -> Self {
        let name = format!("distributary-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Events(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn demo_measures_and_checks_itself() {
    let outcome = prints(
        "demo",
        &["--subscriptions", "2000", "--sockets", "200", "--seed=3"],
        &[
            "  followers of one topic              2,000\n  on other topics                     400\n",
            "publish to the last sink",
            "p99.9",
            "until the lane did it, busy",
            "Share of connections hit by one event",
            "writes to closed sinks              0\n",
            "ok      nothing came after a disconnect",
            "ok      busy: 1,600 who stayed got all",
            "  clients, in a second process        200 WebSockets\n",
            "an unrelated ping, during",
            "10 disconnects, each",
            "ok      sockets: 190 who stayed got all 30 posts, in order",
            "ok      sockets: 10 who left were noticed",
        ],
    );
    assert!(!outcome.out.contains("WRONG"), "{}", outcome.out);
    assert!(
        outcome.err.contains("400 left, 400 joined"),
        "{}",
        outcome.err
    );
    for line in outcome.out.lines() {
        assert!(line.chars().count() <= 100, "too wide: {line}");
    }
}

#[test]
fn demo_takes_events_of_others() {
    let bare = (0..50).map(|n| format!("{{\"user\": \"u{}\", \"bot\": false}}\n", n % 7));
    let events = Events::new("bare.jsonl", bare.collect::<String>());
    let arguments = [
        "--subscriptions",
        "100",
        "--sockets=20",
        "--events",
        events.path(),
    ];
    prints(
        "demo",
        &arguments,
        &[
            "50 events of",
            "  to                                  events, ",
        ],
    );
}

#[test]
fn demo_refuses_what_it_cannot_play() {
    refuses(
        &["--events", "/no/such/file.jsonl"],
        &["/no/such/file.jsonl: cannot be read"],
    );
    refuses(&["--events"], &["--events wants a value", "Usage: demo"]);
    refuses(&["--fast"], &["unknown argument \"--fast\"", "Usage: demo"]);
    refuses(
        &["--subscriptions", "9"],
        &["from 10 to 1000000, got \"9\""],
    );
    refuses(&["--sockets", "20001"], &["from 0 to 20000, got \"20001\""]);
    refuses(&["--seed", "x"], &["--seed wants a whole number"]);

    let broken = Events::new(
        "broken.jsonl",
        "{\"topic\": \"a\", \"event\": {}}\n\n{\"topic\": \n",
    );
    let place = format!("{}:3: not a JSON object", broken.path());
    refuses(&["--events", broken.path()], &[&place]);
    let binary = Events::new("binary.jsonl", b"{\"a\": \"\xff\"}\n");
    let place = format!("{}:1: not a JSON object", binary.path());
    refuses(&["--events", binary.path()], &[&place]);
    let empty = Events::new("empty.jsonl", "\n\n");
    refuses(&["--events", empty.path()], &["holds no events"]);
}

#[test]
fn demo_says_how_it_is_called() {
    prints("demo", &["--help"], &["Usage: demo", "--subscriptions N"]);
}

#[test]
fn demo_ends_well_when_nobody_reads_on() {
    let mut child = start("demo", &["--subscriptions", "50", "--sockets", "10"]);
    drop(child.stdout.take());
    let Outcome { code, err, .. } = finish(child);
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}
