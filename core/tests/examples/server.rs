//! A server example that runs on a port of its own until the test is over.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use crate::program::{self, Outcome};

/// How long a server may take to say something.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    child: Option<Child>,
    lines: Receiver<String>,
    pub(crate) address: String,
}

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = program::start(name, arguments);
        let out = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        // Reads on when nobody asks any more, so that the server never waits.
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut server = Server {
            child: Some(child),
            lines,
            address: String::new(),
        };
        let line = server.says("listening on ");
        let address = line.trim_start_matches("listening on ");
        let end = address.find([',', ' ']).unwrap_or(address.len());
        server.address = address[..end].to_owned();
        server
    }

    /// The next line with this text in it.
    pub(crate) fn says(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("it never said {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends it as a service manager does.
    pub(crate) fn terminate(mut self) -> Outcome {
        let child = self.child.take().unwrap();
        let kill = format!("kill -TERM {}", child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(sent.success());
        program::finish(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
