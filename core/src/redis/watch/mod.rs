//! How a server is, seen from a hub that is connected to it: pure, over answers and time.
//!
//! | file | its job |
//! |---|---|
//! | `info` | what `INFO` and `CLIENT INFO` say, in types |
//! | `lag` | how late probes are |
//! | `rhythm` | when the next one goes out |
//! | `replication` | who follows, how closely, and the resync loop |
//! | `memory` | what is left, what was refused and thrown away |
//! | `buffers` | what waits to be sent to us |
//! | `verdict` | is it safe to switch to this one now? |
//!
//! A [`Watch`] puts them together for one server, and says whether it wants to look again;
//! [`health`] puts servers together for a hub. Looks go out with probes, a short one (`INFO
//! replication`, some 350 bytes) with every other of them on a quiet connection; every
//! fourth look is long, ten times as many bytes. As soon as something is odd each is long,
//! and goes with the next probe. Where hubs are many they share a thousand looks a second,
//! and eight long ones.
//!
//! The codes of reasons stand in `codes.md`, which is part of the public documentation.

mod buffers;
pub(crate) mod info;
pub(crate) mod lag;
mod memory;
mod replication;
mod rhythm;
mod verdict;

use std::time::{Duration, Instant};

pub(crate) use lag::LATE;
pub(crate) use rhythm::{EVERY, Rhythm};
pub use verdict::{Demands, Finding, Verdict};

use self::{
    info::{Info, Server},
    lag::Probes,
    memory::Room,
    replication::Followers,
};
use crate::backplane::{Condition, Counts, Health, Node, Output, Reason};

/// The stable words, as `codes.md` explains them.
pub(crate) mod code {
    pub(crate) const CONNECTING: &str = "connecting";
    pub(crate) const DISCONNECTED: &str = "disconnected";
    pub(crate) const PARTLY_DISCONNECTED: &str = "partly_disconnected";
    pub(crate) const SILENT: &str = "silent";
    pub(crate) const LATE: &str = "late";
    pub(crate) const JOINING: &str = "joining";
    pub(crate) const LOSING: &str = "losing";
    pub(crate) const FAULT: &str = "fault";
    pub(crate) const NOT_MASTER: &str = "not_master";
    pub(crate) const FAILOVER: &str = "failover";
    pub(crate) const RESYNC_LOOP: &str = "resync_loop";
    pub(crate) const REPLICA_BEHIND: &str = "replica_behind";
    pub(crate) const REPLICA_MUTE: &str = "replica_mute";
    pub(crate) const REPLICA_SYNCING: &str = "replica_syncing";
    pub(crate) const REPLICA_LOST: &str = "replica_lost";
    pub(crate) const MEMORY_HIGH: &str = "memory_high";
    pub(crate) const MEMORY_FULL: &str = "memory_full";
    pub(crate) const EVICTING: &str = "evicting";
    pub(crate) const OUTPUT_BUFFER: &str = "output_buffer";
    pub(crate) const INFO_DENIED: &str = "info_denied";

    // What the conductor says.
    pub(crate) const NO_THREAD: &str = "no_thread";
    pub(crate) const DENIED: &str = "denied";
    pub(crate) const REFUSED_NAMES: &str = "refused_names";
    pub(crate) const SENTINELS_SILENT: &str = "sentinels_silent";
    pub(crate) const SENTINELS_SPLIT: &str = "sentinels_split";
    pub(crate) const MASTER_UNKNOWN: &str = "master_unknown";
    pub(crate) const CLUSTER: &str = "cluster";
    pub(crate) const CLUSTER_NODE: &str = "cluster_node";
    pub(crate) const UNSHARDED: &str = "unsharded";
    pub(crate) const UNREAD: &str = "unread";
    pub(crate) const OVERSIZED: &str = "oversized";
    pub(crate) const UNSEARCHED: &str = "unsearched";
    pub(crate) const RULES_DIFFER: &str = "rules_differ";
}

/// Between two short looks at least, where hubs are few.
const SHORT: Duration = Duration::from_millis(1_250);

/// Between two at least, while something is odd.
const ODD: Duration = Duration::from_millis(500);

