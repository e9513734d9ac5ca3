//! A redis-server of the bench's own, on a core of its own.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use distributary_bench_report::{
    Outcome,
    child::{Child, SERVER_CORE},
    process::Process,
};

use crate::console::Console;

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    port: u16,
    process: Option<Child>,
    folder: PathBuf,
    limits: &'static [&'static str],
}

impl Server {
    /// What waits for a subscriber has no limit: none is to be cut off for being slow.
    pub(crate) fn start() -> Outcome<Self> {
        Server::with(&["--client-output-buffer-limit", "pubsub 0 0 0"])
    }

    /// Whoever is slow is cut off.
    pub(crate) fn as_shipped() -> Outcome<Self> {
        Server::with(&[])
    }

    fn with(limits: &'static [&'static str]) -> Outcome<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let name = format!("distributary-redis-bench-{}-{port}", std::process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        let mut server = Server {
            port,
            process: None,
            folder,
            limits,
        };
        server.restart()?;
        Ok(server)
    }

    /// Starts it, again if it was ended.
    pub(crate) fn restart(&mut self) -> Outcome<()> {
        let settings = format!(
            "redis-server --port {} --bind 127.0.0.1 --appendonly no --tcp-backlog 4096 --maxclients 20000 --logfile /dev/null",
            self.port
        );
        let mut words: Vec<_> = settings.split_whitespace().map(Into::into).collect();
        words.extend(["--save".into(), "".into(), "--dir".into()]);
        words.push(self.folder.clone().into_os_string());
        words.extend(self.limits.iter().map(Into::into));
        let mut process = Child::start(&words, Some(SERVER_CORE))?;
        let deadline = Instant::now() + PATIENCE;
        while Console::connect(self.port).is_err() {
            if process.has_ended() || Instant::now() > deadline {
                return Err("redis-server does not start: is it installed?".into());
            }
            thread::sleep(Duration::from_millis(2));
        }
        self.process = Some(process);
        Ok(())
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn console(&self) -> Outcome<Console> {
        Console::connect(self.port)
    }

    /// How long it has been on a processor, in nanoseconds.
    pub(crate) fn processor_time(&self) -> Outcome<u64> {
        let process = self.process.as_ref().ok_or("the server was ended")?;
        processor_time(process)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process = None;
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// How long a process has been on a processor, in nanoseconds.
pub(crate) fn processor_time(child: &Child) -> Outcome<u64> {
    let time = Process::with_id(child.id()).processor_time();
    time.ok_or_else(|| "this system does not say how long a process has run".into())
}

/// As it says itself.
pub(crate) fn version() -> Outcome<String> {
    let output = Command::new("redis-server").arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    let version = text
        .split("v=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    Ok(format!("redis {}", version.unwrap_or("?")))
}
