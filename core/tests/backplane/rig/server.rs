//! One server: started, hurt, restarted on its port, ended.
//!
//! It is `redis-server`, or the program that [`PROGRAM`] names: any Redis or Valkey that the
//! backplane is to work with. What only some of them can do is asked of [`Release`].

use std::{
    env,
    io::{self, Write},
    process::Command,
    sync::{Mutex, MutexGuard, OnceLock},
    thread,
    time::{Duration, Instant},
};

use super::{Answer, Authority, Console, Folder, PATIENCE, Process, ports, until};

/// The environment variable that names another program than `redis-server`.
const PROGRAM: &str = "DISTRIBUTARY_TEST_SERVER";

/// What kind of server the tests start.
pub(crate) struct Release {
    program: String,
    valkey: bool,
    major: u32,
}

impl Release {
    /// That of this run; told once.
    pub(crate) fn tested() -> &'static Release {
        static TESTED: OnceLock<Release> = OnceLock::new();
        TESTED.get_or_init(|| {
            let program = env::var(PROGRAM).unwrap_or_else(|_| "redis-server".to_owned());
            let output = match Command::new(&program).arg("--version").output() {
                Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
                Err(error) => panic!(
                    "the tests of the backplane start {program}, and cannot ({error}): run core/tests/backplane/install.sh as root, or install it (apt-get install redis-server, brew install redis), or name another by {PROGRAM}"
                ),
            };
            let version = output.split_whitespace().find_map(|word| word.strip_prefix("v="));
            let major = version.and_then(|version| version.split('.').next()?.parse().ok());
            let major = major.unwrap_or_else(|| panic!("{program} --version says {output:?}"));
            // Not by println!, which a test that passes keeps to itself.
            writeln!(io::stderr(), "servers: {}", output.trim()).ok();
            Release {
                program,
                valkey: output.starts_with("Valkey"),
                major,
            }
        })
    }

    /// Whether it has sharded pub/sub: Redis since 7.0, every Valkey.
    pub(crate) fn shards(&self) -> bool {
        self.major >= 7
    }

    /// Whether it cuts a listener off over one event that is larger than it lets wait: not
    /// Valkey since 9, which sends large ones without a copy and does not count them.
    pub(crate) fn cuts_at_large_events(&self) -> bool {
        !(self.valkey && self.major >= 9)
    }

    /// Whether a slot can be handed on whole, with one command: Valkey since 9.0.
    pub(crate) fn hands_slots_on(&self) -> bool {
        self.valkey && self.major >= 9
    }
}

/// How a server is started. What is not said is the default of a server that keeps
/// nothing on disk.
#[derive(Default, Clone)]
pub(crate) struct Plan<'a> {
    settings: Vec<(String, String)>,
    users: Vec<String>,
    tls: Option<&'a Authority>,
    sentinel: Option<String>,
    cluster: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new() -> Self {
        Plan::default()
    }

    /// A setting as in redis.conf: `set("maxmemory", "20mb")`.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Follows another server, over TLS if that one has it.
    pub(crate) fn replica_of(self, master: &Server) -> Self {
        self.replica_of_port(master.announced())
    }

    /// Follows whatever is behind a port, such as a proxy.
    pub(crate) fn replica_of_port(self, port: u16) -> Self {
        self.set("replicaof", format!("127.0.0.1 {port}"))
            .set("repl-diskless-sync-delay", 0)
    }

    /// Takes in nobody but this user, in the words of an ACL file:
    /// `app on >secret ~* &* +@all`.
    pub(crate) fn user(mut self, rules: &str) -> Self {
        self.users.push(rules.to_owned());
        self
    }

    /// Speaks TLS on a port of its own, with a certificate of this authority for
    /// `localhost` and `127.0.0.1`; with masters, replicas, sentinels and other nodes too. The
    /// port without TLS is for the rig.
    pub(crate) fn tls(mut self, authority: &'a Authority) -> Self {
        self.tls = Some(authority);
        self
    }

    /// Is a node of a cluster, whose bus is [`BUS`](ports::BUS) above its port.
    pub(crate) fn cluster(mut self) -> Self {
        self.cluster = true;
        self.set("cluster-enabled", "yes")
    }

    /// Is a sentinel with these lines in its configuration.
    pub(crate) fn sentinel(mut self, lines: &str) -> Self {
        self.sentinel = Some(lines.to_owned());
        self
    }
}

