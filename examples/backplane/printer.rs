//! Standard output on a thread of its own: whoever has something to say appends it.
//!
//! What waits is bounded. When nobody reads it, those who say something wait; deliveries
//! then wait in the hub, which drops them by its policy and says so.

use std::{
    fmt::Display,
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use distributary::Event;
use serde_json::{Value, json};

/// Bytes that may wait.
const ROOM: usize = 32 << 20;
/// Lines of so long go out together.
const GATHER: Duration = Duration::from_millis(1);

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Printer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Bytes are being written right now.
    writing: bool,
    /// Nobody reads any more.
    broken: bool,
}

impl Printer {
    pub(crate) fn start() -> io::Result<Self> {
        let printer = Printer(Arc::default());
        let shared = Arc::clone(&printer.0);
        let builder = thread::Builder::new().name("printer".into());
        builder.spawn(move || shared.write(io::stdout()))?;
        Ok(printer)
    }

    /// A message.
    pub(crate) fn message(&self, event: &Event) {
        let (channel, payload) = (event.topic().as_str(), event.payload());
        let fits = !channel.contains(char::is_whitespace)
            && !payload.iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        if !fits {
            let payload = String::from_utf8_lossy(payload);
            return self.json(&json!({"ev": "message", "channel": channel, "payload": payload}));
        }
        self.say(|out| {
            for part in [b"M ", channel.as_bytes(), b" ", payload, b"\n"] {
                out.extend_from_slice(part);
            }
        });
    }

    /// The answer to a line, with more fields or none.
    pub(crate) fn done(&self, id: &Value, mut fields: Value) {
        fields["re"] = id.clone();
        fields["ok"] = json!(true);
        self.json(&fields);
    }

    /// The answer to a line that came to nothing.
    pub(crate) fn failed(&self, id: &Value, error: impl Display) {
        self.json(&json!({"re": id, "ok": false, "error": error.to_string()}));
    }

    /// Any line.
    pub(crate) fn json(&self, line: &Value) {
        self.say(|out| out.extend_from_slice(format!("{line}\n").as_bytes()));
    }

    fn say(&self, append: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        while state.waiting.len() >= ROOM && !state.broken {
            state = wait(&self.0.emptied, state);
        }
        if state.broken {
            return;
        }
        append(&mut state.waiting);
        drop(state);
        self.0.filled.notify_one();
    }

    /// Waits until all of it is written, at most so long.
    pub(crate) fn finish(&self, most: Duration) {
        let deadline = Instant::now() + most;
        let mut state = self.0.lock();
        while (state.writing || !state.waiting.is_empty()) && !state.broken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.emptied.wait_timeout(state, left);
            state = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Ends when nobody reads, and with the process.
    fn write(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.lock();
            state.writing = false;
            self.emptied.notify_all();
            while state.waiting.is_empty() {
                state = wait(&self.filled, state);
            }
            state.writing = true;
            std::mem::swap(&mut state.waiting, &mut lines);
            drop(state);
            self.emptied.notify_all();
            if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
                self.lock().broken = true;
                self.emptied.notify_all();
                return;
            }
            lines.clear();
            thread::sleep(GATHER);
        }
    }
}

fn wait<'a>(on: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    on.wait(state)
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
