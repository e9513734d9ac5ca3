//! The answer, for people and for programs.

use std::time::Duration;

use distributary::{
    backplane::{Health, Node},
    redis::Verdict,
};
use serde_json::{Value, json};

fn word(verdict: &Verdict) -> &'static str {
    if verdict.safe { "yes" } else { "no" }
}

/// `yes` or `no`, what speaks against it, then the rest.
pub(crate) fn text(verdict: &Verdict) -> String {
    let mut lines = vec![word(verdict).to_owned()];
    for met in [false, true] {
        let findings = verdict.findings.iter().filter(|f| f.met == met);
        lines.extend(findings.map(|finding| format!("  {finding}")));
    }
    lines.join("\n")
}

/// The same, and all that was seen.
pub(crate) fn json(verdict: &Verdict, health: &Health) -> Value {
    let findings: Vec<Value> = verdict
        .findings
        .iter()
        .map(|finding| json!({"code": finding.code, "met": finding.met, "text": finding.text}))
        .collect();
    let reasons: Vec<Value> = health
        .reasons
        .iter()
        .map(|reason| {
            json!({
                "code": reason.code,
                "condition": reason.condition.as_str(),
                "text": reason.text,
            })
        })
        .collect();
    json!({
        "safe": verdict.safe,
        "answer": word(verdict),
        "findings": findings,
        "condition": health.condition.as_str(),
        "reasons": reasons,
        "lag_ms": {
            "p50": millis(health.lag.p50),
            "p99": millis(health.lag.p99),
            "max": millis(health.lag.max),
            "lasting": millis(health.lag.lasting),
            "late": health.lag.late,
            "probes": health.lag.probes,
        },
        "nodes": health.nodes.iter().map(node).collect::<Vec<_>>(),
    })
}

fn node(node: &Node) -> Value {
    let replication = node.replication.as_ref().map(|replication| {
        let replicas = replication.replicas.iter().map(|replica| {
            json!({
                "address": replica.address,
                "online": replica.online,
                "behind_bytes": replica.behind,
                "unconfirmed_bytes": replica.unconfirmed,
                "silent_s": replica.silent.as_secs(),
            })
        });
        json!({
            "role": replication.role.to_string(),
            "replicas": replicas.collect::<Vec<_>>(),
            "full_syncs": replication.full_syncs,
            "stable_s": replication.stable.as_secs(),
            "steady_s": replication.steady.as_secs(),
            "resync_loop": replication.resync_loop,
        })
    });
    let memory = node.memory.as_ref().map(|memory| {
        json!({
            "used_bytes": memory.used,
            "limit_bytes": memory.limit,
            "policy": memory.policy,
            "evicted": memory.evicted,
            "rejected": memory.rejected,
        })
    });
    json!({
        "address": node.address,
        "connected": node.connected,
        "version": node.version,
        "uptime_s": node.uptime.map(|uptime| uptime.as_secs()),
        "replication": replication,
        "memory": memory,
        "output_bytes": node.output.map(|output| output.waiting),
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
