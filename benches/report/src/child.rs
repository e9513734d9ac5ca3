//! A process that is talked to in lines, and that does not outlive its owner.
//!
//! Servers have one core, those who measure or are compared have the other.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Child as Process, ChildStdin, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use crate::Outcome;

/// The core of servers.
pub const SERVER_CORE: &str = "0";

/// The core of everything else.
pub const CLIENT_CORE: &str = "1";

/// No line takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// One that runs, until it is dropped.
#[derive(Debug)]
pub struct Child {
    process: Process,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Child {
    /// This very program, with other arguments; on a core or anywhere.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn own(arguments: &[&str], core: Option<&str>) -> Outcome<Self> {
        Child::start(&own(arguments)?, core)
    }

    /// A program and its arguments, on a core or anywhere.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(words: &[OsString], core: Option<&str>) -> Outcome<Self> {
        // Ended by the system when this process is gone.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(core) = core {
            command.args(["taskset", "-c", core]);
        }
        command
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let name = words.first().map(|word| word.display().to_string());
        let started = command.spawn();
        let mut process = started.map_err(|error| format!("cannot start {name:?}: {error}"))?;
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

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Says a line.
    ///
    /// # Errors
    /// When nobody reads it.
    pub fn say(&mut self, line: &str) -> Outcome<()> {
        let input = self.input.as_mut().ok_or("a child without input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// The next line that it prints.
    ///
    /// # Errors
    /// When none comes.
    pub fn hear(&self) -> Outcome<String> {
        let line = self.lines.recv_timeout(PATIENCE);
        line.map_err(|gone| match gone {
            RecvTimeoutError::Timeout => format!("silent for {PATIENCE:?}").into(),
            RecvTimeoutError::Disconnected => "it has ended".into(),
        })
    }

    /// The number in the next line, which begins with this word; 0 if that is all.
    ///
    /// # Errors
    /// When none comes, or another one.
    pub fn hear_number(&self, word: &str) -> Outcome<u64> {
        let line = self.hear().map_err(|error| format!("{word}: {error}"))?;
        match line.strip_prefix(word).map(str::trim) {
            Some("") => Ok(0),
            Some(number) => Ok(number.parse()?),
            None => Err(format!("{line:?} instead of {word:?}").into()),
        }
    }

    /// Says a line; the answer begins with `ok` or is an error.
    ///
    /// # Errors
    /// That one, or that none comes.
    pub fn ask(&mut self, line: &str) -> Outcome<String> {
        self.say(line)?;
        let answer = self.hear().map_err(|error| format!("{line}: {error}"))?;
        match answer.strip_prefix("ok") {
            Some(figures) => Ok(figures.trim().to_owned()),
            None => Err(format!("{line}: {answer}").into()),
        }
    }

    /// As [`ask`](Self::ask); the answer is numbers.
    ///
    /// # Errors
    /// As there, or when it is not numbers.
    pub fn figures(&mut self, line: &str) -> Outcome<Vec<f64>> {
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

/// The words that start this very program with other arguments.
///
/// # Errors
/// When the system does not say where it is.
pub fn own(arguments: &[&str]) -> Outcome<Vec<OsString>> {
    let mut words: Vec<OsString> = vec![env::current_exe()?.into()];
    words.extend(arguments.iter().map(OsString::from));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Child {
        Child::start(&["sh", "-c", script].map(OsString::from), None).unwrap()
    }

    #[test]
    fn lines_go_and_come() {
        let mut child = shell("while read -r word rest; do echo \"$rest\"; done");
        assert_eq!(child.figures("say ok 1 2.5").unwrap(), [1.0, 2.5]);
        let error = child.ask("say error no").unwrap_err().to_string();
        assert_eq!(error, "say error no: error no");
        child.say("say heard 7").unwrap();
        assert_eq!(child.hear_number("heard").unwrap(), 7);
        child.say("say ready").unwrap();
        assert_eq!(child.hear_number("ready").unwrap(), 0);
        child.say("say other").unwrap();
        assert!(child.hear_number("ready").is_err());
        assert!(!child.has_ended());
    }

    #[test]
    fn the_end_of_a_child_is_an_error_at_once() {
        let child = shell("echo last");
        assert_eq!(child.hear().unwrap(), "last");
        assert_eq!(child.hear().unwrap_err().to_string(), "it has ended");
    }
}