/// Between two, however many hubs there are.
const LONGEST: Duration = Duration::from_secs(10);

/// Looks that a fleet takes at one server, in a second.
const FLEET_RATE: u64 = 1_000;

/// Every so many looks is a long one, where hubs are few.
const LONG_EVERY: u64 = 4;

/// Where they are many, it is one more for so many of them.
const HUBS_A_LOOK: u64 = 12;

/// In any case it is one of so many, and one of these asks for the ages of the replicas'
/// connections.
const AGES_EVERY: u64 = 40;

/// Joining for so long is said.
const PATIENCE: Duration = Duration::from_secs(3);

/// For how long a loss or a fault is said.
const REMEMBERED: Duration = Duration::from_secs(10);

/// What is wrong, as it is gathered.
#[derive(Debug, Default)]
pub(crate) struct Reasons(Vec<Reason>);

impl Reasons {
    pub(crate) fn away(&mut self, code: &'static str, text: String) {
        self.push(code, Condition::Away, text);
    }

    pub(crate) fn degraded(&mut self, code: &'static str, text: String) {
        self.push(code, Condition::Degraded, text);
    }

    /// What does no harm yet, or only limits what can be known.
    pub(crate) fn note(&mut self, code: &'static str, text: String) {
        self.push(code, Condition::Ok, text);
    }

    fn push(&mut self, code: &'static str, condition: Condition, text: String) {
        self.0.push(Reason {
            code,
            condition,
            text,
        });
    }

    /// The worst first; otherwise as they were found.
    fn into_sorted(mut self) -> Vec<Reason> {
        self.0
            .sort_by_key(|reason| std::cmp::Reverse(reason.condition));
        self.0
    }

    #[cfg(test)]
    fn codes(&self) -> Vec<&'static str> {
        self.0.iter().map(|reason| reason.code).collect()
    }
}

/// Bytes for people.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// What a look asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// `INFO replication`.
    Short,
    /// The same, and `INFO stats`, `INFO memory`, `INFO errorstats`, `CLIENT INFO`.
    Long {
        /// And `INFO server`: it does not change while a connection stands.
        server: bool,
        /// And `CLIENT LIST TYPE replica`.
        ages: bool,
    },
}

/// One server, as this hub sees it.
#[derive(Debug)]
pub(crate) struct Watch {
    address: String,
    /// The way there and back.
    pub(crate) probes: Probes,
    state: State,
    server: Option<(Instant, Server)>,
    followers: Followers,
    room: Room,
    output: Option<Output>,
    denied: bool,
    looks: u64,
    next: Option<Instant>,
    /// From one look to the next at least, for the sake of the fleet.
    shared: Duration,
}

#[derive(Debug)]
enum State {
    Up {
        since: Instant,
    },
    /// Nothing was wrong before the first attempt has ended.
    Down {
        why: Option<String>,
    },
}

impl Watch {
    /// A server that is not connected to yet.
    pub(crate) fn new(address: impl Into<String>) -> Self {
        Watch {
            address: address.into(),
            probes: Probes::default(),
            state: State::Down { why: None },
            server: None,
            followers: Followers::default(),
            room: Room::default(),
            output: None,
            denied: false,
            looks: 0,
            next: None,
            shared: Duration::ZERO,
        }
    }

    /// There is a connection, and it works; said again, it goes on.
    pub(crate) fn up(&mut self, now: Instant) {
        if self.is_up() {
            return;
        }
        self.state = State::Up { since: now };
        self.looks = 0;
        self.next = Some(now);
    }

    /// There is none any more, or an attempt failed.
    pub(crate) fn down(&mut self, why: impl Into<String>, now: Instant) {
        if matches!(self.state, State::Up { .. }) {
            self.probes.broken(now);
            self.followers.broken();
            self.output = None;
            self.next = None;
        }
        let mut why = why.into();
        if why.trim().is_empty() {
            // A server may refuse without a word.
            why = "no reason was given".to_owned();
        }
        self.state = State::Down { why: Some(why) };
    }

