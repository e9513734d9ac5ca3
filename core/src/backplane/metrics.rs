//! Health as Prometheus reads it.

use super::{
    health::{Condition, Health},
    node::{Node, Role},
};
use crate::metrics::prometheus::Page;

/// A family of samples, one per node that has one.
struct PerNode<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    value: fn(&Node) -> Option<u64>,
}

impl Health {
    /// This state as Prometheus reads it (text format 0.0.4). Every name begins with
    /// `distributary_backplane_`. [`Hub::prometheus`](crate::Hub::prometheus) has it behind
    /// the hub's own figures.
    pub fn prometheus(&self) -> String {
        let mut page = Page::default();
        self.states(&mut page);
        self.figures(&mut page);
        self.servers(&mut page);
        page.into_text()
    }

    fn states(&self, page: &mut Page) {
        let name = "distributary_backplane_condition";
        page.family(name, "gauge", "1 for the condition that it is in.");
        for condition in [Condition::Ok, Condition::Degraded, Condition::Away] {
            let is = u8::from(condition == self.condition);
            page.sample(name, &[("condition", condition.as_str())], is);
        }
        let name = "distributary_backplane_reason";
        page.family(name, "gauge", "Reasons for the condition, by code.");
        let mut codes: Vec<_> = self.reasons.iter().map(|reason| reason.code).collect();
        codes.sort_unstable();
        for same in codes.chunk_by(|one, other| one == other) {
            page.sample(name, &[("code", same[0])], same.len());
        }
        let name = "distributary_backplane_lag_seconds";
        page.family(
            name,
            "gauge",
            "From publish to arrival and back, as probes of the last minute saw it.",
        );
        for (quantile, lag) in [
            ("0.5", self.lag.p50),
            ("0.99", self.lag.p99),
            ("1", self.lag.max),
        ] {
            page.sample(name, &[("quantile", quantile)], lag.as_secs_f64());
        }
        page.gauge(
            "distributary_backplane_queued_bytes",
            "Bytes that wait to be sent.",
            self.queued_bytes,
        );
        page.gauge(
            "distributary_backplane_joining",
            "Names that are wanted, and not yet heard.",
            self.joining,
        );
    }

    fn figures(&self, page: &mut Page) {
        let counts = &self.counts;
        for (name, help, value) in [
            (
                "distributary_backplane_late_total",
                "Probes and numbered events that came later than 900 ms.",
                self.lag.late,
            ),
            (
                "distributary_backplane_arrived_total",
                "Events that came from other hubs and were handed on.",
                counts.arrived,
            ),
            (
                "distributary_backplane_sent_total",
                "Events that the server confirmed.",
                counts.sent,
            ),
            (
                "distributary_backplane_failed_total",
                "Events that were refused, expired or stayed unconfirmed.",
                counts.failed,
            ),
            (
                "distributary_backplane_voided_total",
                "Events that were acknowledged, and that a server which took over may lack.",
                counts.voided,
            ),
            (
                "distributary_backplane_gaps_total",
                "Stretches that were found missing, and could not be repaired.",
                counts.gaps,
            ),
            (
                "distributary_backplane_lost_total",
                "Events in them, where they could be counted.",
                counts.lost,
            ),
            (
                "distributary_backplane_repaired_total",
                "Events that were missing and were read from a log.",
                counts.repaired,
            ),
            (
                "distributary_backplane_duplicates_total",
                "Events that came a second time and were let go.",
                counts.duplicates,
            ),
            (
                "distributary_backplane_unreadable_total",
                "Messages, and entries of logs, that could not be read.",
                counts.unreadable,
            ),
            (
                "distributary_backplane_attempts_total",
                "Attempts to connect.",
                counts.attempts,
            ),
            (
                "distributary_backplane_connections_total",
                "Attempts to connect that succeeded.",
                counts.connections,
            ),
        ] {
            page.counter(name, help, value);
        }
    }

    fn servers(&self, page: &mut Page) {
        for family in FAMILIES {
            page.family(family.name, family.kind, family.help);
            for node in &self.nodes {
                if let Some(value) = (family.value)(node) {
                    page.sample(family.name, &[("node", &node.address)], value);
                }
            }
        }
        let name = "distributary_backplane_node_replica_behind_bytes";
        page.family(name, "gauge", "Bytes that a replica really lags.");
        for node in &self.nodes {
            for replica in node.replication.iter().flat_map(|r| &r.replicas) {
                let labels = [("node", &*node.address), ("replica", &*replica.address)];
                page.sample(name, &labels, replica.behind);
            }
        }
    }
}

