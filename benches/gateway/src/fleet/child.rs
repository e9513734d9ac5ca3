//! A process that is talked to in lines, and that does not outlive its owner.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child as Process, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use crate::Outcome;

/// No line takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Child {
    process: Process,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Child {
    pub(crate) fn start(mut command: Command) -> Outcome<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.spawn();
        let mut process = started.map_err(|error| format!("cannot start {name}: {error}"))?;
        let input = process.stdin.take();
        let output = process.stdout.take().ok_or("a child without output")?;
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Child {
            process,
            input,
            lines,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The next line that it prints.
    pub(crate) fn hear(&self) -> Outcome<String> {
        self.lines
            .recv_timeout(PATIENCE)
            .map_err(|gone| match gone {
                mpsc::RecvTimeoutError::Timeout => format!("silent for {PATIENCE:?}").into(),
                mpsc::RecvTimeoutError::Disconnected => "it has ended".into(),
            })
    }

    /// Says a line; the answer begins with `ok` or is an error.
    pub(crate) fn ask(&mut self, line: &str) -> Outcome<String> {
        let input = self.input.as_mut().ok_or("a child without input")?;
        writeln!(input, "{line}")?;
        let answer = self.hear().map_err(|error| format!("{line}: {error}"))?;
        match answer.strip_prefix("ok") {
            Some(figures) => Ok(figures.trim().to_owned()),
            None => Err(format!("{line}: {answer}").into()),
        }
    }

    /// As [`ask`](Self::ask); the answer is numbers.
    pub(crate) fn figures(&mut self, line: &str) -> Outcome<Vec<f64>> {
        let answer = self.ask(line)?;
        let figures = answer.split_whitespace().map(str::parse);
        Ok(figures.collect::<Result<_, _>>()?)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