    /// Takes the look that is due, if one is. `hubs` is how many share the server, `jitter`
    /// a random number from 0 to 1 that keeps them apart.
    pub(crate) fn look(&mut self, hubs: u64, jitter: f64, now: Instant) -> Option<Look> {
        self.next.take_if(|next| *next <= now)?;
        self.shared = Duration::from_millis(hubs.saturating_mul(1_000) / FLEET_RATE).min(LONGEST);
        let odd = self.is_odd(now);
        let pace = if odd { ODD } else { SHORT };
        let pause = pace.max(self.shared);
        self.next = Some(now + pause.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0)));
        let server = self.looks == 0;
        // Not in the first look: a fleet that comes back takes that all at once.
        let ages = self.looks % AGES_EVERY == 2;
        let long_every = (hubs / HUBS_A_LOOK).clamp(LONG_EVERY, AGES_EVERY);
        let look = if odd || ages || self.looks.is_multiple_of(long_every) {
            Look::Long { server, ages }
        } else {
            Look::Short
        };
        self.looks += 1;
        Some(look)
    }

    fn is_odd(&self, now: Instant) -> bool {
        let mut reasons = Reasons::default();
        self.room.reasons("", now, &mut reasons);
        self.followers.is_odd() || !reasons.0.is_empty()
    }

    /// What `INFO` answered, all sections of one look together. What is odd is looked at
    /// again soon.
    pub(crate) fn told<'a>(&mut self, answers: impl IntoIterator<Item = &'a str>, now: Instant) {
        let mut news = Info::default();
        for answer in answers {
            news.read(answer);
        }
        self.denied = false;
        if let Some(seen) = &news.replication {
            self.followers.look(seen, news.stats.as_ref(), now);
        }
        let evicted = news.stats.as_ref().map(|stats| stats.evicted);
        self.room
            .look(news.memory.as_ref(), evicted, news.rejected, now);
        if let Some(server) = news.server {
            self.server = Some((now, server));
        }
        if self.is_odd(now) {
            let soon = now + ODD.max(self.shared);
            self.next = self.next.map(|next| next.min(soon));
        }
    }

    /// The user may not ask.
    pub(crate) fn denied(&mut self) {
        self.denied = true;
    }

    /// What `CLIENT INFO` answered.
    pub(crate) fn own_connection(&mut self, answer: &str) {
        if let Some((waiting, total)) = info::own_output(answer) {
            self.output = Some(Output { waiting, total });
        }
    }

    /// What `CLIENT LIST TYPE replica` answered.
    pub(crate) fn ages(&mut self, answer: &str, now: Instant) {
        if let Some(age) = info::youngest(answer) {
            self.followers.youngest(age, now);
        }
    }

    /// It refused a write of ours for want of memory.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.room.refused(now);
    }

    fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    fn reasons(&self, now: Instant, reasons: &mut Reasons) {
        if !self.is_up() {
            return;
        }
        let address = &*self.address;
        match self.probes.waiting(now) {
            Some(age) if age >= lag::LATE => reasons.degraded(
                code::SILENT,
                format!(
                    "a probe to {address} has been under way for {} ms",
                    age.as_millis()
                ),
            ),
            _ if self.probes.late_lately(now) => reasons.degraded(
                code::LATE,
                format!("a probe to {address} came later than 900 ms"),
            ),
            _ => {}
        }
        self.followers.reasons(address, now, reasons);
        self.room.reasons(address, now, reasons);
        buffers::reasons(self.output, address, reasons);
        if self.denied {
            reasons.note(
                code::INFO_DENIED,
                format!("the user may not ask {address} for INFO: its replication and memory are not known. Allow +info, and +client|info"),
            );
        }
    }

    fn view(&self, now: Instant) -> Node {
        let server = self.server.as_ref();
        let uptime = server.map(|(at, server)| server.uptime + now.saturating_duration_since(*at));
        let observed = match self.state {
            State::Up { since } => now.saturating_duration_since(since),
            State::Down { .. } => Duration::ZERO,
        };
        Node {
            address: self.address.clone(),
            connected: self.is_up(),
            version: server.map(|(_, server)| server.version.clone()),
            uptime,
            replication: self.followers.view(uptime, now),
            memory: self.room.view(),
            output: self.output,
            observed,
        }
    }
}

