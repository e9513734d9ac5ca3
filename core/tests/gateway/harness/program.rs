//! Other programs, run to their end or ended.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a program came to.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    /// All it wrote, to wherever.
    pub(crate) text: String,
}

/// A process that is ended when nobody waits for it any more.
pub(crate) struct Ends(pub(crate) Child);

impl Drop for Ends {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program, calling `meanwhile` all the time. One that does not end in time is
/// ended, and did not succeed.
#[track_caller]
pub(crate) fn finish(
    mut program: Command,
    patience: Duration,
    mut meanwhile: impl FnMut(),
) -> Outcome {
    let name = format!("{program:?}");
    program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match program.spawn() {
        Ok(child) => Ends(child),
        Err(error) => panic!("{name} cannot be started: {error}; run `make clients`"),
    };
    // Both pipes are emptied all the time, so the program never waits for this one.
    let out = child.0.stdout.take().map(read);
    let err = child.0.stderr.take().map(read);
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        meanwhile();
        thread::sleep(Duration::from_millis(2));
    };
    drop(child);
    let mut text = [out, err]
        .into_iter()
        .flatten()
        .map(|reader| reader.join().unwrap())
        .collect::<String>();
    match status {
        Some(status) => text += &format!("\n{name}: {status}"),
        None => text += &format!("\n{name} did not end within {patience:?}"),
    }
    Outcome {
        success: status.is_some_and(|status| status.success()),
        text,
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before the pipe broke is still worth to be seen.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