const FAMILIES: &[PerNode<'static>] = &[
    PerNode {
        name: "distributary_backplane_node_connected",
        kind: "gauge",
        help: "1 when there is a connection that works.",
        value: |node| Some(node.connected.into()),
    },
    PerNode {
        name: "distributary_backplane_node_master",
        kind: "gauge",
        help: "1 when the server is a master.",
        value: |node| Some((node.replication.as_ref()?.role == Role::Master).into()),
    },
    PerNode {
        name: "distributary_backplane_node_replicas",
        kind: "gauge",
        help: "Replicas, online or not.",
        value: |node| Some(node.replication.as_ref()?.replicas.len() as u64),
    },
    PerNode {
        name: "distributary_backplane_node_replicas_online",
        kind: "gauge",
        help: "Replicas that have a copy and follow.",
        value: |node| {
            let replicas = node.replication.as_ref()?.replicas.iter();
            Some(replicas.filter(|replica| replica.online).count() as u64)
        },
    },
    PerNode {
        name: "distributary_backplane_node_resync_loop",
        kind: "gauge",
        help: "1 while a replica falls behind, is cut off and begins anew.",
        value: |node| Some(node.replication.as_ref()?.resync_loop.into()),
    },
    PerNode {
        name: "distributary_backplane_node_full_syncs_total",
        kind: "counter",
        help: "Times that a replica had to begin with a copy of everything.",
        value: |node| node.replication.as_ref()?.full_syncs,
    },
    PerNode {
        name: "distributary_backplane_node_memory_bytes",
        kind: "gauge",
        help: "Memory in use.",
        value: |node| Some(node.memory.as_ref()?.used),
    },
    PerNode {
        name: "distributary_backplane_node_memory_limit_bytes",
        kind: "gauge",
        help: "Memory that may be used, where there is a limit.",
        value: |node| node.memory.as_ref()?.limit,
    },
    PerNode {
        name: "distributary_backplane_node_evicted_total",
        kind: "counter",
        help: "Keys thrown away for want of memory.",
        value: |node| node.memory.as_ref()?.evicted,
    },
    PerNode {
        name: "distributary_backplane_node_rejected_total",
        kind: "counter",
        help: "Writes refused for want of memory.",
        value: |node| node.memory.as_ref()?.rejected,
    },
    PerNode {
        name: "distributary_backplane_node_output_bytes",
        kind: "gauge",
        help: "Bytes that wait in the server to be sent to this hub.",
        value: |node| Some(node.output?.waiting),
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        backplane::{Counts, Memory, Reason, Replica, Replication},
        metrics::prometheus::checked,
    };

    #[test]
    fn every_line_is_one_of_the_format_and_every_family_stands_once() {
        let reason = |code| Reason {
            code,
            condition: Condition::Degraded,
            text: String::new(),
        };
        let replica = |address: &str| Replica {
            address: address.into(),
            behind: 7,
            ..Replica::default()
        };
        let node = Node {
            address: "a:1".into(),
            connected: true,
            replication: Some(Replication {
                replicas: vec![replica("b:1"), replica("c:1")],
                resync_loop: true,
                ..Replication::default()
            }),
            memory: Some(Memory::default()),
            ..Node::default()
        };
        let health = Health {
            condition: Condition::Degraded,
            reasons: vec![reason("late"), reason("resync_loop"), reason("late")],
            nodes: vec![node, Node::default()],
            counts: Counts {
                voided: 3,
                unreadable: 4,
                ..Counts::default()
            },
            ..Health::default()
        };
        let page = health.prometheus();
        checked(&page, "distributary_backplane_");
        for line in [
            "distributary_backplane_condition{condition=\"degraded\"} 1\n",
            "distributary_backplane_condition{condition=\"ok\"} 0\n",
            "distributary_backplane_reason{code=\"late\"} 2\n",
            "distributary_backplane_voided_total 3\n",
            "distributary_backplane_unreadable_total 4\n",
            "distributary_backplane_node_resync_loop{node=\"a:1\"} 1\n",
            "distributary_backplane_node_replica_behind_bytes{node=\"a:1\",replica=\"c:1\"} 7\n",
        ] {
            assert!(page.contains(line), "{line}{page}");
        }
        assert!(!page.contains("limit_bytes{"), "{page}");
    }
}
