//! A master, its replicas, and the sentinels that watch them.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Answer, Authority, Plan, Server, server::RIG, until, until_within};

/// What the sentinels call the master.
pub(crate) const NAME: &str = "main";

/// How long a failover may take, from the moment that its cause is there.
const FAILOVER: Duration = Duration::from_secs(60);

/// Slow clocks of sentinels that no test is about, in ms: how seldom they look for replicas, and
/// for how long they do nothing at all once their machine has been late (30 s by themselves).
/// Who is dead, who votes and how long that takes is as ever.
const CLOCKS: [&str; 6] = [
    "SENTINEL",
    "DEBUG",
    "INFO-PERIOD",
    "1000",
    "TILT-PERIOD",
    "2000",
];

/// One master at first, two replicas, three sentinels; ended when dropped.
pub(crate) struct Watched {
    /// The first is the master at first.
    pub(crate) servers: Vec<Server>,
    pub(crate) sentinels: Vec<Server>,
}

impl Watched {
    /// Sentinels that call a master dead after a second.
    pub(crate) fn start() -> Watched {
        Watched::planned(&Plan::new(), &Plan::new(), "")
    }

    /// The same, where servers take in the user of these rules alone, and sentinels that of
    /// those.
    pub(crate) fn secured(user: &str, watcher: &str) -> Watched {
        let [name, password] = RIG;
        let server = Plan::new()
            .user(user)
            .set("masteruser", name)
            .set("masterauth", password);
        let lines = format!(
            "sentinel auth-user {NAME} {name}\n\
             sentinel auth-pass {NAME} {password}\n\
             sentinel sentinel-user {name}\n\
             sentinel sentinel-pass {password}\n"
        );
        Watched::planned(&server, &Plan::new().user(watcher), &lines)
    }

    /// The same, where all speak TLS with each other and with us.
    pub(crate) fn encrypted(authority: &Authority) -> Watched {
        let plan = Plan::new().tls(authority);
        Watched::planned(&plan, &plan, "")
    }

    /// With settings of their own for servers and sentinels, once all know each other.
    fn planned(server: &Plan<'_>, sentinel: &Plan<'_>, lines: &str) -> Watched {
        let master = Server::planned(server);
        let replica = || Server::planned(&server.clone().replica_of(&master));
        let replicas = [replica(), replica()];
        let lines = format!(
            "sentinel monitor {NAME} 127.0.0.1 {} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 3000\n\
             sentinel parallel-syncs {NAME} 2\n\
             {lines}",
            master.announced()
        );
        let plan = sentinel.clone().sentinel(&lines);
        let sentinels: Vec<Server> = (0..3).map(|_| Server::planned(&plan)).collect();
        for sentinel in &sentinels {
            // Redis 6.2 cannot be told.
            sentinel.try_ask(&CLOCKS).expect("an answer");
        }
        for replica in &replicas {
            replica.until_in_sync();
        }
        let watched = Watched {
            servers: std::iter::once(master).chain(replicas).collect(),
            sentinels,
        };
        watched.until_acquainted(3);
        watched
    }

    /// Waits until so many sentinels know each other and both replicas.
    pub(crate) fn until_acquainted(&self, sentinels: usize) {
        for sentinel in &self.sentinels {
            until("the sentinels know each other and the replicas", || {
                let knows = |what| match sentinel.try_ask(&["SENTINEL", what, NAME]) {
                    Ok(Answer::List(list)) => list.len(),
                    _ => 0,
                };
                knows("SENTINELS") + 1 == sentinels && knows("REPLICAS") == 2
            });
        }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Server::announced_url).collect()
    }

    /// The port of the master, as the sentinels of now say that can be asked.
    pub(crate) fn master_port(&self) -> u16 {
        let asked = self.sentinels.iter().find_map(|sentinel| {
            let answer = sentinel.try_ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
            answer.ok().filter(|answer| *answer != Answer::Nil)
        });
        let address = asked.expect("a sentinel that answers");
        u16::try_from(address.list()[1].int()).expect("a port")
    }

    /// The master of now.
    pub(crate) fn master(&self) -> &Server {
        let port = self.master_port();
        let found = self
            .servers
            .iter()
            .find(|server| server.announced() == port);
        found.expect("one of the rig's servers")
    }

    /// Waits until a former master is a replica. Sentinels end all its connections then.
    pub(crate) fn until_follows(&self, server: &Server) {
        until_within(
            FAILOVER,
            "the former master is a replica",
            || match server.try_ask(&["ROLE"]) {
                Ok(role) => role.list()[0].text() == "slave",
                Err(_) => false,
            },
        );
    }

    /// A planned failover; returns once a sentinel has agreed to it.
    pub(crate) fn fail_over(&self) {
        until("the sentinels agree to a failover", || {
            matches!(
                self.sentinels[0].try_ask(&["SENTINEL", "FAILOVER", NAME]),
                Ok(Answer::Text(_))
            )
        });
    }

    /// A planned failover, asked for again where it was given up; returns once it is done.
    pub(crate) fn fail_over_from(&self, from: u16) {
        until_within(FAILOVER, "a failover comes to its end", || {
            let agreed = Instant::now();
            self.fail_over();
            let is_given_up = || agreed.elapsed() >= FAILOVER / 6;
            while self.master_port() == from && !is_given_up() {
                thread::sleep(Duration::from_millis(20));
            }
            self.master_port() != from
        });
    }

    /// Waits until the sentinels name another master than this one; how long it took.
    pub(crate) fn until_moved(&self, from: u16) -> Duration {
        until_within(FAILOVER, "the sentinels name another master", || {
            self.master_port() != from
        })
    }
}
