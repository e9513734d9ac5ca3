//! A cluster of three masters with a replica each.

use std::{collections::BTreeSet, time::Duration};

use super::{Answer, Authority, Plan, Server, server::RIG, until, until_within};

/// How many slots there are.
const SLOTS: usize = 16_384;

pub(crate) const MASTERS: usize = 3;

/// How long a failover may take.
const FAILOVER: Duration = Duration::from_secs(30);

/// Six nodes; ended when dropped.
pub(crate) struct Cluster {
    /// Three masters of a third of the slots each, then a replica of each, at first.
    pub(crate) nodes: Vec<Server>,
    ids: Vec<String>,
}

impl Cluster {
    /// Nodes that call another one dead after a second and a half.
    pub(crate) fn start() -> Cluster {
        Cluster::planned(&Plan::new())
    }

    /// Nodes that speak TLS with each other and with us.
    pub(crate) fn encrypted(authority: &Authority) -> Cluster {
        Cluster::planned(&Plan::new().tls(authority))
    }

    /// Nodes that take in the user of these rules alone.
    pub(crate) fn secured(user: &str) -> Cluster {
        let [name, password] = RIG;
        let plan = Plan::new()
            .user(user)
            .set("masteruser", name)
            .set("masterauth", password);
        Cluster::planned(&plan)
    }

    /// With settings of their own, once every node finds all slots served.
    pub(crate) fn planned(plan: &Plan<'_>) -> Cluster {
        let node = |_| {
            let plan = plan
                .clone()
                .cluster()
                .set("cluster-node-timeout", 1_500)
                .set("repl-diskless-sync-delay", 0);
            Server::planned(&plan)
        };
        let nodes: Vec<Server> = (0..MASTERS * 2).map(node).collect();
        let id = |node: &Server| node.ask(&["CLUSTER", "MYID"]).text();
        let ids = nodes.iter().map(id).collect();
        let cluster = Cluster { nodes, ids };
        cluster.join();
        cluster
    }

