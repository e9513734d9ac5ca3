//! Starting a program, and waiting for its end in bounded time.

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
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
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

pub(crate) fn start(name: &str, arguments: &[&str]) -> Child {
    command(name, arguments).spawn().unwrap()
}

fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program(name));
    command.args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// As `start`, with a standard input to write to.
pub(crate) fn start_with_input(name: &str, arguments: &[&str]) -> Child {
    command(name, arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end, and ends what does not.
pub(crate) fn finish(mut child: Child) -> Outcome {
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
pub(crate) fn prints(name: &str, arguments: &[&str], expected: &[&str]) -> Outcome {
    let outcome = finish(start(name, arguments));
    let Outcome { code, out, err } = &outcome;
    assert_eq!(*code, Some(0), "{name} said:\n{out}\n{err}");
    for text in expected {
        assert!(out.contains(text), "{name} does not print {text:?}:\n{out}");
    }
    outcome
}
