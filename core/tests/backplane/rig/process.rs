//! Child processes that do not outlive their test, and folders that do not either.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use super::until;

/// A child whose output is kept; killed and waited for when dropped.
pub(crate) struct Process {
    child: Child,
    input: Option<ChildStdin>,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts it with its output to us.
    pub(crate) fn start(command: &mut Command) -> std::io::Result<Self> {
        Process::run(command, Stdio::null())
    }

    /// The same, and it can be talked to.
    pub(crate) fn talk(command: &mut Command) -> std::io::Result<Self> {
        Process::run(command, Stdio::piped())
    }

    fn run(command: &mut Command, input: Stdio) -> std::io::Result<Self> {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Arc::new(Mutex::new(String::new()));
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as _),
            child.stderr.take().map(|err| Box::new(err) as _),
        ];
        for output in outputs.into_iter().flatten() {
            let log = Arc::clone(&log);
            // Ends with the child, whose output ends then.
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let mut log = log.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    log.push_str(&line);
                    log.push('\n');
                }
            });
        }
        let input = child.stdin.take();
        Ok(Process { child, input, log })
    }

    /// Writes a line to it.
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("one that can be talked to");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Has nothing more to say; whether it ends well then.
    pub(crate) fn hang_up(&mut self) -> bool {
        drop(self.input.take());
        until("the process has ended", || self.has_ended());
        self.child.wait().is_ok_and(|status| status.success())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub(crate) fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)) | Err(_))
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        // An error says that it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// Stops it where it is: its connections stay up and nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        let stat = format!("/proc/{}/stat", self.id());
        if Path::new(&stat).exists() {
            until("the process stands still", || {
                fs::read_to_string(&stat).is_ok_and(|text| text.contains(") T "))
            });
        }
    }

    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a process that is ours.
pub(crate) fn signal(id: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &id.to_string()])
        .stderr(Stdio::null())
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "kill -{name} {id}"
    );
}

/// An example of the crate, which `cargo build` puts beside the directory of this program.
pub(crate) fn example(name: &str) -> Command {
    let own = env::current_exe().expect("a path");
    let profile = own.parent().and_then(Path::parent).expect("a directory");
    let program = profile.join("examples").join(name);
    assert!(
        program.exists(),
        "{} is not there: run `cargo build -p distributary --examples --features redis` before",
        program.display()
    );
    Command::new(program)
}

/// A folder that is removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("distributary-backplane-{}-{count}", std::process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder for the server");
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file into it; its path as text.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        fs::write(&path, text).expect("a file in the server's folder");
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
