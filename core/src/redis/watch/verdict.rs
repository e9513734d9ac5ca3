//! Is it safe to switch to this one now?
//!
//! What traffic is moved to has to be able to carry it and to survive the loss of its
//! master. Each demand is checked against what was observed, and against what the server
//! says of the time before; what cannot be known is not taken for good.

use std::{fmt, time::Duration};

use super::{code, memory::SCARCE};
#[cfg(doc)]
use crate::backplane::Lag;
use crate::backplane::{Condition, Health, Memory, Node, Replication, Role};

/// A server that has just started cannot have had its replicas for longer: the time that
/// they take to get their first copy.
const START: Duration = Duration::from_secs(15);

/// What is asked of a backplane before traffic is switched to it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Demands {
    /// Replicas that each master must have online.
    pub replicas: usize,
    /// They must have been there, unchanged, for so long, or since the server started.
    pub stable: Duration,
    /// No replica may have begun anew for so long, or since the server started.
    pub steady: Duration,
    /// They must lack fewer bytes than this.
    pub behind: u64,
    /// Probes must be faster, but for an odd one: what [`Lag::lasting`] must be below.
    pub lag: Duration,
    /// Memory in use, as a share of what may be used, must be below.
    pub memory: f64,
}

impl Default for Demands {
    fn default() -> Self {
        Demands {
            replicas: 0,
            stable: Duration::from_secs(60),
            steady: Duration::from_secs(300),
            behind: 1 << 20,
            lag: Duration::from_millis(200),
            memory: SCARCE,
        }
    }
}

/// Whether it is safe, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verdict {
    /// Every demand is met.
    pub safe: bool,
    /// What was checked, one by one.
    pub findings: Vec<Finding>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// A stable word, such as `stable` or `resync_loop`.
    pub code: &'static str,
    /// It is as it should be.
    pub met: bool,
    /// What was seen.
    pub text: String,
}

impl Verdict {
    /// Nothing has been checked.
    fn new() -> Self {
        Verdict {
            safe: true,
            findings: Vec::new(),
        }
    }

    fn add(&mut self, code: &'static str, met: bool, text: String) {
        self.safe &= met;
        self.findings.push(Finding { code, met, text });
    }

    /// Adds what speaks against it, unless that is among the findings already.
    pub fn object(&mut self, code: &'static str, text: &str) {
        if !self.findings.iter().any(|f| f.code == code && !f.met) {
            self.add(code, false, text.to_owned());
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.met { "ok" } else { "no" };
        write!(f, "{mark:<3}{}: {}", self.code, self.text)
    }
}

impl Demands {
    /// Judges what was observed.
    #[must_use]
    pub fn judge(&self, health: &Health) -> Verdict {
        let mut verdict = Verdict::new();
        for reason in &health.reasons {
            if reason.condition > Condition::Ok {
                verdict.add(reason.code, false, reason.text.clone());
            }
        }
        self.check_probes(health, &mut verdict);
        if health.nodes.is_empty() {
            verdict.object(code::CONNECTING, "no server is known");
        }
        for node in &health.nodes {
            self.check_node(node, &mut verdict);
        }
        verdict
    }

    fn check_probes(&self, health: &Health, verdict: &mut Verdict) {
        let (lasting, limit) = (health.lag.lasting, self.lag);
        let met = health.lag.probes > 0 && lasting < limit;
        let text = if health.lag.probes == 0 {
            "no probe has come back yet".to_owned()
        } else {
            let of = if met {
                "in the last ten seconds probes came, but for an odd one, within"
            } else {
                "many probes of the last ten seconds took"
            };
            format!(
                "{of} {:.1} ms{}, of {} ms allowed",
                lasting.as_secs_f64() * 1e3,
                if met { "" } else { " or longer" },
                limit.as_millis()
            )
        };
        verdict.add("probes", met, text);
    }