    fn join(&self) {
        let ends: Vec<usize> = (0..=MASTERS).map(|n| n * SLOTS / MASTERS).collect();
        for (index, node) in self.nodes.iter().enumerate() {
            let epoch = (index + 1).to_string();
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            if let [first, end, ..] = ends[index.min(MASTERS)..] {
                // One by one: ranges are known since Redis 7.
                let slots: Vec<String> = (first..end).map(|slot| slot.to_string()).collect();
                let mut command = vec!["CLUSTER", "ADDSLOTS"];
                command.extend(slots.iter().map(String::as_str));
                node.ask(&command);
            }
        }
        let [first, others @ ..] = self.nodes.as_slice() else {
            return;
        };
        let port = first.announced().to_string();
        for node in others {
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port]);
        }
        until("all nodes know each other", || {
            self.nodes
                .iter()
                .all(|node| self.known(node) == self.nodes.len())
        });
        for (master, node) in self.ids.iter().zip(&self.nodes[MASTERS..]) {
            node.ask(&["CLUSTER", "REPLICATE", master]);
        }
        self.until_served();
        for node in &self.nodes[MASTERS..] {
            node.until_in_sync();
        }
        // A replica that masters do not know as one cannot be asked to take over.
        until("the masters know their replicas", || {
            let text = self.nodes[0].ask(&["CLUSTER", "NODES"]).text();
            text.lines().filter(|line| line.contains("slave")).count() == MASTERS
        });
    }

    fn known(&self, node: &Server) -> usize {
        let text = node.ask(&["CLUSTER", "NODES"]).text();
        text.lines()
            .filter(|line| !line.contains("handshake"))
            .count()
    }

    /// Waits until every node that runs finds all slots served.
    pub(crate) fn until_served(&self) {
        until_within(FAILOVER, "all slots are served", || {
            let mut running = self.nodes.iter().filter(|node| node.is_running());
            running.all(|node| match node.try_ask(&["CLUSTER", "INFO"]) {
                Ok(info) => info.text().contains("cluster_state:ok"),
                Err(_) => false,
            })
        });
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Server::announced_url).collect()
    }

    /// The slot of a channel.
    pub(crate) fn slot(&self, channel: &str) -> u16 {
        let slot = self.anyone().ask(&["CLUSTER", "KEYSLOT", channel]).int();
        u16::try_from(slot).expect("a slot")
    }

    fn anyone(&self) -> &Server {
        let mut running = self.nodes.iter().filter(|node| node.is_running());
        running.next().expect("a node that runs")
    }

    /// The place in `nodes` of a slot's owner, as a node tells that is up.
    pub(crate) fn owner(&self, slot: u16) -> usize {
        let ranges = self.anyone().ask(&["CLUSTER", "SLOTS"]);
        let range = ranges.list().iter().find(|range| {
            let range = range.list();
            (range[0].int()..=range[1].int()).contains(&i64::from(slot))
        });
        let port = range.expect("an owner").list()[2].list()[1].int();
        let place = |node: &Server| i64::from(node.port()) == port;
        self.nodes.iter().position(place).expect("one of the nodes")
    }

    /// Waits until all nodes that run know the same owners and epochs. A slot that moves
    /// sooner may be claimed back by its former owner, and is lost with all its keys.
    pub(crate) fn until_agreed(&self) {
        until("the nodes agree on owners and epochs", || {
            let running = self.nodes.iter().filter(|node| node.is_running());
            let views: BTreeSet<Vec<String>> = running.map(view).collect();
            views.len() == 1
        });
    }

    /// A replica of a node that runs.
    pub(crate) fn replica_of(&self, master: usize) -> Option<usize> {
        let text = self.anyone().ask(&["CLUSTER", "NODES"]).text();
        let line = text
            .lines()
            .find(|line| line.split(' ').nth(3) == Some(&self.ids[master]))?;
        let id = line.split(' ').next()?;
        self.ids.iter().position(|known| known == id)
    }

    /// Moves a slot and its keys while it is in use, as `redis-cli --cluster reshard`.
    pub(crate) fn migrate(&self, slot: u16, to: usize) {
        self.migrate_keys(slot, to);
        self.settle(slot, to);
    }

    /// Moves the keys of a slot, which stays where it is until it is
    /// [settled](Self::settle).
    pub(crate) fn migrate_keys(&self, slot: u16, to: usize) {
        self.until_agreed();
        let from = self.owner(slot);
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let slot = slot.to_string();
        let set = |node: &Server, state: &str, id: &str| {
            ask_patiently(node, &["CLUSTER", "SETSLOT", &slot, state, id]);
        };
        set(target, "IMPORTING", &self.ids[from]);
        set(source, "MIGRATING", &self.ids[to]);
        let port = target.announced().to_string();
        loop {
            let keys = source.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
            let keys: Vec<String> = keys.list().iter().map(Answer::text).collect();
            if keys.is_empty() {
                break;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000"];
            if target.is_secured() {
                command.extend(["AUTH2", RIG[0], RIG[1]]);
            }
            command.push("KEYS");
            command.extend(keys.iter().map(String::as_str));
            ask_patiently(source, &command);
        }
    }

    /// Gives a slot to its next owner, who has its keys.
    pub(crate) fn settle(&self, slot: u16, to: usize) {
        let from = self.owner(slot);
        let (slot, id) = (slot.to_string(), &self.ids[to]);
        let set = |node: &Server| node.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", id]);
        set(&self.nodes[to]);
        // Keys may have been written between the last look and the end.
        set(&self.nodes[from]);
        for node in &self.nodes {
            if node.is_running() && node.info("replication", "role") == "master" {
                set(node);
            }
        }
    }

    /// Hands a slot on whole, where servers can.
    pub(crate) fn hand_on(&self, slot: u16, to: usize) {
        self.until_agreed();
        let text = slot.to_string();
        let command = [
            "CLUSTER",
            "MIGRATESLOTS",
            "SLOTSRANGE",
            &text,
            &text,
            "NODE",
            &self.ids[to],
        ];
        ask_patiently(&self.nodes[self.owner(slot)], &command);
        until("the slot is handed on", || self.owner(slot) == to);
    }

    /// Waits until a slot has another owner than this one; how long it took.
    pub(crate) fn until_moved(&self, slot: u16, from: usize) -> Duration {
        until_within(FAILOVER, "the slot has another owner", || {
            self.owner(slot) != from
        })
    }

    /// A planned failover: the replica takes its master's place.
    pub(crate) fn fail_over(&self, replica: usize) {
        self.nodes[replica].ask(&["CLUSTER", "FAILOVER"]);
        until_within(FAILOVER, "the replica is a master", || {
            self.nodes[replica].info("replication", "role") == "master"
        });
    }
}

/// Asks again what a node cannot do just now: on a machine with much to do its own others are
/// late, so that it finds the cluster down, or its replica away.
fn ask_patiently(node: &Server, command: &[&str]) {
    const NOT_NOW: [&str; 4] = ["NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "IOERR"];
    until("the node does what it is asked", || {
        match node.try_ask(command) {
            Ok(Answer::Error(words)) if NOT_NOW.iter().any(|code| words.starts_with(code)) => false,
            Ok(Answer::Error(words)) => panic!("{command:?}: {words}"),
            Ok(_) => true,
            Err(error) => panic!("{command:?}: {error}"),
        }
    });
}

/// Who has which epoch and which slots, by the word of a node.
fn view(node: &Server) -> Vec<String> {
    let text = node.ask(&["CLUSTER", "NODES"]).text();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let slots = words[8..].iter().filter(|slot| !slot.starts_with('['));
            let slots: Vec<&str> = slots.copied().collect();
            format!("{} {} {}", words[0], words[6], slots.join(" "))
        })
        .collect();
    lines.sort();
    lines
}
