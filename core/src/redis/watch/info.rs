//! What `INFO` and `CLIENT INFO` say, read into types.
//!
//! Servers from 6.2 on differ in what they tell: fields come and go, replicas have got a
//! type, Valkey has its own version beside the one it claims. So nothing is required, and
//! nothing unknown is an error: a part is there when the field is that makes it, and
//! answers to several questions add up to one [`Info`].

use std::{collections::HashMap, time::Duration};

/// What is known of a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Info {
    pub(crate) server: Option<Server>,
    pub(crate) replication: Option<Seen>,
    pub(crate) memory: Option<Held>,
    pub(crate) stats: Option<Stats>,
    /// Writes refused for want of memory, from the section on errors.
    pub(crate) rejected: Option<u64>,
}

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Server {
    /// Such as `redis 7.0.15` or `valkey 8.0.1`.
    pub(crate) version: String,
    pub(crate) uptime: Duration,
}

/// Replication as one server sees it at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) master: bool,
    pub(crate) lineage: String,
    pub(crate) offset: u64,
    /// A planned hand-over is under way.
    pub(crate) handing_over: bool,
    /// Those that follow it, each once.
    pub(crate) seats: Vec<Seat>,
    /// Of a replica: it hears its master.
    pub(crate) link_up: bool,
    /// Of a replica: it is being sent a copy.
    pub(crate) copying: bool,
}

/// A follower.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seat {
    pub(crate) address: String,
    pub(crate) online: bool,
    /// What it has confirmed.
    pub(crate) offset: u64,
    /// Since its last confirmation.
    pub(crate) silent: Duration,
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Held {
    pub(crate) used: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) policy: String,
}

/// What has been counted since the server started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Stats {
    pub(crate) full_syncs: u64,
    /// Replicas that went on where they were.
    pub(crate) resumes: u64,
    /// Replicas that knew this history, and could not go on where they were.
    pub(crate) failed_resumes: u64,
    pub(crate) evicted: u64,
}

impl Info {
    /// Adds what one answer says.
    pub(crate) fn read(&mut self, answer: &str) {
        let fields = Fields::of(answer);
        if let Some(server) = Server::of(&fields) {
            self.server = Some(server);
        }
        if let Some(seen) = Seen::of(&fields) {
            self.replication = Some(seen);
        }
        if let Some(held) = Held::of(&fields) {
            self.memory = Some(held);
        }
        if let Some(stats) = Stats::of(&fields) {
            self.stats = Some(stats);
        }
        // Servers name an error once it has happened; before, the heading stands alone.
        if answer.contains("# Errorstats") {
            let count = |text: &str| field(text, "count").and_then(|n| n.parse().ok());
            self.rejected = Some(fields.text("errorstat_OOM").and_then(count).unwrap_or(0));
        }
    }
}

/// What `CLIENT INFO` says of a connection's own buffers: bytes that wait to be sent to
/// it, and what it takes in all.
pub(crate) fn own_output(answer: &str) -> Option<(u64, u64)> {
    let number = |name| word(answer, name)?.parse().ok();
    Some((number("omem")?, number("tot-mem")?))
}

/// The age of the youngest connection that a `CLIENT LIST` names.
pub(crate) fn youngest(answer: &str) -> Option<Duration> {
    let ages = answer.lines().filter_map(|line| word(line, "age"));
    let seconds = ages.filter_map(|age| age.parse().ok());
    seconds.min().map(Duration::from_secs)
}

/// A value among `name=value` divided by blanks.
fn word<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_ascii_whitespace().find_map(|word| {
        let (key, value) = word.split_once('=')?;
        (key == name).then_some(value)
    })
}

/// A value among `name=value` divided by commas.
fn field<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    list.split(',').find_map(|entry| {
        let (key, value) = entry.split_once('=')?;
        (key == name).then_some(value)
    })
}

