//! What the demo says while it works, on standard error: a line rewritten in place
//! on a terminal, plain lines now and then otherwise.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

pub(crate) struct Progress {
    terminal: bool,
    last: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Progress {
            terminal: io::stderr().is_terminal(),
            last: Instant::now(),
        }
    }

    /// Shows where the work stands, unless that was shown a moment ago.
    pub(crate) fn step(&mut self, text: impl FnOnce() -> String) {
        let pause = match self.terminal {
            true => Duration::from_millis(50),
            false => Duration::from_secs(1),
        };
        if self.last.elapsed() >= pause {
            self.last = Instant::now();
            self.write(&text(), !self.terminal);
        }
    }

    /// Shows what a piece of work came to, for good.
    pub(crate) fn done(&mut self, text: &str) {
        self.last = Instant::now();
        self.write(text, true);
    }

    fn write(&self, text: &str, stays: bool) {
        let (before, after) = match (self.terminal, stays) {
            (true, true) => ("\r\x1b[K", "\n"),
            (true, false) => ("\r\x1b[K", ""),
            (false, _) => ("", "\n"),
        };
        let mut err = io::stderr().lock();
        // Whoever closed standard error does not want to know.
        let _ = write!(err, "{before}{text}{after}");
        let _ = err.flush();
    }
}
