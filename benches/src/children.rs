//! Child processes: each row is measured in one of its own, so that no row finds the
//! heap as another has left it, and so is everything about memory.
//!
//! A child is this program again with `--row ROW` or `--case CASE`. It is killed when
//! it takes too long and when the one who waits for it gives up, and it ends by itself
//! when its parent is gone, which it notices by the end of its input.

use std::{
    env,
    io::{self, Read},
    process::{Child, Command, Stdio, exit},
    thread,
    time::{Duration, Instant},
};

use crate::{Outcome, rows};

/// No row takes longer than this on two cores.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Something that is measured in a process of its own.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) measure: fn() -> Outcome<Vec<f64>>,
}

/// A child that does not outlive its owner.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures a case in a process of its own. The answer is its figures.
pub(crate) fn measure(case: &str) -> Outcome<Vec<f64>> {
    let printed = run(&["--case", case])?;
    let figures = printed.split_whitespace().map(str::parse);
    Ok(figures.collect::<Result<_, _>>()?)
}

/// Runs this program with these arguments; the answer is what it printed.
pub(crate) fn run(arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = Guarded(command.spawn()?);
    let mut stdout = child.0.stdout.take().ok_or("the child has no output")?;
    // Read beside the waiting, for a pipe that is full would hold the child up.
    let reader = thread::spawn(move || {
        let mut printed = String::new();
        stdout.read_to_string(&mut printed).map(|_| printed)
    });
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        match child.0.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                return Err(format!("{arguments:?} took longer than {TIMEOUT:?}").into());
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let printed = reader
        .join()
        .map_err(|_| "reading from a child panicked")??;
    match status.success() {
        true => Ok(printed),
        false => Err(format!("{arguments:?} ended with {status}").into()),
    }
}

/// In a child: measures a case and prints its figures.
pub(crate) fn act(case: &str) -> Outcome<()> {
    let known = rows::cases().find(|known| known.name == case);
    let known = known.ok_or_else(|| format!("there is no case {case:?}"))?;
    end_with_parent();
    let figures: Vec<String> = (known.measure)()?.iter().map(f64::to_string).collect();
    println!("{}", figures.join(" "));
    Ok(())
}

/// Ends this process when the one that started it is gone.
pub(crate) fn end_with_parent() {
    thread::spawn(|| {
        // Nothing is ever sent: this returns when the other end is closed.
        let _ = io::stdin().read(&mut [0]);
        exit(1);
    });
}