/// A running server, or one that was killed and can be started again.
pub(crate) struct Server {
    port: u16,
    tls_port: Option<u16>,
    is_sentinel: bool,
    secured: bool,
    process: Mutex<Option<Process>>,
    console: Mutex<Option<Console>>,
    folder: Folder,
}

/// The file of its settings, in its folder.
const CONFIGURATION: &str = "server.conf";

/// The user of the rig's own connections, where there are users.
pub(crate) const RIG: [&str; 2] = ["rig", "rig"];

impl Server {
    /// With the settings of [`Plan::new`].
    pub(crate) fn start() -> Server {
        Server::planned(&Plan::new())
    }

    /// As planned, once it answers.
    pub(crate) fn planned(plan: &Plan<'_>) -> Server {
        let mut log = String::new();
        // Another process may take a port before the server does.
        for _ in 0..5 {
            let server = Server::prepared(plan);
            match server.try_begin() {
                Ok(()) => return server,
                Err(told) => log = told,
            }
        }
        panic!("{} does not start:\n{log}", Release::tested().program);
    }

    fn prepared(plan: &Plan<'_>) -> Server {
        let folder = Folder::new();
        let announced = match plan.cluster {
            true => ports::with_bus(),
            false => ports::another(),
        };
        let (port, tls_port) = match plan.tls {
            Some(_) => (ports::another(), Some(announced)),
            None => (announced, None),
        };
        let mut settings = vec![
            ("port", port.to_string()),
            ("bind", "127.0.0.1".to_owned()),
            ("dir", folder.path().display().to_string()),
        ];
        if plan.sentinel.is_none() {
            settings.extend([("save", "\"\"".to_owned()), ("appendonly", "no".to_owned())]);
        }
        if let (Some(authority), Some(tls_port)) = (plan.tls, tls_port) {
            let issued = authority.issue(&folder);
            settings.extend([
                ("tls-port", tls_port.to_string()),
                ("tls-cert-file", issued.certificate),
                ("tls-key-file", issued.key),
                ("tls-ca-cert-file", issued.authority),
                ("tls-auth-clients", "no".to_owned()),
                ("tls-replication", "yes".to_owned()),
            ]);
            if plan.cluster {
                settings.push(("tls-cluster", "yes".to_owned()));
            }
        }
        if !plan.users.is_empty() {
            let [name, password] = RIG;
            let mut text = format!("user default off\nuser {name} on >{password} ~* &* +@all\n");
            for user in &plan.users {
                // What channels a user has who is given none differs by version.
                let (name, rules) = user.split_once(' ').expect("a name and rules");
                text.push_str(&format!("user {name} resetchannels {rules}\n"));
            }
            settings.push(("aclfile", folder.write("users.acl", &text)));
        }
        let own = plan.settings.iter();
        settings.extend(own.map(|(name, value)| (name.as_str(), value.clone())));
        // In a file: what a command line may hold of several words differs by version.
        let mut text = plan.sentinel.clone().unwrap_or_default();
        for (name, value) in settings {
            text.push_str(&format!("{name} {value}\n"));
        }
        folder.write(CONFIGURATION, &text);
        Server {
            port,
            tls_port,
            is_sentinel: plan.sentinel.is_some(),
            secured: !plan.users.is_empty(),
            process: Mutex::new(None),
            console: Mutex::new(None),
            folder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The port that others are told: that of TLS, where there is one.
    pub(crate) fn announced(&self) -> u16 {
        self.tls_port.unwrap_or(self.port)
    }

    /// The URL of that port.
    pub(crate) fn announced_url(&self) -> String {
        match self.tls_port {
            Some(_) => self.tls_url(),
            None => self.url(),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// With a user and a password.
    pub(crate) fn url_of(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    #[track_caller]
    pub(crate) fn tls_url(&self) -> String {
        let port = self.tls_port.expect("a plan with tls");
        format!("rediss://localhost:{port}")
    }

    /// Its process.
    #[track_caller]
    pub(crate) fn id(&self) -> u32 {
        lock(&self.process).as_ref().expect("a running server").id()
    }

    /// Where it keeps its files.
    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What it has printed since it was started last.
    pub(crate) fn log(&self) -> String {
        lock(&self.process)
            .as_ref()
            .map_or(String::new(), Process::log)
    }

    /// A setting, as CONFIG GET has it.
    #[track_caller]
    pub(crate) fn setting(&self, name: &str) -> String {
        self.ask(&["CONFIG", "GET", name]).list()[1].text()
    }

    /// Whether it takes in users that are named alone.
    pub(super) fn is_secured(&self) -> bool {
        self.secured
    }

    /// Whether it was not killed.
    pub(crate) fn is_running(&self) -> bool {
        lock(&self.process).is_some()
    }

    /// Asks a command, given as words, on a connection of the rig.
    #[track_caller]
    pub(crate) fn ask(&self, command: &[&str]) -> Answer {
        match self.try_ask(command) {
            Ok(Answer::Error(error)) => panic!("{command:?}: {error}"),
            Ok(answer) => answer,
            Err(error) => panic!("{command:?} to port {}: {error}", self.port),
        }
    }

    /// The same, with what may go wrong.
    pub(crate) fn try_ask(&self, command: &[&str]) -> io::Result<Answer> {
        let mut console = lock(&self.console);
        if console.is_none() {
            *console = Some(self.console()?);
        }
        let Some(open) = console.as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let answer = open.ask(command);
        if answer.is_err() {
            *console = None;
        }
        answer
    }

    /// A connection for a test's own use.
    pub(crate) fn console(&self) -> io::Result<Console> {
        let mut console = Console::connect(self.port)?;
        if self.secured {
            console.ask(&["AUTH", RIG[0], RIG[1]])?;
        }
        Ok(console)
    }

    /// A value of INFO.
    #[track_caller]
    pub(crate) fn info(&self, section: &str, name: &str) -> String {
        let text = self.ask(&["INFO", section]).text();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found
            .unwrap_or_else(|| panic!("INFO {section} has no {name}:\n{text}"))
            .to_owned()
    }

    /// Connections it has taken since it was started.
    pub(crate) fn connections(&self) -> u64 {
        let text = self.info("stats", "total_connections_received");
        text.parse().expect("a number")
    }

    /// Ends all connections but the rig's; how many.
    pub(crate) fn kill_clients(&self) -> i64 {
        ["normal", "pubsub"]
            .map(|kind| self.ask(&["CLIENT", "KILL", "TYPE", kind]).int())
            .iter()
            .sum()
    }

    /// Ends the connections that have this name.
    pub(crate) fn kill_named(&self, name: &str) {
        let list = self.ask(&["CLIENT", "LIST"]).text();
        let name = format!("name={name}");
        let lines = list.lines();
        for line in lines.filter(|line| line.split(' ').any(|word| word == name)) {
            let id = line.split(' ').find_map(|word| word.strip_prefix("id="));
            let id = id.expect("each has an id");
            self.ask(&["CLIENT", "KILL", "ID", id]);
        }
    }

    /// How many connections listen to a channel.
    pub(crate) fn listeners(&self, channel: &str) -> i64 {
        self.ask(&["PUBSUB", "NUMSUB", channel]).list()[1].int()
    }

    /// Stops it where it is: connections stay up, nothing is answered.
    pub(crate) fn freeze(&self) {
        if let Some(process) = &*lock(&self.process) {
            process.freeze();
        }
    }

    pub(crate) fn thaw(&self) {
        if let Some(process) = &*lock(&self.process) {
            process.thaw();
        }
    }

    /// Ends it as a crash does. What it held is gone.
    pub(crate) fn kill(&self) {
        *lock(&self.console) = None;
        *lock(&self.process) = None;
    }

    /// Starts it again on its port, once it answers.
    #[track_caller]
    pub(crate) fn restart(&self) {
        self.kill();
        if let Err(log) = self.try_begin() {
            panic!("the server does not start again:\n{log}");
        }
    }

    /// Starts the process. An error is what it printed.
    fn try_begin(&self) -> Result<(), String> {
        let program = &Release::tested().program;
        let mut command = Command::new(program);
        command.arg(self.folder.file(CONFIGURATION));
        if self.is_sentinel {
            command.arg("--sentinel");
        }
        let started = Process::start(&mut command);
        let mut process = started.map_err(|error| error.to_string())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answered = self.console().and_then(|mut console| {
                let answer = console.ask(&["PING"])?;
                Ok((console, answer))
            });
            // LOADING and the like are not yet it; somebody else's server would be on the
            // port only if ours has ended.
            match answered {
                Ok((console, Answer::Text(pong))) if pong == "PONG" && !process.has_ended() => {
                    *lock(&self.console) = Some(console);
                    *lock(&self.process) = Some(process);
                    return Ok(());
                }
                _ if process.has_ended() || Instant::now() > deadline => return Err(process.log()),
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// Waits until a replica has all of its master.
    pub(crate) fn until_in_sync(&self) {
        until("the replica is in sync", || {
            self.info("replication", "master_link_status") == "up"
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