    fn check_node(&self, node: &Node, verdict: &mut Verdict) {
        let at = &node.address;
        if !node.connected {
            verdict.object(code::DISCONNECTED, &format!("{at} is not connected"));
            return;
        }
        match &node.replication {
            None => verdict.add("replication", false, unknown(at, "its replication")),
            Some(replication) => self.check_replication(at, node.uptime, replication, verdict),
        }
        match &node.memory {
            None => verdict.add("memory", false, unknown(at, "its memory")),
            Some(memory) => self.check_memory(at, memory, verdict),
        }
    }

    fn check_replication(
        &self,
        at: &str,
        uptime: Option<Duration>,
        replication: &Replication,
        verdict: &mut Verdict,
    ) {
        if replication.role != Role::Master {
            verdict.object(code::NOT_MASTER, &format!("{at} is a replica"));
            return;
        }
        if replication.resync_loop {
            let text = format!("a replica of {at} falls behind, is cut off and begins anew");
            verdict.object(code::RESYNC_LOOP, &text);
        }
        let all = replication.replicas.len();
        let online = replication.replicas.iter().filter(|r| r.online).count();
        let mut text = format!("{online} of {all} replicas of {at} are online");
        if self.replicas > 0 {
            text.push_str(&format!(", and {} are asked for", self.replicas));
        } else if all == 0 {
            text = format!("{at} has no replicas: nothing takes over when it is lost");
        }
        verdict.add("replicas", online == all && online >= self.replicas, text);

        let since_start = uptime.map(|up| up.saturating_sub(START));
        let wanted = |time: Duration| since_start.map_or(time, |start| time.min(start));
        let stable = replication.stable;
        let text = format!(
            "the replicas of {at} have been the same for {} s as far as is known here, and for {} s \
             they shall be",
            stable.as_secs(),
            self.stable.as_secs()
        );
        verdict.add("stable", stable >= wanted(self.stable), text);
        let steady = replication.steady;
        let text = format!(
            "no replica of {at} has begun anew for {} s or more, of {} s asked for",
            steady.as_secs(),
            self.steady.as_secs()
        );
        let quiet = steady >= self.steady || uptime.is_some_and(|up| steady >= up);
        verdict.add("steady", quiet, text);
        if let Some(worst) = replication.replicas.iter().max_by_key(|r| r.behind) {
            let text = format!(
                "replica {} of {at} is {} bytes behind, of {} allowed",
                worst.address, worst.behind, self.behind
            );
            verdict.add("behind", worst.behind < self.behind, text);
        }
    }

    fn check_memory(&self, at: &str, memory: &Memory, verdict: &mut Verdict) {
        let text = match memory.limit {
            None => format!("{at} uses {} bytes, and has no limit", memory.used),
            Some(limit) => format!(
                "{at} uses {} of {limit} bytes, {:.0} % allowed",
                memory.used,
                self.memory * 100.0
            ),
        };
        let room = memory.share().is_none_or(|share| share < self.memory);
        verdict.add("memory", room, text);
        let text = match memory.pressed {
            0 => format!("{at} has refused no write and thrown no key away meanwhile"),
            some => format!("{at} has refused writes or thrown keys away {some} times meanwhile"),
        };
        verdict.add("pressed", memory.pressed == 0, text);
    }
}

fn unknown(at: &str, what: &str) -> String {
    format!("{at} does not tell {what}: allow the user +info")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backplane::{Lag, Replica};

    fn well() -> Health {
        let mut node = Node {
            address: "a:1".into(),
            connected: true,
            uptime: Some(Duration::from_secs(86_400)),
            ..Node::default()
        };
        node.replication = Some(Replication {
            replicas: vec![Replica {
                address: "b:1".into(),
                online: true,
                ..Replica::default()
            }],
            stable: Duration::from_secs(60),
            steady: Duration::from_secs(300),
            ..Replication::default()
        });
        node.memory = Some(Memory {
            used: 79,
            limit: Some(100),
            ..Memory::default()
        });
        Health {
            lag: Lag {
                lasting: Duration::from_millis(3),
                probes: 20,
                ..Lag::default()
            },
            nodes: vec![node],
            ..Health::default()
        }
    }

    fn refused(change: impl FnOnce(&mut Health)) -> Vec<&'static str> {
        let mut health = well();
        change(&mut health);
        let verdict = Demands::default().judge(&health);
        let failed = verdict.findings.iter().filter(|finding| !finding.met);
        let codes: Vec<_> = failed.map(|finding| finding.code).collect();
        assert_eq!(verdict.safe, codes.is_empty());
        codes
    }

