//! Child processes: memory is measured in a process that did nothing else before.
//!
//! A child is this program again with `--child CASE`; it prints one number. It is
//! killed when it takes too long and when the one who waits for it gives up, and it
//! ends by itself when its parent is gone, which it notices by the end of its input.

use std::{
    env,
    io::{self, Read},
    process::{Child, Command, Stdio, exit},
    thread,
    time::{Duration, Instant},
};

use crate::{Outcome, rows};

/// No case takes longer than this on two cores.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Something that is measured in a process of its own.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) measure: fn() -> Outcome<f64>,
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

/// Measures a case in a process of its own.
pub(crate) fn measure(case: &str) -> Outcome<f64> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["--child", case]);
    let mut child = Guarded(
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        match child.0.try_wait()? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                return Err(format!("{case} took longer than {TIMEOUT:?}").into());
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut printed = String::new();
    if let Some(mut stdout) = child.0.stdout.take() {
        stdout.read_to_string(&mut printed)?;
    }
    match status.success() {
        true => Ok(printed.trim().parse()?),
        false => Err(format!("{case} ended with {status}").into()),
    }
}

/// What a child does.
pub(crate) fn act(case: &str) -> Outcome<()> {
    let known = rows::cases().find(|known| known.name == case);
    let known = known.ok_or_else(|| format!("there is no case {case:?}"))?;
    thread::spawn(|| {
        // Nothing is ever sent: this returns when the parent is gone.
        let _ = io::stdin().read(&mut [0]);
        exit(1);
    });
    println!("{}", (known.measure)()?);
    Ok(())
}