/// What is counted and held for all servers together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tallies {
    pub(crate) counts: Counts,
    /// Probes and numbered events that came later than 900 ms.
    pub(crate) late: u64,
    pub(crate) queued_bytes: u64,
    pub(crate) joining: u64,
    /// Since when names have been waited for.
    pub(crate) joining_since: Option<Instant>,
    /// When something was last lost of a topic without a log.
    pub(crate) live_lost_at: Option<Instant>,
    /// And of one with a log.
    pub(crate) logged_lost_at: Option<Instant>,
    /// Panics of our own, and of what is called.
    pub(crate) faults: u64,
    /// When the last of them was seen.
    pub(crate) fault_at: Option<Instant>,
}

/// How it is while nothing is known of any server, but what is said.
pub(crate) fn unconnected(said: Vec<Reason>) -> Health {
    health([], &Tallies::default(), said, Instant::now())
}

/// How the whole is; `said` are reasons that are known elsewhere.
pub(crate) fn health<'a>(
    servers: impl IntoIterator<Item = &'a Watch>,
    tallies: &Tallies,
    said: Vec<Reason>,
    now: Instant,
) -> Health {
    let servers: Vec<&Watch> = servers.into_iter().collect();
    let mut reasons = Reasons(said);
    connections(&servers, &mut reasons);
    let passed = |at: Instant| now.saturating_duration_since(at);
    if tallies.joining > 0
        && let Some(since) = tallies.joining_since
        && passed(since) >= PATIENCE
        && servers.iter().any(|server| server.is_up())
    {
        let (names, seconds) = (tallies.joining, passed(since).as_secs());
        reasons.degraded(
            code::JOINING,
            format!("{names} names that are wanted are not heard yet, after {seconds} s"),
        );
    }
    let is_recent = |at: Option<Instant>| at.is_some_and(|at| passed(at) < REMEMBERED);
    let live = is_recent(tallies.live_lost_at);
    let logged = is_recent(tallies.logged_lost_at);
    if live || logged {
        let mut text = format!(
            "events were lost that cannot be repaired: {} stretches so far",
            tallies.counts.gaps
        );
        if live {
            text.push_str(". Replay mode would have repaired those of topics in live mode");
        }
        if logged {
            text.push_str(". Those of topics with a log are not in it: it had no room for so long a break, the server refused them and their publishers were told, or it was lost with what it had");
        }
        reasons.note(code::LOSING, text);
    }
    if tallies.fault_at.is_some_and(|at| passed(at) < REMEMBERED) {
        reasons.note(
            code::FAULT,
            format!(
                "something failed by a fault of the backplane or of what it calls, {} times so far, and may have cost an event each time: report what was printed",
                tallies.faults
            ),
        );
    }
    for server in &servers {
        server.reasons(now, &mut reasons);
    }
    let reasons = reasons.into_sorted();
    let mut lag = lag::figures(servers.iter().map(|server| &server.probes), now);
    lag.late = tallies.late;
    Health {
        condition: reasons
            .first()
            .map_or(Condition::Ok, |reason| reason.condition),
        reasons,
        lag,
        counts: tallies.counts,
        queued_bytes: tallies.queued_bytes,
        joining: tallies.joining,
        nodes: servers.iter().map(|server| server.view(now)).collect(),
        revision: 0,
    }
}

/// What is to be said of servers without a connection.
fn connections(servers: &[&Watch], reasons: &mut Reasons) {
    let mut failed = Vec::new();
    let mut down = 0;
    for server in servers {
        if let State::Down { why } = &server.state {
            down += 1;
            failed.extend(why.as_ref().map(|why| format!("{}: {why}", server.address)));
        }
    }
    let failed = failed.join("; ");
    if down < servers.len() {
        if !failed.is_empty() {
            reasons.degraded(code::PARTLY_DISCONNECTED, failed);
        }
    } else if failed.is_empty() {
        reasons.away(
            code::CONNECTING,
            "no connection has been made yet".to_owned(),
        );
    } else {
        reasons.away(
            code::DISCONNECTED,
            format!(
                "{}. Subscribers here are served by publishers here alone",
                failed.trim_end_matches('.')
            ),
        );
    }
}

#[cfg(test)]
mod tests;