    fn replication(health: &mut Health) -> &mut Replication {
        health.nodes[0].replication.as_mut().unwrap()
    }

    fn memory(health: &mut Health) -> &mut Memory {
        health.nodes[0].memory.as_mut().unwrap()
    }

    #[test]
    fn what_is_well_is_safe() {
        assert_eq!(refused(|_| {}), [""; 0]);
    }

    #[test]
    fn each_demand_can_refuse() {
        let seconds = Duration::from_secs;
        assert_eq!(refused(|h| replication(h).stable = seconds(59)), ["stable"]);
        assert_eq!(
            refused(|h| replication(h).steady = seconds(299)),
            ["steady"]
        );
        let far = |h: &mut Health| replication(h).replicas[0].behind = 1 << 20;
        assert_eq!(refused(far), ["behind"]);
        let copying = |h: &mut Health| replication(h).replicas[0].online = false;
        assert_eq!(refused(copying), ["replicas"]);
        let looping = |h: &mut Health| replication(h).resync_loop = true;
        assert_eq!(refused(looping), [code::RESYNC_LOOP]);
        let replica = |h: &mut Health| replication(h).role = Role::Replica;
        assert_eq!(refused(replica), [code::NOT_MASTER]);
        assert_eq!(refused(|h| memory(h).used = 80), ["memory"]);
        assert_eq!(refused(|h| memory(h).pressed = 1), ["pressed"]);
        assert_eq!(
            refused(|h| h.lag.lasting = Duration::from_millis(200)),
            ["probes"]
        );
        // A stall of a while ago.
        assert_eq!(refused(|h| h.lag.p99 = Duration::from_secs(1)), [""; 0]);
        assert_eq!(refused(|h| h.lag.probes = 0), ["probes"]);
        assert_eq!(
            refused(|h| h.nodes[0].connected = false),
            [code::DISCONNECTED]
        );
        assert_eq!(refused(|h| h.nodes.clear()), [code::CONNECTING]);
    }

    #[test]
    fn what_is_not_told_is_not_taken_for_good() {
        assert_eq!(refused(|h| h.nodes[0].replication = None), ["replication"]);
        assert_eq!(refused(|h| h.nodes[0].memory = None), ["memory"]);
    }

    #[test]
    fn a_young_server_is_asked_for_what_it_can_have() {
        let young = |stable: u64| {
            refused(|h| {
                h.nodes[0].uptime = Some(Duration::from_secs(40));
                replication(h).stable = Duration::from_secs(stable);
                replication(h).steady = Duration::from_secs(40);
            })
        };
        assert_eq!(young(25), [""; 0]);
        assert_eq!(young(24), ["stable"]);
    }

    #[test]
    fn replicas_are_asked_for_only_on_demand() {
        let mut health = well();
        replication(&mut health).replicas.clear();
        let mut demands = Demands::default();
        assert!(demands.judge(&health).safe);
        demands.replicas = 1;
        assert!(!demands.judge(&health).safe);
    }

    #[test]
    fn other_reasons_refuse_and_notes_do_not() {
        let reason = |condition| crate::backplane::Reason {
            code: code::OUTPUT_BUFFER,
            condition,
            text: String::new(),
        };
        let with = |condition| refused(|h| h.reasons.push(reason(condition)));
        assert_eq!(with(Condition::Degraded), [code::OUTPUT_BUFFER]);
        assert_eq!(with(Condition::Ok), [""; 0]);
    }
}
