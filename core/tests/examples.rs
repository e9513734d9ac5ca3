//! Runs the examples as people do: as programs of their own, by their exit codes and
//! by what they print.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longer than any example takes, on a slow machine and without optimization.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a program came to.
struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

/// `cargo test` builds the examples beside the directory of this very program.
fn program(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is not there: run `cargo test` without a choice of targets, or `cargo build --examples` before",
        path.display()
    );
    path
}

fn start(name: &str, arguments: &[&str]) -> Child {
    Command::new(program(name))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end, and ends what does not.
fn finish(mut child: Child) -> Outcome {
    // Both pipes are emptied all the time, so the program never waits for this one.
    let out = child.stdout.take().map(read);
    let err = child.stderr.take().map(read);
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("it still runs after {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let text = |pipe: Option<thread::JoinHandle<String>>| pipe.map(|pipe| pipe.join().unwrap());
    Outcome {
        code: status.code(),
        out: text(out).unwrap_or_default(),
        err: text(err).unwrap_or_default(),
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

/// Runs an example that must end well and print all of `expected`.
fn prints(name: &str, arguments: &[&str], expected: &[&str]) -> Outcome {
    let outcome = finish(start(name, arguments));
    let Outcome { code, out, err } = &outcome;
    assert_eq!(*code, Some(0), "{name} said:\n{out}\n{err}");
    for text in expected {
        assert!(out.contains(text), "{name} does not print {text:?}:\n{out}");
    }
    outcome
}

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
fn demo_measures_and_checks_itself() {
    let outcome = prints(
        "demo",
        &["--subscriptions", "2000", "--seed=3"],
        &[
            "  followers of one topic              2,000\n  on other topics                     400\n",
            "publish to the last sink",
            "p99.9",
            "until the lane did it, busy",
            "Share of connections hit by one event",
            "writes to closed sinks              0\n",
            "ok      nothing came after a disconnect",
            "ok      busy: 1,600 who stayed got all",
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
    let arguments = ["--subscriptions", "100", "--events", events.path()];
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
    let mut child = start("demo", &["--subscriptions", "50"]);
    drop(child.stdout.take());
    let Outcome { code, err, .. } = finish(child);
    assert_eq!(code, Some(0), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}
