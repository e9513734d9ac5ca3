//! A server with everything that is measured at it: its process on one core, its load
//! generator and its probe on the other.

use std::{
    ffi::OsString,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use distributary_bench_report::{
    child::{self, CLIENT_CORE, Child, SERVER_CORE},
    process::Process,
};

use super::kit::Kit;
use crate::{
    Outcome,
    control::Kind,
    wire::{ALL, PROBE, Protocol},
};

/// How long Redis may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
/// Handshakes at a time where they are not what is measured.
const IN_FLIGHT: usize = 64;

/// Those that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Distributary,
    Bare,
    Tungstenite,
    WsBuffer,
    WsMastodon,
    Uws,
    Redis,
}

impl Name {
    pub(crate) const ALL: [Name; 7] = [
        Name::Distributary,
        Name::Bare,
        Name::Tungstenite,
        Name::WsBuffer,
        Name::WsMastodon,
        Name::Uws,
        Name::Redis,
    ];

    /// As the report calls it.
    pub(crate) fn told(self) -> &'static str {
        match self {
            Name::Distributary => "distributary",
            Name::Bare => "bare `write()` loop",
            Name::Tungstenite => "tokio-tungstenite + broadcast",
            Name::WsBuffer => "Node `ws`, one Buffer",
            Name::WsMastodon => "Node `ws`, Mastodon's way",
            Name::Uws => "uWebSockets (socketify)",
            Name::Redis => "Redis PUBLISH",
        }
    }

    fn protocol(self) -> Protocol {
        match self {
            Name::Redis => Protocol::Resp,
            _ => Protocol::WebSocket,
        }
    }

    /// The command of the server; for Redis, with the port it is to listen on.
    fn command(self, kit: &Kit) -> Outcome<(Vec<OsString>, Option<u16>)> {
        let own = |name| child::own(&["--server", name]);
        let command = match self {
            Name::Distributary => own("distributary")?,
            Name::Bare => own("bare")?,
            Name::Tungstenite => own("tungstenite")?,
            Name::WsBuffer => kit.node("ws.js", "buffer")?,
            Name::WsMastodon => kit.node("ws.js", "mastodon")?,
            Name::Uws => kit.python("uws.py")?,
            Name::Redis => {
                let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
                let mut command = kit.redis()?;
                let settings = format!(
                    "--port {port} --bind 127.0.0.1 --daemonize no --logfile /dev/null \
                     --appendonly no --tcp-backlog 4096 --maxclients 30000 --timeout 0"
                );
                command.extend(settings.split_whitespace().map(OsString::from));
                command.extend(["--save".into(), "".into()]);
                // What waits for a subscriber has no limit, as in the other servers here.
                let limit = "--client-output-buffer-limit";
                command.extend([limit.into(), "pubsub 0 0 0".into()]);
                return Ok((command, Some(port)));
            }
        };
        Ok((command, None))
    }
}

/// One that runs.
pub(crate) struct Contender {
    pub(crate) name: Name,
    // Ended in this order.
    probe: Option<Child>,
    pub(crate) load: Child,
    server: Child,
    address: SocketAddr,
    /// Clients that are connected and receive.
    pub(crate) clients: usize,
}

impl Contender {
    pub(super) fn start(name: Name, kit: &Kit) -> Outcome<Self> {
        let (command, port) = name.command(kit)?;
        let server = Child::start(&command, Some(SERVER_CORE))?;
        let (port, control) = match port {
            Some(port) => (port, Kind::Resp),
            None => ready(&server.hear()?)?,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let started = Instant::now();
        while let Err(error) = TcpStream::connect(address) {
            if started.elapsed() > PATIENCE {
                return Err(format!("it does not listen: {error}").into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        let load = Child::start(
            &own("--load", name, address, Some(control))?,
            Some(CLIENT_CORE),
        )?;
        Ok(Contender {
            name,
            probe: None,
            load,
            server,
            address,
            clients: 0,
        })
    }

    /// Connects until there are so many.
    pub(crate) fn fill(&mut self, clients: usize) -> Outcome<()> {
        let missing = clients.saturating_sub(self.clients);
        if missing > 0 {
            self.load
                .ask(&format!("connect {missing} {IN_FLIGHT} {ALL}"))?;
            self.clients += missing;
        }
        Ok(())
    }

    /// The server's memory.
    pub(crate) fn memory(&self) -> Process {
        Process::with_id(self.server.id())
    }

    /// The probe, with one connection that pings; started when it is first asked for.
    pub(crate) fn probe(&mut self) -> Outcome<&mut Child> {
        if self.probe.is_none() {
            let mut command: Vec<OsString> = Vec::new();
            if is_real_time_allowed() {
                command.extend(["chrt", "-f", "50"].map(OsString::from));
            }
            command.extend(own("--probe", self.name, self.address, None)?);
            let mut probe = Child::start(&command, Some(CLIENT_CORE))?;
            probe.ask(&format!("open 1 {PROBE}"))?;
            self.probe = Some(probe);
        }
        self.probe.as_mut().ok_or_else(|| "no probe".into())
    }
}

/// Whether the probe may run at real-time priority.
pub(super) fn is_real_time_allowed() -> bool {
    let tried = Command::new("chrt").args(["-f", "50", "true"]).output();
    tried.is_ok_and(|tried| tried.status.success())
}

/// `ready PORT CONTROL`
fn ready(line: &str) -> Outcome<(u16, Kind)> {
    let words = line
        .strip_prefix("ready ")
        .and_then(|rest| rest.split_once(' '));
    let ready = words.and_then(|(port, control)| Some((port.parse().ok()?, Kind::parse(control)?)));
    ready.ok_or_else(|| format!("instead of being ready it says {line:?}").into())
}

fn own(
    mode: &str,
    name: Name,
    address: SocketAddr,
    control: Option<Kind>,
) -> Outcome<Vec<OsString>> {
    let address = address.to_string();
    let mut command = child::own(&[mode, name.protocol().name(), &address])?;
    command.extend(control.map(|control| control.to_string().into()));
    Ok(command)
}