/// The lines of an answer.
struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(answer: &'a str) -> Self {
        let lines = answer.lines().filter(|line| !line.starts_with('#'));
        Fields(lines.filter_map(|line| line.split_once(':')).collect())
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    fn owned(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

impl Server {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        let claimed = fields.text("redis_version")?;
        // Valkey claims the last version of Redis that it is compatible with.
        let version = match fields.text("valkey_version") {
            Some(own) => format!("valkey {own}"),
            None => format!("redis {claimed}"),
        };
        Some(Server {
            version,
            uptime: Duration::from_secs(fields.number("uptime_in_seconds").unwrap_or(0)),
        })
    }
}

impl Seen {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        let master = fields.text("role")? == "master";
        let over = fields.text("master_failover_state");
        let seats = (0..)
            .map_while(|i| fields.text(&format!("slave{i}")))
            .filter_map(Seat::of);
        let mut seen = Seen {
            master,
            lineage: fields.owned("master_replid"),
            offset: fields.number("master_repl_offset").unwrap_or(0),
            handing_over: over.is_some_and(|state| state != "no-failover"),
            seats: Vec::new(),
            link_up: fields.text("master_link_status") == Some("up"),
            copying: fields.text("master_sync_in_progress") == Some("1"),
        };
        for seat in seats {
            seen.seat(seat);
        }
        Some(seen)
    }

    /// A replica that takes its copy on a connection of its own stands there twice, and
    /// one that came back before its old connection was given up, too: it is online when
    /// neither says otherwise.
    fn seat(&mut self, new: Seat) {
        match self.seats.iter_mut().find(|s| s.address == new.address) {
            None => self.seats.push(new),
            Some(old) => {
                old.online &= new.online;
                old.offset = old.offset.max(new.offset);
                old.silent = old.silent.min(new.silent);
            }
        }
    }
}

impl Seat {
    fn of(list: &str) -> Option<Self> {
        let (ip, port) = (field(list, "ip")?, field(list, "port")?);
        let address = if ip.contains(':') {
            format!("[{ip}]:{port}")
        } else {
            format!("{ip}:{port}")
        };
        let number = |name| field(list, name).and_then(|n| n.parse().ok());
        Some(Seat {
            address,
            online: field(list, "state") == Some("online"),
            offset: number("offset").unwrap_or(0),
            silent: Duration::from_secs(number("lag").unwrap_or(0)),
        })
    }
}

impl Held {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        Some(Held {
            used: fields.number("used_memory")?,
            limit: fields.number("maxmemory").filter(|limit| *limit > 0),
            policy: fields.owned("maxmemory_policy"),
        })
    }
}

