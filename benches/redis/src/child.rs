//! A process that is talked to in lines, and that does not outlive its owner.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Child as Process, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use distributary_bench_report::Outcome;

/// No line takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Child {
    process: Process,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

impl Child {
    /// This very program, in another role.
    pub(crate) fn own(arguments: &[&str], core: Option<&str>) -> Outcome<Self> {
        let mut words: Vec<OsString> = vec![env::current_exe()?.into()];
        words.extend(arguments.iter().map(OsString::from));
        Child::start(&words, core)
    }

    /// A program and its arguments, on a core or anywhere.
    pub(crate) fn start(words: &[OsString], core: Option<&str>) -> Outcome<Self> {
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

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Says a line.
    pub(crate) fn say(&mut self, line: &str) -> Outcome<()> {
        let input = self.input.as_mut().ok_or("a child without input")?;
        Ok(writeln!(input, "{line}")?)
    }

    /// The number in the next line, which begins with this word.
    pub(crate) fn hear(&self, word: &str) -> Outcome<u64> {
        let line = self
            .lines
            .recv_timeout(PATIENCE)
            .map_err(|_| format!("no {word:?} within {PATIENCE:?}"))?;
        match line.strip_prefix(word).map(str::trim) {
            Some("") => Ok(0),
            Some(number) => Ok(number.parse()?),
            None => Err(format!("{line:?} instead of {word:?}").into()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Fails when it has ended already, which is as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