impl Stats {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        Some(Stats {
            full_syncs: fields.number("sync_full")?,
            resumes: fields.number("sync_partial_ok").unwrap_or(0),
            failed_resumes: fields.number("sync_partial_err").unwrap_or(0),
            evicted: fields.number("evicted_keys").unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! told {
        ($name:literal) => {{
            let mut info = Info::default();
            info.read(include_str!(concat!(
                "../../../testdata/redis/info/",
                $name
            )));
            info
        }};
    }

    #[test]
    fn every_version_tells_what_it_is_and_holds() {
        for (info, version, evicted, rejected) in [
            (told!("redis-6.2-master.txt"), "redis 6.2.14", 0, 1),
            (told!("redis-7.0-master.txt"), "redis 7.0.15", 0, 1),
            (told!("redis-8.0-master.txt"), "redis 8.0.2", 17, 0),
            (told!("valkey-8.0-master.txt"), "valkey 8.0.1", 0, 0),
        ] {
            let server = info.server.unwrap();
            assert_eq!(server.version, version);
            assert!(server.uptime > Duration::ZERO, "{version}");
            assert!(info.memory.unwrap().used > 900_000, "{version}");
            assert_eq!(info.stats.unwrap().evicted, evicted, "{version}");
            assert_eq!(info.rejected, Some(rejected), "{version}");
            let seen = info.replication.unwrap();
            assert!(seen.master && seen.lineage.len() == 40, "{version}");
        }
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let limit = |info: Info| info.memory.unwrap().limit;
        assert_eq!(limit(told!("redis-7.0-master.txt")), None);
        assert_eq!(limit(told!("redis-6.2-master.txt")), Some(100 << 20));
    }

    #[test]
    fn replicas_are_online_only_when_they_say_so() {
        let online = |info: Info| {
            let seats = info.replication.unwrap().seats.into_iter();
            seats.map(|s| (s.address, s.online)).collect::<Vec<_>>()
        };
        let of = |list: &[(&str, bool)]| {
            let list = list.iter().map(|(a, o)| ((*a).to_owned(), *o));
            list.collect::<Vec<_>>()
        };
        assert_eq!(
            online(told!("redis-6.2-master.txt")),
            of(&[("127.0.0.1:27821", true)])
        );
        assert_eq!(
            online(told!("redis-7.0-syncing.txt")),
            of(&[("127.0.0.1:27811", false)])
        );
        assert_eq!(
            online(told!("redis-8.0-master.txt")),
            of(&[
                ("192.168.4.19:6379", false),
                ("[fd00::2]:6380", true),
                ("192.168.4.21:6379", false)
            ])
        );
        // Two connections of one replica are one replica.
        assert_eq!(
            online(told!("valkey-8.0-master.txt")),
            of(&[("10.88.0.170:6379", false), ("10.88.0.171:6379", true)])
        );
    }

    #[test]
    fn a_planned_hand_over_is_seen() {
        assert!(
            told!("redis-8.0-master.txt")
                .replication
                .unwrap()
                .handing_over
        );
        assert!(
            !told!("redis-7.0-master.txt")
                .replication
                .unwrap()
                .handing_over
        );
    }

    #[test]
    fn a_replica_says_whether_it_hears_its_master() {
        for info in [
            told!("redis-6.2-replica.txt"),
            told!("redis-7.0-replica.txt"),
        ] {
            let seen = info.replication.unwrap();
            assert!(!seen.master && seen.link_up && !seen.copying);
        }
    }

    #[test]
    fn answers_add_up_and_what_was_not_asked_stays() {
        let mut info = Info::default();
        info.read("# Memory\r\nused_memory:5\r\nmaxmemory:10\r\n");
        info.read("# Stats\r\nsync_full:2\r\n");
        assert_eq!(info.memory.as_ref().unwrap().limit, Some(10));
        assert_eq!(info.stats.as_ref().unwrap().full_syncs, 2);
        assert_eq!(info.rejected, None);
        info.read("# Errorstats\r\nerrorstat_OOM:count=7\r\n");
        assert_eq!(info.rejected, Some(7));
    }

    #[test]
    fn a_connection_knows_its_own_buffers() {
        let six = "id=9 addr=127.0.0.1:4 name= psub=0 multi=-1 omem=0 tot-mem=49810 events=r";
        assert_eq!(own_output(six), Some((0, 49_810)));
        let seven = "id=5 ssub=0 obl=0 oll=3 omem=61512 tot-mem=37658 events=r resp=3\n";
        assert_eq!(own_output(seven), Some((61_512, 37_658)));
        assert_eq!(own_output("id=5 omem=x tot-mem=1"), None);
    }

    #[test]
    fn the_youngest_of_some_connections() {
        let list = "id=1 age=300 idle=1\nid=2 age=12 idle=0\nid=3 name=age=1\n";
        assert_eq!(youngest(list), Some(Duration::from_secs(12)));
        assert_eq!(youngest(""), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_a_server_sends_is_a_panic(text in "(role|slave0|used_memory|sync_full|#| |:|=|,|ip|port|\\r\\n|[0-9]{1,30}|-|\\PC){0,60}") {
            Info::default().read(&text);
            let _ = (own_output(&text), youngest(&text));
        }
    }
}
